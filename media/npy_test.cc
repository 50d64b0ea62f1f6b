#include "media/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/status.h"

namespace msq::media {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <typename T>
Array Make(ArrayType type, std::vector<int64_t> shape, const std::vector<T>& values) {
  Array array{type, std::move(shape), std::string(values.size() * sizeof(T), '\0')};
  if (!values.empty()) std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}

// Version 1 file with the given header text and data.
std::string Npy(std::string header, std::string_view data) {
  header += '\n';
  std::string result = "\x93NUMPY";
  result += {'\x01', '\x00', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  return result + header + std::string(data);
}

std::string ErrorOf(std::string_view bytes) {
  const absl::StatusOr<Array> array = ParseNpy(bytes);
  return array.ok() ? "OK" : std::string(Message(array.status()));
}

// An .npz in a temporary file.
class Npz {
 public:
  Npz(const std::map<std::string, std::string>& members, int method)
      : path_(::testing::TempDir() + "/npy_test_" + std::to_string(method) + ".npz") {
    std::filesystem::remove(path_);
    zip_t* archive = zip_open(path_.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    for (const auto& [name, bytes] : members) {
      zip_source_t* source = zip_source_buffer(archive, bytes.data(), bytes.size(), 0);
      const zip_int64_t index = zip_file_add(archive, name.c_str(), source, 0);
      zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0);
    }
    EXPECT_EQ(zip_close(archive), 0);
  }
  ~Npz() { std::filesystem::remove(path_); }

  const std::string& path() const { return path_; }
  std::string bytes() const {
    std::ifstream stream(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void Overwrite(std::string_view bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

 private:
  std::string path_;
};

TEST(Npy, RoundTripsEveryType) {
  const std::vector<Array> arrays = {
      Make<uint8_t>(ArrayType::kUint8, {2, 3}, {0, 1, 2, 253, 254, 255}),
      Make<int8_t>(ArrayType::kInt8, {2}, {-128, 127}),
      Make<int32_t>(ArrayType::kInt32, {1, 1, 2}, {-5, 1 << 30}),
      Make<int64_t>(ArrayType::kInt64, {}, {int64_t{1} << 60}),
      Make<float>(ArrayType::kFloat32, {2}, {-1.5f, 3.75f}),
      Make<double>(ArrayType::kFloat64, {0, 4}, {}),
  };
  for (const Array& array : arrays) {
    const std::string bytes = SerializeNpy(array);
    EXPECT_EQ((bytes.size() - array.bytes.size()) % 64, 0u);
    const absl::StatusOr<Array> back = ParseNpy(bytes);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->type, array.type);
    EXPECT_EQ(back->shape, array.shape);
    EXPECT_EQ(back->bytes, array.bytes);
  }
}

TEST(Npy, ConvertsElements) {
  const Array small = Make<int8_t>(ArrayType::kInt8, {2}, {-128, 127});
  EXPECT_EQ(small.ElementCount(), 2);
  EXPECT_EQ(small.IntAt(0), -128);
  EXPECT_EQ(small.FloatAt(1), 127.0f);
  const double infinity = std::numeric_limits<double>::infinity();
  const Array real = Make<double>(ArrayType::kFloat64, {5}, {-2.9, 2.9, std::nan(""), infinity, -infinity});
  EXPECT_EQ(real.IntAt(0), -2);
  EXPECT_EQ(real.IntAt(1), 2);
  EXPECT_EQ(real.IntAt(2), 0);
  EXPECT_EQ(real.IntAt(3), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(real.IntAt(4), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(real.FloatAt(1), 2.9f);
}

TEST(Npy, ReadsWhatNumpyWrites) {
  const std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 1), }     ";
  const absl::StatusOr<Array> array = ParseNpy(Npy(header, std::string("\x01\0\0\0\xff\xff\xff\xff", 8)));
  ASSERT_TRUE(array.ok()) << array.status();
  EXPECT_THAT(array->shape, ElementsAre(2, 1));
  EXPECT_EQ(array->IntAt(1), -1);
  // Version 2 has a 4-byte length; keys come in any order, in either kind of quotes.
  const std::string text = "{\"shape\": (1,), \"fortran_order\": False, \"descr\": \"|u1\"}";
  const std::string length = {static_cast<char>(text.size()), '\0', '\0', '\0'};
  EXPECT_EQ(ParseNpy(std::string("\x93NUMPY\x02\x00", 8) + length + text + "A")->IntAt(0), 'A');
}

TEST(Npy, NamesWhatItRefuses) {
  const auto with = [](const std::string& type, const std::string& order, const std::string& shape) {
    return Npy("{'descr': " + type + ", 'fortran_order': " + order + ", 'shape': " + shape + "}", "");
  };
  EXPECT_THAT(ErrorOf(""), HasSubstr("does not start"));
  EXPECT_THAT(ErrorOf("\x93NUMPY\x09\x01\x01\x01"), HasSubstr("version 9"));
  EXPECT_THAT(ErrorOf(with("'<f4'", "True", "(2, 2)")), HasSubstr("Fortran order"));
  EXPECT_THAT(ErrorOf(with("'>f4'", "False", "(2, 2)")), HasSubstr("big-endian"));
  EXPECT_THAT(ErrorOf(with("'<c8'", "False", "(2, 2)")), HasSubstr("'<c8' is none of"));
  EXPECT_THAT(ErrorOf(with("'|O'", "False", "(2, 2)")), HasSubstr("'|O' is none of"));
  EXPECT_THAT(ErrorOf(with("[('a', '<f4')]", "False", "(2,)")), HasSubstr("structured"));
  EXPECT_THAT(ErrorOf(with("'<f4'", "False", "(2, -2)")), HasSubstr("impossible dimension"));
  EXPECT_THAT(ErrorOf(with("'<f4'", "False", "(99999999999999999999,)")), HasSubstr("impossible dimension"));
  EXPECT_THAT(ErrorOf(with("'<f4'", "False", "(4294967296, 4294967296)")), HasSubstr("2^63"));
  EXPECT_THAT(ErrorOf(with("'<f4'", "False", "(1000000000000,)")), HasSubstr("asks for 4000000000000"));
  EXPECT_THAT(ErrorOf(with("'<f4'", "False", "(2,")), HasSubstr("shape"));
  EXPECT_THAT(ErrorOf(Npy("{'descr': '<f4'}", "")), HasSubstr("lacks"));
  EXPECT_THAT(ErrorOf(Npy("{'x': '<f4'}", "")), HasSubstr("unknown key"));
}

TEST(Npy, RefusesEveryTruncationAndSurvivesEveryBitFlip) {
  const std::string bytes = SerializeNpy(Make<int32_t>(ArrayType::kInt32, {2, 2}, {1, 2, 3, 4}));
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(ParseNpy(bytes.substr(0, size)).ok()) << size;
  EXPECT_FALSE(ParseNpy(bytes + "x").ok());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const absl::StatusOr<Array> array = ParseNpy(damaged);
    if (!array.ok()) continue;
    int64_t sum = 0;
    for (int64_t i = 0; i < array->ElementCount(); ++i) sum += array->IntAt(i) != 0;
    EXPECT_LE(sum, 16);
  }
}

TEST(Npy, NamesTheFile) {
  const absl::StatusOr<Array> missing = ReadNpy(::testing::TempDir() + "/none.npy");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(Message(missing.status())), HasSubstr("none.npy"));
}

TEST(Npz, ReadsStoredAndDeflatedMembers) {
  const Array images = Make<uint8_t>(ArrayType::kUint8, {3000}, std::vector<uint8_t>(3000, 7));
  const Array labels = Make<int64_t>(ArrayType::kInt64, {2}, {3, 4});
  for (const int method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    const Npz npz({{"images.npy", SerializeNpy(images)}, {"labels.npy", SerializeNpy(labels)}}, method);
    const auto arrays = ReadNpz(npz.path());
    ASSERT_TRUE(arrays.ok()) << arrays.status();
    ASSERT_EQ(arrays->size(), 2u);
    EXPECT_EQ(arrays->at("images").bytes, images.bytes);
    EXPECT_EQ(arrays->at("labels").IntAt(1), 4);
  }
}

TEST(Npz, NamesFileAndMember) {
  EXPECT_EQ(ReadNpz(::testing::TempDir() + "/none.npz").status().code(), absl::StatusCode::kNotFound);
  const Npz broken({{"a.npy", "not an array"}}, ZIP_CM_STORE);
  EXPECT_THAT(std::string(Message(ReadNpz(broken.path()).status())), HasSubstr("npz: member 'a.npy': npy: does not"));
  const Npz foreign({{"readme.txt", "hello"}}, ZIP_CM_STORE);
  EXPECT_THAT(std::string(Message(ReadNpz(foreign.path()).status())), HasSubstr("'readme.txt' is not"));
}

TEST(Npz, RefusesEveryTruncationAndSurvivesEveryBitFlip) {
  const Array labels = Make<uint8_t>(ArrayType::kUint8, {4}, {1, 2, 3, 4});
  for (const int method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    const Npz npz({{"labels.npy", SerializeNpy(labels)}}, method);
    const std::string bytes = npz.bytes();
    for (size_t size = 0; size < bytes.size(); ++size) {
      npz.Overwrite(std::string_view(bytes).substr(0, size));
      const auto arrays = ReadNpz(npz.path());
      EXPECT_TRUE(!arrays.ok() || arrays->empty()) << size;
    }
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string damaged = bytes;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      npz.Overwrite(damaged);
      const auto arrays = ReadNpz(npz.path());
      EXPECT_TRUE(arrays.ok() || Message(arrays.status()).starts_with(npz.path())) << arrays.status();
    }
  }
}

}  // namespace
}  // namespace msq::media
