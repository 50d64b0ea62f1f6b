// What is wrong with an .xclbin is found before XRT sees it.
#include "backends/fpga/xclbin_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/status.h"

namespace msq::fpga {
namespace {

using ::testing::HasSubstr;

template <typename T>
void Put(std::vector<char>* file, size_t at, T value) {
  std::memcpy(file->data() + at, &value, sizeof(value));
}

// One section, IP_LAYOUT, with one IP.
std::vector<char> GoodFile() {
  std::vector<char> file(456 + 40 + 88);
  std::memcpy(file.data(), "xclbin2", 8);
  Put(&file, 304, uint64_t{file.size()});
  Put(&file, 448, uint32_t{1});
  Put(&file, 456, uint32_t{8});
  Put(&file, 456 + 24, uint64_t{496});
  Put(&file, 456 + 32, uint64_t{88});
  Put(&file, 496, int32_t{1});
  return file;
}

absl::Status Read(const std::vector<char>& content) {
  const std::string path = ::testing::TempDir() + "/checked.xclbin";
  std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
  return ReadXclbin(path).status();
}

TEST(XclbinFileTest, TakesWhatIsWhole) {
  EXPECT_TRUE(Read(GoodFile()).ok()) << Read(GoodFile());
}

TEST(XclbinFileTest, SaysWhatIsWrong) {
  EXPECT_EQ(ReadXclbin("no/such.xclbin").status().code(), absl::StatusCode::kNotFound);
  const auto expect = [](const std::vector<char>& file, const char* message) {
    const absl::Status status = Read(file);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << message;
    EXPECT_THAT(Message(status), HasSubstr("checked.xclbin: "));
    EXPECT_THAT(Message(status), HasSubstr(message));
  };
  expect({}, "does not begin");
  expect(std::vector<char>(1000), "does not begin");
  std::vector<char> file = GoodFile();
  file.pop_back();
  expect(file, "it has 583 bytes, and says that it has 584");
  file = GoodFile();
  Put(&file, 448, uint32_t{4});
  expect(file, "no room for 4 sections");
  file = GoodFile();
  Put(&file, 448, ~uint32_t{0});
  expect(file, "no room for 4294967295 sections");
  file = GoodFile();
  Put(&file, 456 + 24, uint64_t{497});
  expect(file, "section 0 is not inside");
  file = GoodFile();
  Put(&file, 456 + 32, ~uint64_t{0});
  expect(file, "section 0 is not inside");
  for (const int32_t count : {2, -1, 1 << 30}) {
    file = GoodFile();
    Put(&file, 496, count);
    expect(file, "section IP_LAYOUT has 88 bytes, not enough for");
  }
  file = GoodFile();
  Put(&file, 456 + 32, uint64_t{2});
  expect(file, "section IP_LAYOUT has 2 bytes");
}

TEST(XclbinFileTest, AFolderIsNoFile) {
  const auto read = ReadXclbin(::testing::TempDir());
  EXPECT_EQ(read.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(read.status().message()), ::testing::TempDir() + " is no file");
}

}  // namespace
}  // namespace msq::fpga
