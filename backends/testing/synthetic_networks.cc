#include "backends/testing/synthetic_networks.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "backends/testing/graph_builder.h"
#include "model/testing/sample_model.h"

namespace msq::testing {
namespace {

using ir::Scheme;
using ir::TensorId;

std::vector<Scheme> FourBits() {
  return {Scheme::kSp2, Scheme::kFixed4, Scheme::kSp2};
}

class NetworkBuilder {
 public:
  NetworkBuilder(std::string name, ir::Shape input) : b_(std::move(name)) {
    last_ = b_.Input(std::move(input), {8, 0});
  }

  TensorId last() const { return last_; }
  int64_t channels() const { return channels(last_); }
  int64_t channels(TensorId id) const { return b_.Shape(id)[0]; }

  // 4-bit output. Spreads typical sums over the codes; a skip operand counts one for one.
  TensorId Conv(int64_t rows, int64_t kernel, int64_t stride, int64_t groups = 1, TensorId skip = -1) {
    ir::Conv op;
    op.window.kernel = {kernel, kernel};
    op.window.strides = {stride, stride};
    op.window.pads.fill(kernel / 2);
    op.groups = groups;
    const int64_t row_length = channels() / groups * kernel * kernel;
    op.weights = PatternWeights(rows, row_length, FourBits(), ++seed_);
    ir::Requantizer requantizer = Spread(rows, row_length);
    if (skip >= 0) AddSkip(&requantizer);
    op.epilogue = std::move(requantizer);
    std::vector<TensorId> inputs = {last_};
    if (skip >= 0) inputs.push_back(skip);
    return last_ = b_.Add(std::move(op), std::move(inputs));
  }

  TensorId Dense(int64_t rows) {
    const int64_t features = channels();
    ir::Dense op{PatternWeights(rows, features, FourBits(), ++seed_), Spread(rows, features)};
    return last_ = b_.Add(std::move(op), {last_});
  }

  TensorId MaxPool(int64_t kernel, int64_t stride) {
    ir::MaxPool op;
    op.window = {{kernel, kernel}, {stride, stride}, {kernel / 2, kernel / 2, kernel / 2, kernel / 2}, {1, 1}};
    return last_ = b_.Add(op, {last_});
  }

  // Pool, flatten, classify.
  ir::Graph Finish(int64_t classes, const std::vector<Scheme>& schemes = {Scheme::kFixed8}) && {
    const int64_t pixels = b_.Shape(last_)[1] * b_.Shape(last_)[2];
    last_ = b_.Add(ir::GlobalAveragePool{UniformRequantizer(1, 1.0 / static_cast<double>(pixels + 1), 0)}, {last_});
    last_ = b_.Add(ir::Reshape{}, {last_}, {}, {channels()});
    return std::move(*this).Classify(classes, schemes);
  }

  // Classify a vector.
  ir::Graph Classify(int64_t classes, const std::vector<Scheme>& schemes = {Scheme::kFixed8}) && {
    ir::Dense op{PatternWeights(classes, channels(), schemes, ++seed_), ir::RawOutput{}};
    std::get<ir::RawOutput>(op.epilogue).biases.assign(static_cast<size_t>(classes), 7);
    last_ = b_.Add(std::move(op), {last_});
    b_.tensor(last_).name = "logits";
    b_.tensor(last_).type.row_scales.assign(static_cast<size_t>(classes), 0.01f);
    return std::move(b_).Finish({last_});
  }

  // Continues from an earlier tensor.
  void Rewind(TensorId id) { last_ = id; }

 private:
  // Typical sums of that many products over the codes.
  ir::Requantizer Spread(int64_t rows, int64_t products) const {
    const double typical = std::sqrt(static_cast<double>(products)) * 4 * (b_.Type(last_).bits == 8 ? 128 : 8);
    return UniformRequantizer(static_cast<size_t>(rows), 8 / typical, 2);
  }

  static void AddSkip(ir::Requantizer* requantizer) {
    for (size_t i = 0; i < requantizer->multipliers.size(); ++i) {
      const int excess = std::max(0, requantizer->shifts[i] - 16);
      requantizer->multipliers[i] = std::max(uint32_t{1}, requantizer->multipliers[i] >> excess);
      requantizer->addends[i] >>= excess;
      requantizer->shifts[i] = static_cast<uint8_t>(requantizer->shifts[i] - excess);
      requantizer->skip_multipliers.push_back(uint32_t{1} << requantizer->shifts[i]);
    }
  }

