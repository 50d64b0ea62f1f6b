#include "server/protocol/response_encoder.h"

#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::server {
namespace {

// A request for the one output of a model of three classes.
class ResponseEncoderTest : public ::testing::Test {
 protected:
  ResponseEncoderTest() {
    description_.version = "7";
    description_.config.set_name("m");
    description_.config.set_max_batch_size(4);
    description_.outputs.push_back({"logits", Datatype::kFp32, {3}, {"a", "b"}, 1});
    message_.set_id("42");
    request_.message = &message_;
    request_.response = &response_;
    request_.description = &description_;
    request_.samples = 2;
  }

  static std::string Element(const std::string& text) {
    const auto size = static_cast<uint32_t>(text.size());
    return std::string(reinterpret_cast<const char*>(&size), 4) + text;
  }

  ModelDescription description_;
  inference::ModelInferRequest message_;
  inference::ModelInferResponse response_;
  InferenceRequest request_;
};

TEST_F(ResponseEncoderTest, NamesWhatAnswers) {
  BeginResponse(request_);
  EXPECT_EQ(response_.model_name(), "m");
  EXPECT_EQ(response_.model_version(), "7");
  EXPECT_EQ(response_.id(), "42");
}

TEST_F(ResponseEncoderTest, ClassesAreTheLargestFirstAndTheLowerIndexAmongEquals) {
  const std::vector<float> values = {1, 2, 2, -1, 0, 3};
  ASSERT_TRUE(AddClasses(request_, {0, 2, std::nullopt}, std::as_bytes(std::span(values))).ok());
  EXPECT_EQ(response_.outputs(0).datatype(), "BYTES");
  EXPECT_EQ(response_.outputs(0).shape(0), 2);
  EXPECT_EQ(response_.outputs(0).shape(1), 2);
  EXPECT_EQ(response_.raw_output_contents(0),
            Element("2.000000:1:b") + Element("2.000000:2") + Element("3.000000:2") + Element("0.000000:1:b"));
}

TEST_F(ResponseEncoderTest, OutputsInSharedMemoryAreWrittenThere) {
  std::vector<std::byte> memory(24);
  const RequestedOutput wanted{0, 0, OutputRegion{"region", 8, {memory, nullptr}}};
  const int64_t shape[] = {2, 3};
  const auto room = AddOutput(request_, wanted, Datatype::kFp32, shape, 24);
  ASSERT_TRUE(room.ok()) << room.status();
  EXPECT_EQ(room->data(), memory.data());
  EXPECT_EQ(response_.raw_output_contents(0), "");
  const auto& parameters = response_.outputs(0).parameters();
  EXPECT_EQ(parameters.at("shared_memory_region").string_param(), "region");
  EXPECT_EQ(parameters.at("shared_memory_byte_size").int64_param(), 24);
  EXPECT_EQ(parameters.at("shared_memory_offset").int64_param(), 8);
}

TEST_F(ResponseEncoderTest, SharedMemoryMustBeLargeEnough) {
  std::vector<std::byte> memory(23);
  const RequestedOutput wanted{0, 0, OutputRegion{"region", 0, {memory, nullptr}}};
  const int64_t shape[] = {2, 3};
  const absl::Status status = AddOutput(request_, wanted, Datatype::kFp32, shape, 24).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(Message(status).find("'logits' (23 bytes) should be at least 24 bytes"), std::string_view::npos) << status;
}

}  // namespace
}  // namespace msq::server
