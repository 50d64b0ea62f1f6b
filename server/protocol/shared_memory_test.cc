#include "server/protocol/shared_memory.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <thread>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace msq::server {
namespace {

const uint64_t kPageBytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));

// A client: owns an object and maps it as a client would.
class ClientMemory {
 public:
  explicit ClientMemory(uint64_t size) : size_(size) {
    static std::atomic<int> number{0};
    key_ = "/msq_test_" + std::to_string(getpid()) + "_" + std::to_string(number++);
    descriptor_ = shm_open(key_.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    Truncate(size);
    bytes_ = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0));
  }
  ~ClientMemory() {
    munmap(bytes_, size_);
    close(descriptor_);
    shm_unlink(key_.c_str());
  }

  void Truncate(uint64_t size) { ASSERT_EQ(ftruncate(descriptor_, static_cast<off_t>(size)), 0); }
  char* bytes() { return bytes_; }
  const std::string& key() const { return key_; }
  SharedMemoryRegion Region(const std::string& name, uint64_t offset, uint64_t byte_size) const {
    return {name, key_, offset, byte_size};
  }

 private:
  std::string key_;
  uint64_t size_;
  int descriptor_;
  char* bytes_;
};

absl::Status FindStatus(const SharedMemoryRegistry& registry, std::string_view name, uint64_t offset, uint64_t size) {
  return registry.Find("", name, offset, size).status();
}

void ExpectError(const absl::Status& status, absl::StatusCode code, std::string_view part) {
  EXPECT_EQ(status.code(), code) << status;
  EXPECT_NE(Message(status).find(part), std::string_view::npos) << status;
}

TEST(SharedMemoryTest, ClientAndServerSeeTheSameBytes) {
  ClientMemory client(2 * kPageBytes);
  SharedMemoryRegistry registry({});
  const uint64_t offset = kPageBytes + 12;  // no page begins there
  ASSERT_TRUE(registry.Register("", client.Region("r", offset, 100)).ok());
  const auto span = registry.Find("", "r", 4, 8);
  ASSERT_TRUE(span.ok()) << span.status();
  ASSERT_EQ(span->bytes.size(), 8u);
  std::memcpy(client.bytes() + offset + 4, "question", 8);
  EXPECT_EQ(std::memcmp(span->bytes.data(), "question", 8), 0);
  std::memcpy(span->bytes.data(), "answered", 8);
  EXPECT_EQ(std::memcmp(client.bytes() + offset + 4, "answered", 8), 0);
  EXPECT_TRUE(span->Check().ok());
}

TEST(SharedMemoryTest, RefusesWhatCannotBeRegistered) {
  ClientMemory client(kPageBytes);
  SharedMemoryRegistry registry({});
  ASSERT_TRUE(registry.Register("", client.Region("r", 0, 64)).ok());
  ExpectError(registry.Register("", client.Region("r", 0, 64)), absl::StatusCode::kAlreadyExists,
              "shared memory region 'r' already in manager");
  const auto refused = [&registry](const SharedMemoryRegion& region, std::string_view part) {
    ExpectError(registry.Register("", region), absl::StatusCode::kInvalidArgument, part);
  };
  refused({"x", "/msq_test_absent", 0, 64}, "Unable to open shared memory region: '/msq_test_absent'");
  refused({"x", "", 0, 64}, "'' is no key");
  refused({"x", "/", 0, 64}, "'/' is no key");
  refused({"x", "../etc/passwd", 0, 64}, "'../etc/passwd' is no key");
  refused({"x", std::string("a\0b", 3), 0, 64}, "is no key");
  refused({"x", std::string(300, 'k'), 0, 64}, "is no key");
  refused({"x", "/..", 0, 64}, "Unable to open");
  refused(client.Region("", 0, 64), "a region needs a name");
  refused(client.Region("x", 0, 0), "its byte size is 0");
  refused(client.Region("x", 0, kPageBytes + 1), "beyond the end");
  refused(client.Region("x", kPageBytes, 1), "beyond the end");
  refused(client.Region("x", 2, std::numeric_limits<uint64_t>::max() - 1), "beyond the end");
  refused(client.Region("x", std::numeric_limits<uint64_t>::max(), 2), "beyond the end");
}

