// The transaction model against the committed cycle tables, which come from the RTL: all networks and configurations there
// are, as a whole and layer by layer. Prints the first table of docs/hw/transaction_model.md.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "backends/fpga/lowering/lowering.h"
#include "backends/testing/synthetic_networks.h"
#include "hw/sim/timing_model.h"

namespace msq::fpga {
namespace {

constexpr uint64_t kBase = 0x1000'0000;
constexpr double kTolerance = 0.03;

const std::map<std::string, ir::Graph (*)()>& Networks() {
  static const std::map<std::string, ir::Graph (*)()> networks = {
      {"resnet20", [] { return testing::ResNetCifar(3); }},
      {"resnet18", testing::ResNet18},
      {"resnet50", testing::ResNet50},
      {"mobilenetv2", testing::MobileNetV2},
      {"lstm", testing::LstmGates},
  };
  return networks;
}

struct Row {
  std::string layer;
  int64_t steps = 0, cycles = 0;
};

struct Table {
  std::vector<Row> layers;
  Row all;
  int64_t stall_weights = 0, stall_drain = 0, stall_bank = 0, read_bytes = 0, write_bytes = 0;
};

Table Read(const std::filesystem::path& path) {
  static const std::regex row_pattern(R"(\| (.+) \| .*\| *\d* \| (\d+) \| (\d+) \| [\d.]+ \|.*\|)");
  static const std::regex sum_pattern(
      R"(.*: (\d+) waiting for weights, (\d+) for the drain, (\d+) for banks; DRAM: (\d+) bytes read, (\d+) written.*)");
  Table table;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_match(line, match, sum_pattern)) {
      table.stall_weights = std::stoll(match[1]);
      table.stall_drain = std::stoll(match[2]);
      table.stall_bank = std::stoll(match[3]);
      table.read_bytes = std::stoll(match[4]);
      table.write_bytes = std::stoll(match[5]);
    } else if (std::regex_match(line, match, row_pattern)) {
      const Row row{match[1], std::stoll(match[2]), std::stoll(match[3])};
      if (row.layer == "**all**") {
        table.all = row;
      } else {
        table.layers.push_back(row);
      }
    }
  }
  return table;
}

hw::ProgramTime Predict(const Program& program) {
  hw::TimedProgram timed{.instructions = {}, .address = kBase};
  for (int64_t i = 0; i < program.instructions; ++i) {
    hw::Instruction bits;
    std::memcpy(bits.data(), program.image.data() + i * hw::kInstructionBytes, hw::kInstructionBytes);
    timed.instructions.push_back(*hw::DecodeAny(bits));
  }
  const auto memory = hw::AxiMemoryOptions::ZynqDdr3(program.configuration.ports);
  return hw::TimeProgram(program.configuration, memory, timed);
}

// What a figure may be off by, with `more` for small ones.
double Allowed(int64_t rtl, int64_t more) {
  return kTolerance * static_cast<double>(rtl) + static_cast<double>(more);
}

// A layer's cycles, as cosim_report counts them: from the last CONV before it to its own last one. It may begin a look at
// the waits sooner or later, which is more than the tolerance in a layer of some dozen cycles.
void CompareLayers(const std::string& name, const Program& program, const hw::ProgramTime& time, const Table& table) {
  constexpr int64_t kWaitCheck = 4;
  const auto& completed = time.completed[static_cast<size_t>(hw::Unit::kConv)];
  ASSERT_EQ(program.layers.size(), table.layers.size()) << name;
  size_t done = 0;
  for (size_t i = 0; i < table.layers.size(); ++i) {
    const LayerRecord& layer = program.layers[i];
    const Row& rtl = table.layers[i];
    ASSERT_EQ(layer.node, rtl.layer) << name;
    EXPECT_EQ(layer.steps, rtl.steps) << name << " " << layer.node;
    if (layer.convs == 0) continue;
    const uint64_t begin = done == 0 ? 0 : completed[done - 1];
    done += static_cast<size_t>(layer.convs);
    const auto cycles = static_cast<int64_t>(completed[done - 1] - begin);
    EXPECT_NEAR(static_cast<double>(cycles), static_cast<double>(rtl.cycles), Allowed(rtl.cycles, kWaitCheck))
        << name << " " << layer.node << ": RTL " << rtl.cycles << ", model " << cycles;
  }
}

TEST(PredictedCyclesTest, AgreeWithTheTables) {
  int tables = 0;
  std::printf("| network | configuration | RTL | model | error |\n|---|---|---:|---:|---:|\n");
  for (const auto& entry : std::filesystem::directory_iterator(MSQ_CYCLE_TABLES)) {
    const std::string name = entry.path().stem();
    const auto split = name.find('_');
    const auto network = Networks().find(name.substr(0, split));
    const hw::Configuration* configuration = hw::FindConfiguration(name.substr(split + 1));
    ASSERT_TRUE(network != Networks().end() && configuration != nullptr) << name;
    const Table rtl = Read(entry.path());
    ASSERT_TRUE(rtl.all.cycles > 0 && rtl.read_bytes > 0) << name;
    auto program = Lower(network->second(), *configuration);
    ASSERT_TRUE(program.ok()) << program.status();
    program->MoveTo(kBase);
    const hw::ProgramTime model = Predict(*program);
    const double error = static_cast<double>(model.cycles) / static_cast<double>(rtl.all.cycles) - 1;
    std::printf("| %s | `%s` | %" PRId64 " | %" PRId64 " | %+.2f %% |\n", network->first.c_str(),
                std::string(configuration->name).c_str(), rtl.all.cycles, model.cycles, 100 * error);
    EXPECT_LE(std::abs(error), kTolerance) << name;
    EXPECT_EQ(model.steps, rtl.all.steps) << name;
    EXPECT_NEAR(static_cast<double>(model.stall_weights), static_cast<double>(rtl.stall_weights),
                Allowed(rtl.stall_weights, 0))
        << name;
    EXPECT_NEAR(static_cast<double>(model.stall_drain), static_cast<double>(rtl.stall_drain),
                Allowed(rtl.stall_drain, 0))
        << name;
    EXPECT_EQ(model.stall_bank, rtl.stall_bank) << name;
    EXPECT_EQ(8 * model.read_beats, rtl.read_bytes) << name;
    EXPECT_EQ(8 * model.write_beats, rtl.write_bytes) << name;
    CompareLayers(name, *program, model, rtl);
    ++tables;
  }
  EXPECT_GE(tables, 8);
}

}  // namespace
}  // namespace msq::fpga
