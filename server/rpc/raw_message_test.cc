// From gRPC's bytes to messages: what is refused, and that what a message takes in memory is known before it is parsed.
#include "server/rpc/raw_message.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/status.h"
#include "proto/inference.pb.h"

namespace msq::server {
namespace {

using inference::ModelInferRequest;

constexpr int64_t kNoLimit = int64_t{1} << 40;

// In pieces, as they come from the network.
grpc::ByteBuffer BufferOf(const std::string& bytes, size_t piece_bytes = 1 << 14) {
  std::vector<grpc::Slice> slices;
  for (size_t i = 0; i < bytes.size(); i += piece_bytes) slices.emplace_back(bytes.substr(i, piece_bytes));
  return grpc::ByteBuffer(slices.data(), slices.size());
}

absl::Status Parse(const std::string& bytes, ModelInferRequest* request, int64_t max_bytes = kNoLimit,
                   int64_t* memory = nullptr) {
  grpc::ByteBuffer buffer = BufferOf(bytes);
  int64_t own;
  return ParseMessage(&buffer, LayoutOf<ModelInferRequest>(), max_bytes, request, memory == nullptr ? &own : memory);
}

std::string Repeat(const std::string& part, int times) {
  std::string bytes;
  for (int i = 0; i < times; ++i) bytes += part;
  return bytes;
}

// The field of that number, around these bytes.
std::string Field(int number, const std::string& bytes) {
  std::string result(1, static_cast<char>(number << 3 | 2));
  for (size_t size = bytes.size(); true; size >>= 7) {
    result += static_cast<char>(size < 128 ? size : size % 128 + 128);
    if (size < 128) return result + bytes;
  }
}

ModelInferRequest Full() {
  ModelInferRequest request;
  request.set_model_name("m");
  (*request.mutable_parameters())["p"].set_string_param("text");
  auto* input = request.add_inputs();
  input->set_name("x");
  for (int64_t dimension : {1, 3, 224, 224}) input->add_shape(dimension);
  (*input->mutable_parameters())["normalized"].set_bool_param(true);
  for (int i = 0; i < 1000; ++i) input->mutable_contents()->add_int64_contents(i);
  for (int i = 0; i < 1000; ++i) input->mutable_contents()->add_fp32_contents(1);
  request.add_outputs()->set_name("y");
  request.add_raw_input_contents(std::string(100000, '\xff'));
  return request;
}

TEST(RawMessageTest, WhatIsWrittenIsRead) {
  grpc::ByteBuffer buffer;
  ASSERT_TRUE(SerializeMessage(Full(), &buffer).ok());
  EXPECT_EQ(buffer.Length(), Full().ByteSizeLong());
  ModelInferRequest request;
  int64_t memory = 0;
  ASSERT_TRUE(ParseMessage(&buffer, LayoutOf<ModelInferRequest>(), kNoLimit, &request, &memory).ok());
  EXPECT_EQ(request.SerializeAsString(), Full().SerializeAsString());
  EXPECT_EQ(buffer.Length(), 0u);  // let go
  EXPECT_GT(memory, 100000);
  EXPECT_LT(memory, 150000);
  ASSERT_TRUE(Parse("", &request).ok());
  EXPECT_EQ(request.ByteSizeLong(), 0u);
}

TEST(RawMessageTest, PiecesOfAnySizeAreTheSame) {
  const std::string bytes = Full().SerializeAsString();
  int64_t expected = 0;
  for (size_t piece_bytes : {bytes.size(), size_t{1}, size_t{7}, size_t{4096}}) {
    grpc::ByteBuffer buffer = BufferOf(bytes, piece_bytes);
    ModelInferRequest request;
    int64_t memory;
    ASSERT_TRUE(ParseMessage(&buffer, LayoutOf<ModelInferRequest>(), kNoLimit, &request, &memory).ok());
    EXPECT_EQ(request.raw_input_contents_size(), 1);
    if (expected == 0) expected = memory;
    EXPECT_EQ(memory, expected);
  }
}

TEST(RawMessageTest, BytesThatAreNoMessageAreSaidToBe) {
  const std::string whole = Full().SerializeAsString();
  ModelInferRequest text;
  text.set_model_name("m");
  std::string not_utf8 = text.SerializeAsString();
  not_utf8.back() = '\xff';
  for (const std::string& bytes : {std::string("\xff\xff\xff"), whole.substr(0, whole.size() - 5), std::string(1, '\0'),
                                   std::string("\x2a\x7f"), Field(5, "\x0b"), Repeat("\x0b", 1000), not_utf8}) {
    ModelInferRequest request;
    const absl::Status status = Parse(bytes, &request);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(
        Message(status),
        "the bytes are no message inference.ModelInferRequest: they are corrupt or cut off, or a text of it is not "
        "UTF-8");
  }
}

TEST(RawMessageTest, SmallPartsThatTakeMuchMemoryAreCounted) {
  constexpr int kParts = 100000;
  const std::string parameter = std::string("\x0a\x02") + "ab";
  for (const std::string& bytes : {
           Repeat(Field(5, ""), kParts),                                // inputs
           Repeat(Field(6, ""), kParts),                                // outputs
           Repeat(Field(7, ""), kParts),                                // raw contents
           Repeat(Field(7, std::string(20, 'x')), kParts),              // those that need memory of their own
           Field(5, Field(5, Repeat(Field(8, "x"), kParts))),           // contents of the type BYTES
           Field(5, Field(5, Field(3, std::string(kParts, '\1')))),     // int64, a byte each
           Field(5, Field(5, Repeat("\x18\x01", kParts))),              // one by one
           Field(5, Field(5, Field(6, std::string(4 * kParts, 'x')))),  // floats
           Field(5, Field(3, std::string(kParts, '\1'))),               // a shape
           Repeat("\x78\x01", kParts),                                  // a number nobody knows
           Repeat("\x0d"
                  "1234",
                  kParts),                      // one of the wrong type
           Repeat("\x7a\x01x", kParts),         // a text nobody knows
           Repeat("\x7b\x7c", kParts),          // a group
           Repeat("\x7b\x78\x01\x7c", kParts),  // with something in it
       }) {
    ModelInferRequest request;
    int64_t memory = 0;
    ASSERT_TRUE(Parse(bytes, &request, kNoLimit, &memory).ok());
    const auto used = static_cast<int64_t>(request.SpaceUsedLong());
    EXPECT_GT(memory, used * 9 / 10) << static_cast<int>(bytes[0]);
    EXPECT_LT(memory, used * 5) << static_cast<int>(bytes[0]);
    const absl::Status status = Parse(bytes, &request, memory / 2);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Message(status), absl::StrCat("the message has ", bytes.size(), " bytes, and would take more than ",
                                            memory / 2, " bytes of memory"));
  }
}

TEST(RawMessageTest, EntriesOfMapsAreCounted) {
  ModelInferRequest request;
  for (int i = 0; i < 10000; ++i) (*request.mutable_parameters())[std::to_string(i)].set_bool_param(true);
  const std::string bytes = request.SerializeAsString();
  int64_t memory = 0;
  ASSERT_TRUE(Parse(bytes, &request, kNoLimit, &memory).ok());
  EXPECT_GT(memory, static_cast<int64_t>(request.SpaceUsedLong()) * 9 / 10);
}

TEST(RawMessageTest, ALimitAtTheSizeOfATensorHolds) {
  ModelInferRequest request;
  request.add_raw_input_contents(std::string(1 << 20, 'x'));
  EXPECT_TRUE(Parse(request.SerializeAsString(), &request, (1 << 20) + 1000).ok());
}

}  // namespace
}  // namespace msq::server