TEST(SharedMemoryTest, FindsOnlyWhatLiesInARegion) {
  ClientMemory client(kPageBytes);
  SharedMemoryRegistry registry({});
  ASSERT_TRUE(registry.Register("", client.Region("r", 8, 64)).ok());
  EXPECT_TRUE(FindStatus(registry, "r", 0, 64).ok());
  EXPECT_TRUE(FindStatus(registry, "r", 64, 0).ok());
  ExpectError(FindStatus(registry, "x", 0, 1), absl::StatusCode::kNotFound, "Unable to find shared memory region: 'x'");
  const uint64_t minus_one = static_cast<uint64_t>(int64_t{-1});
  for (const auto& [offset, size] :
       {std::pair<uint64_t, uint64_t>{0, 65}, {1, 64}, {65, 0}, {minus_one, 2}, {2, minus_one}}) {
    ExpectError(FindStatus(registry, "r", offset, size), absl::StatusCode::kInvalidArgument,
                "Invalid offset + byte size for shared memory region: 'r'");
  }
}

TEST(SharedMemoryTest, TellsItsRegions) {
  ClientMemory client(kPageBytes);
  SharedMemoryRegistry registry({});
  ASSERT_TRUE(registry.Register("", client.Region("b", 8, 64)).ok());
  ASSERT_TRUE(registry.Register("", client.Region("a", 0, 32)).ok());
  const auto all = registry.Status("", "");
  ASSERT_TRUE(all.ok() && all->size() == 2);
  EXPECT_EQ((*all)[0].name, "a");
  const auto one = registry.Status("", "b");
  ASSERT_TRUE(one.ok() && one->size() == 1);
  EXPECT_EQ((*one)[0].key, client.key());
  EXPECT_EQ((*one)[0].offset, 8u);
  EXPECT_EQ((*one)[0].byte_size, 64u);
  ExpectError(registry.Status("", "x").status(), absl::StatusCode::kNotFound,
              "Unable to find system shared memory region: 'x'");
  registry.Unregister("", "x");
  registry.Unregister("", "a");
  EXPECT_EQ(registry.Status("", "")->size(), 1u);
  registry.UnregisterAll("");
  EXPECT_TRUE(registry.Status("", "")->empty());
}

