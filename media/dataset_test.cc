#include "media/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/status.h"

namespace msq::media {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest() : folder_(::testing::TempDir() + "/dataset_test") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~DatasetTest() override { std::filesystem::remove_all(folder_); }

  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
  }

  // Writes a stored .npz and returns its path.
  std::string WriteNpz(const Array& images, const Array& labels) const {
    const std::string path = folder_ + "/set.npz";
    const std::string image_bytes = SerializeNpy(images), label_bytes = SerializeNpy(labels);
    zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    zip_file_add(archive, "images.npy", zip_source_buffer(archive, image_bytes.data(), image_bytes.size(), 0), 0);
    zip_file_add(archive, "labels.npy", zip_source_buffer(archive, label_bytes.data(), label_bytes.size(), 0), 0);
    EXPECT_EQ(zip_close(archive), 0);
    return path;
  }

  static Array Bytes(std::vector<int64_t> shape, const std::string& bytes) {
    return {ArrayType::kUint8, std::move(shape), bytes};
  }

  static std::string ErrorOf(const absl::Status& status) { return std::string(Message(status)); }

  std::string folder_;
};

TEST_F(DatasetTest, ReadsAFolder) {
  Write("labels.csv", "file,class\r\na.png,cat\r\n\"b, \"\"2\"\".png\",0\r\n\r\n");
  Write("a.png", EncodePng({1, 1, 3, {9, 9, 9}}));
  Write("b, \"2\".png", EncodePng({1, 1, 1, {4}}));
  const absl::StatusOr<Dataset> set = Dataset::Open(folder_);
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->size(), 2);
  const std::vector<std::string> names = {"dog", "cat"};
  EXPECT_EQ(*set->Label(0, names), 1);
  EXPECT_EQ(*set->Label(1, names), 0);
  EXPECT_THAT(set->ReadImage(0, 1)->pixels, ElementsAre(9));
  EXPECT_THAT(set->ReadImage(1, 3)->pixels, ElementsAre(4, 4, 4));
}

TEST_F(DatasetTest, TakesANameBeforeANumber) {
  Write("labels.csv", "a.png,1\n");
  const absl::StatusOr<Dataset> set = Dataset::Open(folder_);
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(*set->Label(0, std::vector<std::string>{"0", "x", "1"}), 2);
  EXPECT_EQ(*set->Label(0, std::vector<std::string>{"x", "y"}), 1);
  EXPECT_EQ(*set->Label(0, {}), 1);
}

TEST_F(DatasetTest, NamesFileAndRow) {
  Write("labels.csv", "a.png,bird\nb.png,7\nc.png,-1\n");
  const absl::StatusOr<Dataset> set = Dataset::Open(folder_);
  ASSERT_TRUE(set.ok()) << set.status();
  const std::vector<std::string> names = {"dog", "cat"};
  EXPECT_THAT(ErrorOf(set->Label(0, names).status()), HasSubstr("labels.csv:1: class 'bird' is neither"));
  EXPECT_THAT(ErrorOf(set->Label(1, names).status()), HasSubstr("labels.csv:2: class 7, but there are 2"));
  EXPECT_THAT(ErrorOf(set->Label(2, {}).status()), HasSubstr("labels.csv:3: class -1 is negative"));
  EXPECT_EQ(set->ReadImage(1, 3).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(ErrorOf(set->ReadImage(1, 3).status()), HasSubstr("labels.csv:2: "));
  Write("b.png", "GIF");
  EXPECT_THAT(ErrorOf(set->ReadImage(1, 3).status()), HasSubstr("b.png: neither PNG nor JPEG"));
}

TEST_F(DatasetTest, RefusesBadTables) {
  EXPECT_EQ(Dataset::Open(folder_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Dataset::Open(folder_ + "/none").status().code(), absl::StatusCode::kNotFound);
  for (const char* row : {"a.png", "a.png,", ",1", "a.png,1,2", "\"a.png,1", "\"a.png\"x,1"}) {
    Write("labels.csv", std::string("file,class\nok.png,0\n") + row + "\n");
    EXPECT_THAT(ErrorOf(Dataset::Open(folder_).status()), HasSubstr("labels.csv:3: is not 'file,class'")) << row;
  }
  Write("labels.csv", "file,class\n");
  EXPECT_THAT(ErrorOf(Dataset::Open(folder_).status()), HasSubstr("lists no picture"));
}

TEST_F(DatasetTest, ReadsArrays) {
  const std::string path = WriteNpz(Bytes({2, 1, 2, 3}, "abcdefghijkl"), Bytes({2}, {'\x05', '\x00'}));
  const absl::StatusOr<Dataset> set = Dataset::Open(path);
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->size(), 2);
  EXPECT_EQ(*set->Label(0, {}), 5);
  EXPECT_EQ(*set->Label(0, std::vector<std::string>{"5", "4", "3", "2", "1", "0"}), 5);
  const absl::StatusOr<Image> image = set->ReadImage(1, 3);
  EXPECT_EQ(image->width, 2);
  EXPECT_EQ(image->height, 1);
  EXPECT_THAT(image->pixels, ElementsAre('g', 'h', 'i', 'j', 'k', 'l'));
  EXPECT_EQ(set->ReadImage(1, 1)->pixels.size(), 2u);
  EXPECT_THAT(ErrorOf(set->ReadImage(0, 2).status()), HasSubstr("not 2"));
}

TEST_F(DatasetTest, RefusesArraysThatDoNotFit) {
  const Array labels = Bytes({2}, "ab");
  const auto error = [&](const Array& images, const Array& of_labels) {
    return ErrorOf(Dataset::Open(WriteNpz(images, of_labels)).status());
  };
  EXPECT_EQ(Dataset::Open(WriteNpz(Bytes({2, 1, 1}, "ab"), labels))->ReadImage(0, 1)->pixels.size(), 1u);
  EXPECT_THAT(error(Bytes({2, 1, 1, 2}, "abcd"), labels), HasSubstr("set.npz: 'images' is not uint8"));
  EXPECT_THAT(error(Bytes({2}, "ab"), labels), HasSubstr("'images' is not uint8"));
  EXPECT_THAT(error(Bytes({2, 0, 1, 1}, ""), labels), HasSubstr("1x0 pixels"));
  EXPECT_THAT(error(Bytes({3, 1, 1, 1}, "abc"), labels), HasSubstr("has 3 images and 2 labels"));
  EXPECT_THAT(error(Bytes({0, 1, 1, 1}, ""), Bytes({0}, "")), HasSubstr("holds no picture"));
  EXPECT_THAT(error(Bytes({1, 1, 1, 1}, "a"), {ArrayType::kFloat32, {1}, "abcd"}), HasSubstr("no integers"));
}

}  // namespace
}  // namespace msq::media