  GraphBuilder b_;
  TensorId last_ = -1;
  uint32_t seed_ = 0;
};

void BasicBlock(NetworkBuilder* b, int64_t channels, int64_t stride) {
  const TensorId in = b->last();
  TensorId skip = in;
  if (stride != 1 || b->channels() != channels) {
    skip = b->Conv(channels, 1, stride);
    b->Rewind(in);
  }
  b->Conv(channels, 3, stride);
  b->Conv(channels, 3, 1, 1, skip);
}

// As torchvision has it: the stride is that of the 3x3. The branch comes last, when the main path has become small.
void Bottleneck(NetworkBuilder* b, int64_t channels, int64_t stride) {
  const TensorId in = b->last();
  TensorId skip = in;
  b->Conv(channels, 1, 1);
  const TensorId main = b->Conv(channels, 3, stride);
  if (stride != 1 || b->channels(in) != 4 * channels) {
    b->Rewind(in);
    skip = b->Conv(4 * channels, 1, stride);
    b->Rewind(main);
  }
  b->Conv(4 * channels, 1, 1, 1, skip);
}

void InvertedResidual(NetworkBuilder* b, int64_t expansion, int64_t channels, int64_t stride) {
  const TensorId in = b->last();
  const int64_t hidden = expansion * b->channels();
  if (expansion != 1) b->Conv(hidden, 1, 1);
  b->Conv(hidden, 3, stride, hidden);
  b->Conv(channels, 1, 1, 1, stride == 1 && b->channels(in) == channels ? in : -1);
}

}  // namespace

ir::Graph ResNetCifar(int n) {
  NetworkBuilder b(absl::StrCat("resnet", 6 * n + 2, "_cifar"), {3, 32, 32});
  b.Conv(16, 3, 1);
  for (int64_t channels : {16, 32, 64}) {
    for (int block = 0; block < n; ++block) BasicBlock(&b, channels, channels > 16 && block == 0 ? 2 : 1);
  }
  return std::move(b).Finish(10);
}

ir::Graph ResNet18() {
  NetworkBuilder b("resnet18", {3, 224, 224});
  b.Conv(64, 7, 2);
  b.MaxPool(3, 2);
  for (int64_t channels : {64, 128, 256, 512}) {
    for (int block = 0; block < 2; ++block) BasicBlock(&b, channels, channels > 64 && block == 0 ? 2 : 1);
  }
  return std::move(b).Finish(1000);
}

ir::Graph ResNet50() {
  NetworkBuilder b("resnet50", {3, 224, 224});
  b.Conv(64, 7, 2);
  b.MaxPool(3, 2);
  int64_t channels = 64;
  for (int blocks : {3, 4, 6, 3}) {
    for (int block = 0; block < blocks; ++block) Bottleneck(&b, channels, channels > 64 && block == 0 ? 2 : 1);
    channels *= 2;
  }
  return std::move(b).Finish(1000, FourBits());
}

ir::Graph MobileNetV2() {
  NetworkBuilder b("mobilenet_v2", {3, 224, 224});
  b.Conv(32, 3, 2);
  struct Stage {
    int64_t expansion, channels;
    int blocks;
    int64_t stride;
  };
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  for (const Stage& stage : kStages) {
    for (int block = 0; block < stage.blocks; ++block) {
      InvertedResidual(&b, stage.expansion, stage.channels, block == 0 ? stage.stride : 1);
    }
  }
  b.Conv(1280, 1, 1);
  return std::move(b).Finish(1000, FourBits());
}

ir::Graph MobileNetLike() {
  NetworkBuilder b("mobilenet_like", {3, 32, 32});
  b.Conv(16, 3, 2);
  for (int64_t stride : {1, 2, 1}) {
    const TensorId in = b.last();
    const int64_t channels = b.channels(), hidden = 4 * channels;
    b.Conv(hidden, 1, 1);
    b.Conv(hidden, 3, stride, hidden);
    if (stride == 1) {
      b.Conv(channels, 1, 1, 1, in);
    } else {
      b.Conv(24, 1, 1);
    }
  }
  return std::move(b).Finish(10);
}

ir::Graph LstmGates() {
  constexpr int64_t kCells = 512, kTimeSteps = 16;
  GraphBuilder b("lstm_gates");
  const TensorId state = b.Input({kCells}), inputs = b.Input({kCells, kTimeSteps, 1});
  const TensorId of_state = b.Dense({state}, 4 * kCells, {.schemes = FourBits(), .seed = 2, .raw = true});
  const TensorId of_inputs = b.Conv({inputs}, 4 * kCells, {.schemes = FourBits(), .seed = 1, .raw = true});
  return std::move(b).Finish({of_state, of_inputs});
}

ir::Graph Perceptron() {
  NetworkBuilder builder("perceptron", {784});
  builder.Dense(1024);
  builder.Dense(1024);
  return std::move(builder).Classify(10);
}

}  // namespace msq::testing
