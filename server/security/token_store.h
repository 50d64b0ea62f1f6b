// Bearer tokens: who may ask for what, from a JSON file.
//
//   {"tokens": [{"name": "alice", "sha256": "<64 hexadecimal digits>", "models": ["resnet*"]},
//               {"name": "operator", "token": "<in clear>", "admin": true}]}
//
// `models` are names in which * stands for any characters; without it all models are allowed, with [] none.
// An `admin` whose `models` are limited (none of them is "*") loads, unloads and traces those models; what concerns the
// whole server (log and global trace settings, shared memory) it cannot change.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace msq::server {

// What a request wants to do: look (metadata, statistics, status), infer, or change something (load, unload, settings).
enum class Right : uint8_t { kRead, kInfer, kAdmin };

struct Need {
  Right right = Right::kRead;
  std::string_view model;  // empty: no model in particular
};

// Thread-safe. Tokens themselves are in no message and no log, and comparing them takes the same time whichever it is.
class TokenStore {
 public:
  // An empty path allows everything to everybody. Errors name the file, the entry and the cause.
  static absl::StatusOr<std::unique_ptr<TokenStore>> Open(const std::string& path);
  ~TokenStore();

  // Reads the file again. On an error the tokens stay as they are.
  absl::Status Reload();

  // The name of the token in the `authorization` header ("Bearer TOKEN"; empty when there is no header). UNAUTHENTICATED
  // without a known token, PERMISSION_DENIED when it does not cover the need. Without a file: always OK, and no name.
  absl::StatusOr<std::string> Authorize(std::string_view authorization, const Need& need) const;

 private:
  struct Token;
  using Tokens = std::vector<Token>;
  explicit TokenStore(std::string path) : path_(std::move(path)) {}
  static absl::StatusOr<std::shared_ptr<const Tokens>> Parse(std::string_view text);

  const std::string path_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Tokens> tokens_;  // null: open to everybody
};

}  // namespace msq::server
