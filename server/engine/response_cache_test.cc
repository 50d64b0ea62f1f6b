#include "server/engine/response_cache.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace msq::server {
namespace {

template <typename... Items>
CacheKey Key(const Items&... items) {
  CacheKeyBuilder builder;
  (builder.Add(items), ...);
  auto key = builder.Finish();
  EXPECT_TRUE(key.ok()) << key.status();
  return key.value_or(CacheKey{});
}

CacheKey Key(int i) {
  return Key(static_cast<uint64_t>(i));
}

inference::ModelInferResponse Response(const std::string& name, size_t bytes = 0) {
  inference::ModelInferResponse response;
  response.set_model_name(name);
  response.add_raw_output_contents(std::string(bytes, 'x'));
  return response;
}

TEST(CacheKeyBuilderTest, ItemsDoNotRunTogether) {
  using View = std::string_view;
  EXPECT_EQ(Key(View("ab"), View("c")), Key(View("ab"), View("c")));
  EXPECT_NE(Key(View("ab"), View("c")), Key(View("a"), View("bc")));
  EXPECT_NE(Key(View("a")), Key(View("a"), View("")));
  EXPECT_NE(Key(uint64_t{1}), Key(uint64_t{256}));
  const std::byte bytes[] = {std::byte{'a'}, std::byte{'b'}};
  EXPECT_EQ(Key(std::span<const std::byte>(bytes)), Key(View("ab")));
}

TEST(ResponseCacheTest, AnswersWhatWasInserted) {
  ResponseCache cache(1 << 20);
  EXPECT_EQ(cache.Lookup(Key(1)), nullptr);
  cache.Insert(Key(1), Response("one"));
  cache.Insert(Key(1), Response("another"));
  const auto found = cache.Lookup(Key(1));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->model_name(), "one");
  EXPECT_EQ(cache.Lookup(Key(2)), nullptr);
  const auto statistics = cache.statistics();
  EXPECT_EQ(statistics.hits, 1);
  EXPECT_EQ(statistics.misses, 2);
  EXPECT_EQ(statistics.entries, 1);
  EXPECT_EQ(statistics.evictions, 0);
  EXPECT_GT(statistics.bytes, 256);
}

TEST(ResponseCacheTest, ForgetsTheLeastRecentlyUsed) {
  ResponseCache cache(350'000);
  for (int i = 1; i <= 3; ++i) cache.Insert(Key(i), Response("m", 100'000));
  const auto held = cache.Lookup(Key(2));
  ASSERT_NE(cache.Lookup(Key(1)), nullptr);  // now 3 is the oldest, then 2
  cache.Insert(Key(4), Response("m", 200'000));
  EXPECT_EQ(cache.Lookup(Key(2)), nullptr);
  EXPECT_EQ(cache.Lookup(Key(3)), nullptr);
  EXPECT_NE(cache.Lookup(Key(1)), nullptr);
  EXPECT_NE(cache.Lookup(Key(4)), nullptr);
  EXPECT_EQ(held->raw_output_contents(0).size(), 100'000u) << "who holds an answer keeps it";
  const auto statistics = cache.statistics();
  EXPECT_EQ(statistics.evictions, 2);
  EXPECT_EQ(statistics.entries, 2);
  EXPECT_LE(statistics.bytes, 350'000);
}

TEST(ResponseCacheTest, KeepsNothingThatIsTooLarge) {
  ResponseCache cache(100'000);
  cache.Insert(Key(1), Response("m", 10));
  cache.Insert(Key(2), Response("m", 100'000));
  EXPECT_EQ(cache.Lookup(Key(2)), nullptr);
  EXPECT_NE(cache.Lookup(Key(1)), nullptr) << "nothing was evicted for it";
  ResponseCache none(0);
  none.Insert(Key(1), Response("m"));
  EXPECT_EQ(none.Lookup(Key(1)), nullptr);
}

TEST(ResponseCacheTest, ThreadsShareIt) {
  ResponseCache cache(20'000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string name = std::to_string((i * 7 + t) % 50);
        if (const auto found = cache.Lookup(Key(std::string_view(name)))) {
          EXPECT_EQ(found->model_name(), name);
        } else {
          cache.Insert(Key(std::string_view(name)), Response(name, 500));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto statistics = cache.statistics();
  EXPECT_EQ(statistics.hits + statistics.misses, 2000);
  EXPECT_LE(statistics.bytes, 20'000);
  EXPECT_GT(statistics.evictions, 0);
}

}  // namespace
}  // namespace msq::server
