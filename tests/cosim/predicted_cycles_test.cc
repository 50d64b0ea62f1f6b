// The transaction model against the committed cycle tables, which come from the RTL: all networks and configurations there
// are. Prints the table of docs/hw/transaction_model.md.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <sstream>
#include <string>

#include "backends/fpga/lowering/lowering.h"
#include "backends/testing/synthetic_networks.h"
#include "hw/sim/timing_model.h"

namespace msq::fpga {
namespace {

constexpr uint64_t kBase = 0x1000'0000;

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

// Cycles of the row "all".
std::optional<int64_t> CyclesIn(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const std::string table = text.str();
  std::smatch match;
  if (!std::regex_search(table, match, std::regex(R"(\*\*all\*\* \| \| \| \d+ \| (\d+) \|)"))) return std::nullopt;
  return std::stoll(match[1]);
}

int64_t Predict(const ir::Graph& graph, const hw::Configuration& configuration) {
  auto program = Lower(graph, configuration);
  EXPECT_TRUE(program.ok()) << program.status();
  program->MoveTo(kBase);
  std::vector<hw::AnyFields> instructions;
  for (int64_t i = 0; i < program->instructions; ++i) {
    hw::Instruction bits;
    std::memcpy(bits.data(), program->image.data() + i * hw::kInstructionBytes, hw::kInstructionBytes);
    instructions.push_back(*hw::DecodeAny(bits));
  }
  const auto memory = hw::AxiMemoryOptions::ZynqDdr3(configuration.ports);
  return hw::TimeProgram(configuration, memory, instructions, kBase).cycles;
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
    const std::optional<int64_t> rtl = CyclesIn(entry.path());
    ASSERT_TRUE(rtl) << name;
    const int64_t model = Predict(network->second(), *configuration);
    const double error = static_cast<double>(model) / static_cast<double>(*rtl) - 1;
    std::printf("| %s | `%s` | %ld | %ld | %+.2f %% |\n", network->first.c_str(),
                std::string(configuration->name).c_str(), static_cast<long>(*rtl), static_cast<long>(model),
                100 * error);
    EXPECT_LE(std::abs(error), 0.03) << name;
    ++tables;
  }
  EXPECT_GE(tables, 8);
}

}  // namespace
}  // namespace msq::fpga
