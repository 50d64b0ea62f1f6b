#include "server/security/token_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "base/status.h"

namespace msq::server {
namespace {

// printf %s wonderland | sha256sum
constexpr char kAliceDigest[] = "a71a7c7011f53a1bab3642ec2ce12593f05230ace8de1e3e7645f69efac1443d";

class TokenStoreTest : public ::testing::Test {
 protected:
  TokenStoreTest() { path_ = ::testing::TempDir() + "tokens_" + std::to_string(getpid()) + ".json"; }
  ~TokenStoreTest() override { std::filesystem::remove(path_); }

  void Write(std::string_view text) {
    std::ofstream(path_) << text;
    chmod(path_.c_str(), 0600);
  }
  absl::StatusOr<std::unique_ptr<TokenStore>> Open(std::string_view text) {
    Write(text);
    return TokenStore::Open(path_);
  }
  // Opens a store of these entries, which must be good.
  std::unique_ptr<TokenStore> OpenEntries(const std::string& entries) {
    auto store = Open("{\"tokens\": [" + entries + "]}");
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  static absl::StatusCode Code(const TokenStore& store, std::string_view authorization, const Need& need) {
    return store.Authorize(authorization, need).status().code();
  }

  std::string path_;
};

constexpr auto kOk = absl::StatusCode::kOk;
constexpr auto kUnauthenticated = absl::StatusCode::kUnauthenticated;
constexpr auto kPermissionDenied = absl::StatusCode::kPermissionDenied;

TEST_F(TokenStoreTest, WithoutAFileEverythingIsAllowed) {
  const auto store = TokenStore::Open("");
  ASSERT_TRUE(store.ok());
  const auto who = (*store)->Authorize("", {Right::kAdmin, "m"});
  ASSERT_TRUE(who.ok());
  EXPECT_EQ(*who, "");
  EXPECT_TRUE((*store)->Reload().ok());
}

TEST_F(TokenStoreTest, KnowsTokensByDigestAndInClear) {
  const auto store = OpenEntries(std::string(R"({"name": "alice", "sha256": ")") + kAliceDigest +
                                 R"("}, {"name": "bob", "token": "builder"})");
  const auto alice = store->Authorize("Bearer wonderland", {});
  ASSERT_TRUE(alice.ok()) << alice.status();
  EXPECT_EQ(*alice, "alice");
  EXPECT_EQ(*store->Authorize("bearer builder", {}), "bob");
  for (const std::string bad :
       {"", "Bearer", "Bearer ", "Bearer builder ", "Basic builder", "builder", "Bearer Builder"}) {
    const absl::Status status = store->Authorize(bad, {}).status();
    EXPECT_EQ(status.code(), kUnauthenticated) << bad;
    EXPECT_EQ(Message(status).find("uilder"), std::string_view::npos) << status;
  }
  EXPECT_EQ(Code(*store, "Bearer " + std::string(1 << 20, 'x'), {}), kUnauthenticated);
}

TEST_F(TokenStoreTest, ModelsAndRights) {
  const auto store = OpenEntries(R"(
      {"name": "all", "token": "t-all"},
      {"name": "some", "token": "t-some", "models": ["resnet*", "*-v2", "a*b*c", "exact"]},
      {"name": "none", "token": "t-none", "models": []},
      {"name": "root", "token": "t-root", "admin": true},
      {"name": "half", "token": "t-half", "admin": true, "models": ["mine*"]},
      {"name": "star", "token": "t-star", "admin": true, "models": ["mine", "*"]})");
  for (const std::string model : {"resnet", "resnet50", "-v2", "x-v2", "abc", "aXbbYbc", "exact"}) {
    EXPECT_EQ(Code(*store, "Bearer t-some", {Right::kInfer, model}), kOk) << model;
    EXPECT_EQ(Code(*store, "Bearer t-none", {Right::kInfer, model}), kPermissionDenied) << model;
    EXPECT_EQ(Code(*store, "Bearer t-all", {Right::kInfer, model}), kOk) << model;
  }
  for (const std::string model : {"my-resnet", "x-v2x", "ac", "abcd", "exac", "exactly", "Resnet"}) {
    EXPECT_EQ(Code(*store, "Bearer t-some", {Right::kInfer, model}), kPermissionDenied) << model;
    EXPECT_EQ(Code(*store, "Bearer t-some", {Right::kRead, model}), kPermissionDenied) << model;
  }
  EXPECT_EQ(Code(*store, "Bearer t-none", {Right::kRead, ""}), kOk) << "the server's own figures are no model's";
  EXPECT_EQ(Code(*store, "Bearer t-all", {Right::kAdmin, "m"}), kPermissionDenied);
  EXPECT_EQ(Code(*store, "Bearer t-root", {Right::kAdmin, "m"}), kOk);
  EXPECT_EQ(Code(*store, "Bearer t-half", {Right::kAdmin, "mine1"}), kOk);
  EXPECT_EQ(Code(*store, "Bearer t-half", {Right::kAdmin, "m"}), kPermissionDenied);
  EXPECT_EQ(Code(*store, "Bearer t-root", {Right::kAdmin, ""}), kOk);
  EXPECT_EQ(Code(*store, "Bearer t-star", {Right::kAdmin, ""}), kOk);
  EXPECT_EQ(Code(*store, "Bearer t-half", {Right::kRead, ""}), kOk);
  EXPECT_EQ(Message(store->Authorize("Bearer t-half", {Right::kAdmin, ""}).status()),
            "the token gives the right to administer some models only, and not the whole server");
  EXPECT_EQ(Message(store->Authorize("Bearer t-none", {Right::kInfer, "m"}).status()),
            "the token does not give access to model 'm'");
  EXPECT_EQ(Message(store->Authorize("Bearer t-all", {Right::kAdmin, ""}).status()),
            "the token does not give the right to administer the server");
}

TEST_F(TokenStoreTest, ErrorsNameFileEntryAndCause) {
  const std::pair<std::string, std::string> cases[] = {
      {"{\n\"tokens\": [\"secret\" \"secret\"]}", "is no JSON: error on line 2"},
      {"", "is no JSON"},
      {"[]", "is no object with an array 'tokens'"},
      {"{\"tokens\": {}}", "is no object with an array 'tokens'"},
      {"{\"tokens\": [], \"token\": 1}", "unknown key 'token'"},
      {R"({"tokens": [{"name": "a", "token": "secret"}, 7]})", "tokens[1]: is no object"},
      {R"({"tokens": [{"token": "secret"}]})", "tokens[0]: has no 'name'"},
      {R"({"tokens": [{"name": 1, "token": "secret"}]})", "'name' must be a string"},
      {R"({"tokens": [{"name": "a"}]})", "must have either 'sha256' or 'token'"},
      {R"({"tokens": [{"name": "a", "token": "secret", "sha256": "00"}]})", "must have either"},
      {R"({"tokens": [{"name": "a", "token": "sec ret"}]})", "without blanks"},
      {R"({"tokens": [{"name": "a", "token": ""}]})", "'token' must be a string that is not empty"},
      {R"({"tokens": [{"name": "a", "sha256": "00"}]})", "64 hexadecimal digits"},
      {R"({"tokens": [{"name": "a", "sha256": ")" + std::string(64, 'g') + "\"}]}", "64 hexadecimal digits"},
      {R"({"tokens": [{"name": "a", "token": "secret", "model": []}]})", "unknown key 'model'"},
      {R"({"tokens": [{"name": "a", "token": "secret", "models": "m"}]})", "'models' must be an array"},
      {R"({"tokens": [{"name": "a", "token": "secret", "models": [""]}]})", "'models' must be an array"},
      {R"({"tokens": [{"name": "a", "token": "secret", "admin": "yes"}]})", "'admin' must be true or false"},
      {R"({"tokens": [{"name": "a", "token": "x"}, {"name": "a", "token": "y"}]})",
       "tokens[1]: has the name of tokens[0]"},
      {R"({"tokens": [{"name": "a", "token": "x"}, {"name": "b", "token": "x"}]})",
       "tokens[1]: has the token of tokens[0]"},
      {std::string((1 << 20) + 1, ' '), "is larger than"},
  };
  for (const auto& [text, cause] : cases) {
    const absl::Status status = Open(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(Message(status).find(path_ + ": "), 0u) << status;
    EXPECT_NE(Message(status).find(cause), std::string_view::npos) << status;
    EXPECT_EQ(Message(status).find("secret"), std::string_view::npos) << status;
  }
  EXPECT_EQ(TokenStore::Open(path_ + ".absent").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(TokenStore::Open(::testing::TempDir()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TokenStoreTest, WarnsOfAFileThatEverybodyMayRead) {
  Write("{\"tokens\": []}");
  chmod(path_.c_str(), 0644);
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(TokenStore::Open(path_).ok());
  EXPECT_NE(::testing::internal::GetCapturedStderr().find(path_ + ": holds secrets and everybody may read it"),
            std::string::npos);
}

TEST_F(TokenStoreTest, ReloadTakesTheNewTokensOrKeepsTheOld) {
  const auto store = OpenEntries(R"({"name": "a", "token": "old"})");
  Write("{\"tokens\": [");
  const absl::Status status = store->Reload();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(*store, "Bearer old", {}), kOk);
  Write(R"({"tokens": [{"name": "a", "token": "new"}]})");
  ASSERT_TRUE(store->Reload().ok());
  EXPECT_EQ(Code(*store, "Bearer old", {}), kUnauthenticated);
  EXPECT_EQ(Code(*store, "Bearer new", {}), kOk);
  Write(R"({"tokens": []})");
  ASSERT_TRUE(store->Reload().ok());
  EXPECT_EQ(Code(*store, "", {}), kUnauthenticated) << "no tokens lets nobody in";
}

TEST_F(TokenStoreTest, ReloadsWhileItIsAsked) {
  const auto store = OpenEntries(R"({"name": "a", "token": "x"})");
  std::thread asking([&store] {
    for (int i = 0; i < 2000; ++i) EXPECT_EQ(Code(*store, "Bearer x", {Right::kInfer, "m"}), kOk);
  });
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(store->Reload().ok());
  asking.join();
}

}  // namespace
}  // namespace msq::server