TEST(SharedMemoryTest, OwnersDoNotKnowEachOthersRegions) {
  ClientMemory client(kPageBytes);
  SharedMemoryRegistry registry({.max_regions = 3});
  ASSERT_TRUE(registry.Register("a", client.Region("r", 0, 64)).ok());
  for (const std::string_view other : {"b", ""}) {
    ExpectError(registry.Find(other, "r", 0, 1).status(), absl::StatusCode::kNotFound,
                "Unable to find shared memory region: 'r'");
    EXPECT_EQ(registry.Status(other, "r").status().code(), absl::StatusCode::kNotFound);
    EXPECT_TRUE(registry.Status(other, "")->empty());
    registry.Unregister(other, "r");
    registry.UnregisterAll(other);
    EXPECT_TRUE(registry.Find("a", "r", 0, 64).ok());
  }
  ASSERT_TRUE(registry.Register("b", client.Region("r", 64, 32)).ok()) << "names are each owner's own";
  EXPECT_EQ((*registry.Status("b", ""))[0].offset, 64u);
  EXPECT_EQ(registry.Find("b", "r", 0, 64).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(registry.Register("b", client.Region("s", 0, 1)).ok());
  ExpectError(registry.Register("b", client.Region("t", 0, 1)), absl::StatusCode::kResourceExhausted,
              "3 regions are registered already");
  registry.UnregisterAll("b");
  EXPECT_TRUE(registry.Status("b", "")->empty());
  EXPECT_TRUE(registry.Find("a", "r", 0, 64).ok());
}

TEST(SharedMemoryTest, ARequestKeepsItsRegionMapped) {
  ClientMemory client(kPageBytes);
  auto registry = std::make_unique<SharedMemoryRegistry>(SharedMemoryRegistry::Options{});
  ASSERT_TRUE(registry->Register("", client.Region("r", 0, 64)).ok());
  const auto span = registry->Find("", "r", 0, 64);
  ASSERT_TRUE(span.ok());
  registry->Unregister("", "r");
  EXPECT_EQ(FindStatus(*registry, "r", 0, 1).code(), absl::StatusCode::kNotFound);
  registry.reset();
  client.bytes()[0] = 'k';
  EXPECT_EQ(static_cast<char>(span->bytes[0]), 'k');
}

TEST(SharedMemoryTest, LimitsCountAndBytes) {
  ClientMemory client(2 * kPageBytes);
  SharedMemoryRegistry registry({.max_regions = 2, .max_mapped_bytes = kPageBytes});
  ExpectError(registry.Register("", client.Region("r", 0, kPageBytes + 1)), absl::StatusCode::kResourceExhausted,
              "0 of at most " + std::to_string(kPageBytes) + " bytes are mapped already");
  ASSERT_TRUE(registry.Register("", client.Region("r", 0, kPageBytes)).ok());
  auto held = registry.Find("", "r", 0, 1);
  ASSERT_TRUE(held.ok());
  registry.Unregister("", "r");
  EXPECT_EQ(registry.Register("", client.Region("a", 0, 1)).code(), absl::StatusCode::kResourceExhausted)
      << "still mapped by a request";
  held = absl::CancelledError();
  ASSERT_TRUE(registry.Register("", client.Region("a", 0, 1)).ok());
  ASSERT_TRUE(registry.Register("", client.Region("b", 0, 1)).ok());
  ExpectError(registry.Register("", client.Region("c", 0, 1)), absl::StatusCode::kResourceExhausted,
              "failed to register shared memory region 'c': 2 regions are registered already");
}

TEST(SharedMemoryTest, SurvivesATruncation) {
  ClientMemory client(4 * kPageBytes), other(kPageBytes);
  SharedMemoryRegistry registry({});
  ASSERT_TRUE(registry.Register("", client.Region("cut", 5, 4 * kPageBytes - 5)).ok());
  ASSERT_TRUE(registry.Register("", other.Region("whole", 0, kPageBytes)).ok());
  const auto span = registry.Find("", "cut", 0, 4 * kPageBytes - 5);
  const auto whole = registry.Find("", "whole", 0, 1);
  ASSERT_TRUE(span.ok() && whole.ok());
  std::memset(client.bytes(), 'x', 4 * kPageBytes);
  client.Truncate(0);
  EXPECT_FALSE(span->broken()) << "nobody has looked yet";
  const std::vector<std::byte> copy(span->bytes.begin(), span->bytes.end());
  EXPECT_EQ(copy, std::vector<std::byte>(copy.size()));
  ExpectError(span->Check(), absl::StatusCode::kInvalidArgument, "shared memory region 'cut' was truncated");
  ExpectError(FindStatus(registry, "cut", 0, 1), absl::StatusCode::kInvalidArgument, "was truncated");
  EXPECT_FALSE(whole->broken());
  // A new object under the old name is a new start.
  client.Truncate(kPageBytes);
  registry.Unregister("", "cut");
  ASSERT_TRUE(registry.Register("", client.Region("cut", 0, 8)).ok());
  EXPECT_TRUE(FindStatus(registry, "cut", 0, 8).ok());
}

TEST(SharedMemoryTest, SurvivesTruncationWhileManyThreadsWrite) {
  ClientMemory client(64 * kPageBytes);
  SharedMemoryRegistry registry({});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    const std::string name = absl::StrCat("r", i);
    ASSERT_TRUE(registry.Register("", client.Region(name, 0, 64 * kPageBytes)).ok());
    threads.emplace_back([&registry, name] {
      const auto span = registry.Find("", name, 0, 64 * kPageBytes);
      ASSERT_TRUE(span.ok());
      while (!span->broken()) std::memset(span->bytes.data(), 7, span->bytes.size());
    });
  }
  client.Truncate(kPageBytes);
  for (std::thread& thread : threads) thread.join();
}

void FaultOutsideOfAnyRegion() {
  ClientMemory registered(kPageBytes), client(kPageBytes);
  SharedMemoryRegistry registry({});
  if (!registry.Register("", registered.Region("r", 0, kPageBytes)).ok()) std::_Exit(3);
  shm_unlink(registered.key().c_str());
  shm_unlink(client.key().c_str());
  client.Truncate(0);
  static_cast<volatile char*>(client.bytes())[0] = 1;
  std::_Exit(0);
}

TEST(SharedMemoryDeathTest, OtherFaultsStayFatal) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(FaultOutsideOfAnyRegion(), "");
}

TEST(SharedMemoryDeathTest, OtherFaultsReachTheHandlerThatWasThere) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto statement = [] {
    signal(SIGBUS, [](int) { std::_Exit(42); });
    FaultOutsideOfAnyRegion();
  };
  EXPECT_EXIT(statement(), ::testing::ExitedWithCode(42), "");
}

TEST(SharedMemoryDeathTest, ASignalThatWasSentStaysFatal) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto statement = [] {
    ClientMemory client(kPageBytes);
    SharedMemoryRegistry registry({});
    const bool registered = registry.Register("", client.Region("r", 0, kPageBytes)).ok();
    shm_unlink(client.key().c_str());
    if (registered) kill(getpid(), SIGBUS);
    std::_Exit(0);
  };
  EXPECT_DEATH(statement(), "");
}

}  // namespace
}  // namespace msq::server
