#include "tests/conformance/random_graph.h"

#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/ir/shape_inference.h"
#include "tests/conformance/random_ops.h"

namespace msq::conformance {
namespace {

using ir::TensorId;
using ir::TensorType;

constexpr int64_t kMaxTensorElements = 6000;
constexpr int64_t kMaxProducts = 400'000;  // of all nodes: bounds the reference's time

int64_t Products(const ir::Op& op, const ir::Shape& out) {
  const int64_t pixels = out.size() == 3 ? out[1] * out[2] : 1;
  if (const auto* conv = std::get_if<ir::Conv>(&op)) return pixels * conv->weights.rows * conv->weights.row_length;
  if (const auto* dense = std::get_if<ir::Dense>(&op)) return dense->weights.rows * dense->weights.row_length;
  if (const auto* pool = std::get_if<ir::MaxPool>(&op)) {
    return pixels * out[0] * pool->window.kernel[0] * pool->window.kernel[1];
  }
  return 0;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) { graph_.name = absl::StrCat("random ", seed); }

  ir::Graph Run() {
    AddInputs();
    const int64_t nodes = random_.Uniform(1, 10);
    // The limits refuse some drafts; each draft is another throw.
    for (int64_t attempt = 0; attempt < 20 * nodes && std::ssize(graph_.nodes) < nodes; ++attempt) TryNode();
    if (graph_.nodes.empty()) AddFallback();
    ChooseOutputs();
    return std::move(graph_);
  }

 private:
  const TensorType& Type(TensorId id) const { return graph_.tensors[static_cast<size_t>(id)].type; }

  TensorId AddTensor(TensorType type) {
    const auto id = static_cast<TensorId>(graph_.tensors.size());
    graph_.tensors.push_back({absl::StrCat("t", id), std::move(type)});
    consumed_.push_back(false);
    return id;
  }

  void AddInputs() {
    const int64_t count = random_.Chance(15) ? 2 : 1;
    for (int64_t i = 0; i < count; ++i) {
      TensorType type = RandomCodes(&random_);
      // A second input often has the first one's shape, so that they can be added.
      type.shape = i == 1 && random_.Chance(70) ? Type(0).shape : RandomShape(&random_, kMaxTensorElements);
      graph_.inputs.push_back(AddTensor(type));
    }
  }

  // The latest tensors are read most often, so that graphs grow deep.
  TensorId Pick() {
    for (;;) {
      const auto last = static_cast<int64_t>(graph_.tensors.size()) - 1;
      const auto id = static_cast<TensorId>(random_.Chance(60) ? last : random_.Uniform(0, last));
      if (Type(id).kind == TensorType::Kind::kCode) return id;
      if (random_.Chance(30)) return 0;
    }
  }

  // Another tensor that fits, or `id` itself.
  template <typename Fits>
  TensorId Partner(TensorId id, const Fits& fits) {
    std::vector<TensorId> found;
    for (TensorId other = 0; other < static_cast<TensorId>(graph_.tensors.size()); ++other) {
      if (Type(other).kind == TensorType::Kind::kCode && fits(Type(other))) found.push_back(other);
    }
    return found.empty() ? id : found[static_cast<size_t>(random_.Uniform(0, std::ssize(found) - 1))];
  }

  void TryNode() {
    const TensorId first = Pick();
    Draft draft = DraftOp(&random_, Type(first));
    std::vector<TensorId> inputs = {first};
    if (draft.wants_skip) {
      const auto shape = ir::InferShape(draft.op, std::vector<ir::Shape>{Type(first).shape}, draft.out.shape);
      inputs.push_back(Partner(first, [&](const TensorType& t) { return shape.ok() && t.shape == *shape; }));
    } else if (std::holds_alternative<ir::Add>(draft.op)) {
      inputs.push_back(Partner(first, [&](const TensorType& t) { return t.shape == Type(first).shape; }));
    } else if (const auto* concat = std::get_if<ir::Concat>(&draft.op)) {
      const auto axis = static_cast<size_t>(concat->axis);
      for (int64_t extra = random_.Uniform(0, 2); extra > 0; --extra) {
        inputs.push_back(Partner(first, [&](const TensorType& t) { return Joins(Type(first), t, axis); }));
      }
    }
    Commit(std::move(draft), std::move(inputs));
  }

  static bool Joins(const TensorType& a, const TensorType& b, size_t axis) {
    if (a.bits != b.bits || a.zero_point != b.zero_point || a.shape.size() != b.shape.size()) return false;
    ir::Shape shape = b.shape;
    shape[axis] = a.shape[axis];
    return shape == a.shape;
  }

  void Commit(Draft draft, std::vector<TensorId> inputs) {
    std::vector<ir::Shape> shapes;
    for (TensorId id : inputs) shapes.push_back(Type(id).shape);
    const auto shape = ir::InferShape(draft.op, shapes, draft.out.shape);
    if (!shape.ok() || ir::ElementCount(*shape) > kMaxTensorElements) return;
    const int64_t products = Products(draft.op, *shape);
    if (products_ + products > kMaxProducts) return;
    products_ += products;
    draft.out.shape = *shape;
    if (draft.out.kind == TensorType::Kind::kAccumulator) {
      draft.out.row_scales.assign(static_cast<size_t>((*shape)[0]), 1.0f);
    }
    for (TensorId id : inputs) consumed_[static_cast<size_t>(id)] = true;
    const TensorId output = AddTensor(std::move(draft.out));
    graph_.nodes.push_back({absl::StrCat("n", graph_.nodes.size()), std::move(draft.op), std::move(inputs), output});
  }

  void AddFallback() {
    Draft draft{.op = ir::Reshape{}, .out = Type(0), .wants_skip = false};
    Commit(std::move(draft), {0});
  }

  // Whatever nobody reads, and now and then a tensor that somebody reads too.
  void ChooseOutputs() {
    for (TensorId id = 0; id < static_cast<TensorId>(graph_.tensors.size()); ++id) {
      if (!consumed_[static_cast<size_t>(id)] || random_.Chance(8)) graph_.outputs.push_back(id);
    }
  }

  Random random_;
  ir::Graph graph_;
  std::vector<bool> consumed_;
  int64_t products_ = 0;
};

}  // namespace

ir::Graph RandomGraph(uint64_t seed) {
  return Generator(seed).Run();
}

}  // namespace msq::conformance
