#include "model/format/artifact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/status.h"
#include "model/testing/sample_model.h"
#include "proto/artifact.pb.h"

namespace msq::format {
namespace {

using ::testing::HasSubstr;

std::string SampleBytes() {
  auto bytes = Serialize(testing::SampleModel());
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return *bytes;
}

// A well-formed file around any payload.
std::string Wrap(const std::string& payload) {
  std::string bytes(kMagic);
  const auto put = [&bytes](uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes.push_back(static_cast<char>(value >> (8 * i)));
  };
  put(kFormatVersion, 4);
  put(crc32_z(0, reinterpret_cast<const Bytef*>(payload.data()), payload.size()), 4);
  put(payload.size(), 8);
  return bytes + payload;
}

artifact::Artifact SampleMessage() {
  artifact::Artifact message;
  EXPECT_TRUE(message.ParseFromString(SampleBytes().substr(kHeaderBytes)));
  return message;
}

TEST(Artifact, RoundTripsBitForBit) {
  const std::string bytes = SampleBytes();
  const auto model = Parse(bytes);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(*Serialize(*model), bytes);
  const ir::Model sample = testing::SampleModel();
  EXPECT_EQ(model->outputs[0].labels, sample.outputs[0].labels);
  EXPECT_EQ(model->inputs[0].mean, sample.inputs[0].mean);
  EXPECT_EQ(model->provenance.settings, sample.provenance.settings);
  const auto& conv = std::get<ir::Conv>(model->graph.nodes[0].op);
  EXPECT_EQ(conv.weights.values, std::get<ir::Conv>(sample.graph.nodes[0].op).weights.values);
}

TEST(Artifact, EveryTruncationIsAnError) {
  const std::string bytes = SampleBytes();
  for (size_t length = 0; length < bytes.size(); ++length) {
    ASSERT_EQ(Parse(std::string_view(bytes).substr(0, length)).status().code(), absl::StatusCode::kDataLoss) << length;
  }
  EXPECT_EQ(Parse(bytes + "x").status().code(), absl::StatusCode::kDataLoss);
}

TEST(Artifact, EveryFlippedBitIsAnError) {
  const std::string bytes = SampleBytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      ASSERT_EQ(Parse(damaged).status().code(), absl::StatusCode::kDataLoss) << "byte " << i << " bit " << bit;
    }
  }
}

TEST(Artifact, HeaderErrorsNameTheField) {
  std::string bytes = SampleBytes();
  EXPECT_THAT(std::string(Message(Parse("PK").status())), HasSubstr("header: file has 2 bytes"));
  bytes[8] = 2;
  EXPECT_THAT(std::string(Message(Parse(bytes).status())), HasSubstr("header.version: format 2 is not supported"));
  bytes[0] = 'x';
  EXPECT_THAT(std::string(Message(Parse(bytes).status())), HasSubstr("header.magic"));
}

// Payloads with a valid checksum but damaged content: parsed or refused, never a crash. (asan watches.)
TEST(Artifact, DamagedPayloadsNeverCrash) {
  const std::string payload = SampleBytes().substr(kHeaderBytes);
  int refused = 0;
  for (size_t i = 0; i < payload.size(); ++i) {
    for (uint8_t flip : {0x01, 0x80, 0xff}) {
      std::string damaged = payload;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      const absl::Status status = Parse(Wrap(damaged)).status();
      if (status.ok()) continue;
      ++refused;
      EXPECT_TRUE(absl::IsDataLoss(status) || absl::IsInvalidArgument(status)) << status;
    }
  }
  for (size_t length = 0; length < payload.size(); ++length) {
    refused += Parse(Wrap(payload.substr(0, length))).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, static_cast<int>(payload.size())) << "of four damages a byte";
}

struct Defect {
  const char* name;
  std::function<void(artifact::Artifact&)> make;
  const char* message;
};

class ArtifactDefect : public ::testing::TestWithParam<Defect> {};

TEST_P(ArtifactDefect, IsNamed) {
  artifact::Artifact message = SampleMessage();
  GetParam().make(message);
  const absl::Status status = Parse(Wrap(message.SerializeAsString())).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(status)), HasSubstr(GetParam().message));
}

artifact::Weights* FirstWeights(artifact::Artifact& m) {
  return m.mutable_graph()->mutable_nodes(0)->mutable_conv()->mutable_weights();
}

