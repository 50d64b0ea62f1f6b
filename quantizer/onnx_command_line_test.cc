// The program as a script sees it: exit codes, one line per error, quiet in a pipe, JSON.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "media/npy.h"
#include "model/format/artifact.h"
#include "quantizer/onnx_test_model.h"

namespace msq::quantizer {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  int code = -1;
  std::string out, err;
};

class CommandLineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::path(::testing::TempDir()) / "msq_command_line_test";
    std::filesystem::create_directories(directory_);
    OnnxTestModel model(13, {0, 1, 4, 4});
    model.Floats("w", {3, 16}, std::vector<float>(48, 0.25f));
    model.Node("Flatten", {"x"}, "flat");
    SetInt(model.Node("Gemm", {"flat", "w"}, "y"), "transB", 1);
    model.Output("y");
    std::ofstream(directory_ / "net.onnx", std::ios::binary) << model.Bytes();
    media::Array array;
    array.type = media::ArrayType::kUint8;
    array.shape = {4, 4, 4, 1};
    for (int i = 0; i < 64; ++i) array.bytes.push_back(static_cast<char>(i * 4));
    std::ofstream(directory_ / "set.npy", std::ios::binary) << media::SerializeNpy(array);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static std::string ReadAll(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Outcome Run(const std::string& arguments) const {
    const std::string command = "cd '" + directory_.string() + "' && '" MSQ_QUANTIZE "' " + arguments + " >out 2>err";
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), ReadAll(directory_ / "out"), ReadAll(directory_ / "err")};
  }

  std::filesystem::path directory_;
};

TEST_F(CommandLineTest, WritesAnArtifactAndAJsonReport) {
  const Outcome outcome = Run("net.onnx -o out.msq --calibration set.npy --ratio 5/3 --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");  // no progress in a pipe
  const auto report = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(report["artifact"], "out.msq");
  EXPECT_EQ(report["layers"][0]["schemes"]["fixed8"], 3);
  const auto model = format::ReadFile((directory_ / "out.msq").string());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(report["bytes"], std::filesystem::file_size(directory_ / "out.msq"));
}

TEST_F(CommandLineTest, TextReport) {
  const Outcome outcome = Run("net.onnx -o out.msq --calibration set.npy --weights8 none --scheme sp2");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("distortion"));
  EXPECT_THAT(outcome.out, HasSubstr("sp2"));
  EXPECT_THAT(outcome.out, HasSubstr("note: no --mean and --std given"));
}

TEST_F(CommandLineTest, ErrorsAreOneLineAndCodeOne) {
  for (const char* arguments :
       {"missing.onnx -o out.msq --calibration set.npy", "net.onnx -o out.msq",
        "net.onnx -o out.msq --calibration net.onnx", "net.onnx -o set.npy/out.msq --calibration set.npy"}) {
    const Outcome outcome = Run(arguments);
    EXPECT_EQ(outcome.code, 1) << arguments;
    EXPECT_THAT(outcome.err, StartsWith("msq-quantize: ")) << arguments;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(CommandLineTest, UsageIsCodeTwoAndHelpIsCodeZero) {
  for (const char* arguments :
       {"", "net.onnx", "net.onnx -o out.msq --scheme float", "net.onnx -o out.msq --target z999",
        "net.onnx -o out.msq --ratio x", "net.onnx -o out.msq --activation-bits 5"}) {
    EXPECT_EQ(Run(arguments).code, 2) << arguments;
  }
  const Outcome help = Run("--help");
  EXPECT_EQ(help.code, 0);
  for (const char* option : {"--calibration", "--target", "--weights8", "Supported operators: Add"}) {
    EXPECT_THAT(help.out, HasSubstr(option));
  }
}

}  // namespace
}  // namespace msq::quantizer