INSTANTIATE_TEST_SUITE_P(
    Fields, ArtifactDefect,
    ::testing::Values(
        Defect{"Empty", [](auto& m) { m.Clear(); }, "inputs: there is none"},
        Defect{"CodeNotCanonical", [](auto& m) { (*FirstWeights(m)->mutable_codes())[0] = 0x01; },
               "graph.nodes[0] 'conv': weights.codes row 0: code 1 at column 0 is not canonical (N6)"},
        Defect{"PaddingNibble", [](auto& m) { (*FirstWeights(m)->mutable_codes())[13] |= 0x20; }, "padding nibble"},
        Defect{"CodesShort", [](auto& m) { FirstWeights(m)->mutable_codes()->pop_back(); }, "weights.codes"},
        Defect{"RowsHuge", [](auto& m) { FirstWeights(m)->set_rows(INT64_MAX); }, "rows of"},
        Defect{"RowLengthHuge", [](auto& m) { FirstWeights(m)->set_row_length(INT64_MAX); }, "rows of"},
        Defect{"RowLengthLong", [](auto& m) { FirstWeights(m)->set_row_length(1 << 26); }, "weights.codes"},
        Defect{"SchemeUnknown", [](auto& m) { (*FirstWeights(m)->mutable_schemes())[0] = 9; }, "unknown scheme 9"},
        Defect{"CodebookBytes", [](auto& m) { FirstWeights(m)->mutable_codebooks()->push_back('x'); },
               "multiple of 16"},
        Defect{"CodebookMissing", [](auto& m) { FirstWeights(m)->clear_codebooks(); }, "no such codebook"},
        Defect{"OpMissing", [](auto& m) { m.mutable_graph()->mutable_nodes(1)->clear_op(); },
               "graph.nodes[1] 'maxpool': op"},
        Defect{"EpilogueMissing",
               [](auto& m) { m.mutable_graph()->mutable_nodes(0)->mutable_conv()->clear_epilogue(); },
               "epilogue: is missing"},
        Defect{"WindowShort",
               [](auto& m) {
                 m.mutable_graph()->mutable_nodes(0)->mutable_conv()->mutable_window()->mutable_pads()->RemoveLast();
               },
               "window.pads: has 3 entries"},
        Defect{
            "KindUnknown",
            [](auto& m) { m.mutable_graph()->mutable_tensors(0)->set_kind(static_cast<artifact::Tensor::Kind>(256)); },
            "graph.tensors[0].kind"},
        Defect{"DescriptionMissing", [](auto& m) { m.clear_inputs(); }, "descriptions"},
        Defect{"LabelsShort", [](auto& m) { m.mutable_outputs(0)->mutable_labels()->RemoveLast(); },
               "labels: 9 for 10"},
        Defect{"MeanShort", [](auto& m) { m.mutable_inputs(0)->mutable_mean()->RemoveLast(); }, "mean and stddev"},
        Defect{"StddevZero", [](auto& m) { m.mutable_inputs(0)->set_stddev(0, 0); }, "not positive"},
        Defect{"LayoutUnknown",
               [](auto& m) { m.mutable_inputs(0)->set_layout(static_cast<artifact::InputDescription::Layout>(7)); },
               "layout"}),
    [](const auto& info) { return info.param.name; });

TEST(Artifact, WritesFilesAtomicallyAndReadsThemBack) {
  const std::string directory = ::testing::TempDir() + "/artifact_test";
  std::filesystem::create_directories(directory);
  const std::string path = directory + "/model.msq";
  ASSERT_EQ(WriteFile(testing::SampleModel(), path), absl::OkStatus());
  EXPECT_TRUE(ReadFile(path).ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1) << "no temporary file is left";
  EXPECT_EQ(ReadFile(directory + "/none.msq").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadFile(directory).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(WriteFile(testing::SampleModel(), directory + "/none/model.msq").ok());
  std::filesystem::remove_all(directory);
}

TEST(Artifact, RefusesToWriteWhatDoesNotVerify) {
  ir::Model model = testing::SampleModel();
  model.outputs[0].labels.pop_back();
  EXPECT_EQ(Serialize(model).status().code(), absl::StatusCode::kInvalidArgument);
  model = testing::SampleModel();
  model.graph.tensors[1].type.bits = 3;
  EXPECT_EQ(Serialize(model).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace msq::format
