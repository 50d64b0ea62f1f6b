#include "server/security/token_store.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "base/status.h"
#include "server/security/credential_file.h"
#include "server/security/sha256.h"

namespace msq::server {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kScheme = "bearer ";
constexpr size_t kMaxTokenBytes = 4096;

// Whether the whole text fits the pattern, in which * stands for any characters.
bool Matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0;
  size_t star = pattern.npos, retry = 0;  // the last * seen, and where the text behind what it swallowed begins
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == pattern.npos;
}

// Without the parser's own words: they quote the text, which is secret.
absl::Status NotJson(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  return InvalidArgument("is no JSON: error on line ", 1 + std::count(before.begin(), before.end(), '\n'));
}

absl::StatusOr<Json> ParseJson(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return NotJson(text, error.byte);
  }
}

// A field's value, or none; an error when it has another type.
absl::StatusOr<std::optional<std::string>> StringField(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end()) return std::optional<std::string>();
  if (!found->is_string() || found->get_ref<const std::string&>().empty()) {
    return InvalidArgument("'", key, "' must be a string that is not empty");
  }
  return std::optional<std::string>(found->get<std::string>());
}

absl::StatusOr<Sha256Digest> DigestOf(std::string_view token) {
  Sha256 hash;
  hash.Add(token);
  return hash.Finish();
}

absl::StatusOr<Sha256Digest> ParseDigest(const std::string& hex) {
  Sha256Digest digest;
  if (hex.size() != 2 * digest.size() || hex.find_first_not_of("0123456789abcdefABCDEF") != hex.npos) {
    return InvalidArgument("'sha256' must have ", 2 * digest.size(), " hexadecimal digits");
  }
  const std::string bytes = absl::HexStringToBytes(hex);
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

absl::StatusOr<Sha256Digest> ReadDigest(const Json& entry) {
  MSQ_ASSIGN_OR_RETURN(const auto hex, StringField(entry, "sha256"));
  MSQ_ASSIGN_OR_RETURN(const auto token, StringField(entry, "token"));
  if (hex.has_value() == token.has_value()) return InvalidArgument("must have either 'sha256' or 'token'");
  if (hex) return ParseDigest(*hex);
  const bool sendable = std::all_of(token->begin(), token->end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!sendable || token->size() > kMaxTokenBytes) {
    return InvalidArgument("'token' must be printable ASCII without blanks, at most ", kMaxTokenBytes, " characters");
  }
  return DigestOf(*token);
}

absl::StatusOr<std::vector<std::string>> ReadModels(const Json& entry) {
  const auto found = entry.find("models");
  if (found == entry.end()) return std::vector<std::string>{"*"};
  const absl::Status bad = InvalidArgument("'models' must be an array of strings that are not empty");
  if (!found->is_array()) return bad;
  std::vector<std::string> models;
  for (const Json& model : *found) {
    if (!model.is_string() || model.get_ref<const std::string&>().empty()) return bad;
    models.push_back(model.get<std::string>());
  }
  return models;
}

// A misspelt "models" would allow everything.
absl::Status CheckKeys(const Json& object, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) return InvalidArgument("unknown key '", key, "'");
  }
  return absl::OkStatus();
}

}  // namespace

struct TokenStore::Token {
  std::string name;
  Sha256Digest digest;
  std::vector<std::string> models;
  bool admin = false;

  static absl::StatusOr<Token> Read(const Json& entry, const Tokens& before) {
    if (!entry.is_object()) return InvalidArgument("is no object");
    MSQ_RETURN_IF_ERROR(CheckKeys(entry, {"name", "sha256", "token", "models", "admin"}));
    Token token;
    MSQ_ASSIGN_OR_RETURN(const auto name, StringField(entry, "name"));
    if (!name) return InvalidArgument("has no 'name'");
    token.name = *name;
    MSQ_ASSIGN_OR_RETURN(token.digest, ReadDigest(entry));
    MSQ_ASSIGN_OR_RETURN(token.models, ReadModels(entry));
    if (const auto admin = entry.find("admin"); admin != entry.end()) {
      if (!admin->is_boolean()) return InvalidArgument("'admin' must be true or false");
      token.admin = admin->get<bool>();
    }
    for (size_t i = 0; i < before.size(); ++i) {
      if (before[i].name == token.name) return InvalidArgument("has the name of tokens[", i, "]");
      if (before[i].digest == token.digest) return InvalidArgument("has the token of tokens[", i, "]");
    }
    return token;
  }

  absl::Status Check(const Need& need) const {
    if (need.right == Right::kAdmin && !admin) {
      return absl::PermissionDeniedError("the token does not give the right to administer the server");
    }
    const auto allows = [&need](const std::string& pattern) { return Matches(pattern, need.model); };
    if (need.right == Right::kAdmin && need.model.empty()) {
      // What concerns the whole server concerns every model. Of all patterns only those of stars fit an empty name.
      if (std::any_of(models.begin(), models.end(), allows)) return absl::OkStatus();
      return absl::PermissionDeniedError(
          "the token gives the right to administer some models only, and not the whole server");
    }
    if (need.model.empty() || std::any_of(models.begin(), models.end(), allows)) return absl::OkStatus();
    return absl::PermissionDeniedError(
        absl::StrCat("the token does not give access to model '", std::string(need.model), "'"));
  }
};

absl::StatusOr<std::shared_ptr<const TokenStore::Tokens>> TokenStore::Parse(std::string_view text) {
  MSQ_ASSIGN_OR_RETURN(const Json file, ParseJson(text));
  if (!file.is_object() || !file.contains("tokens") || !file["tokens"].is_array()) {
    return InvalidArgument("is no object with an array 'tokens'");
  }
  MSQ_RETURN_IF_ERROR(CheckKeys(file, {"tokens"}));
  auto tokens = std::make_shared<Tokens>();
  for (const Json& entry : file["tokens"]) {
    auto token = Token::Read(entry, *tokens);
    if (!token.ok()) return WithContext(token.status(), "tokens[", tokens->size(), "]");
    tokens->push_back(*std::move(token));
  }
  return std::shared_ptr<const Tokens>(std::move(tokens));
}

TokenStore::~TokenStore() = default;

absl::StatusOr<std::unique_ptr<TokenStore>> TokenStore::Open(const std::string& path) {
  std::unique_ptr<TokenStore> store(new TokenStore(path));
  MSQ_RETURN_IF_ERROR(store->Reload());
  return store;
}

absl::Status TokenStore::Reload() {
  if (path_.empty()) return absl::OkStatus();
  MSQ_ASSIGN_OR_RETURN(const std::string text, ReadCredentialFile(path_, FileContent::kSecret));
  auto tokens = Parse(text);
  if (!tokens.ok()) return WithContext(tokens.status(), path_);
  const std::lock_guard lock(mutex_);
  tokens_ = *std::move(tokens);
  return absl::OkStatus();
}

absl::StatusOr<std::string> TokenStore::Authorize(std::string_view authorization, const Need& need) const {
  std::shared_ptr<const Tokens> tokens;
  {
    const std::lock_guard lock(mutex_);
    tokens = tokens_;
  }
  if (tokens == nullptr) return std::string();
  const std::string_view scheme = authorization.substr(0, kScheme.size());
  if (!absl::EqualsIgnoreCase({scheme.data(), scheme.size()}, {kScheme.data(), kScheme.size()})) {
    return absl::UnauthenticatedError("a token is needed: metadata 'authorization: Bearer TOKEN'");
  }
  const std::string_view sent = authorization.substr(kScheme.size());
  const Token* match = nullptr;
  if (sent.size() <= kMaxTokenBytes) {
    MSQ_ASSIGN_OR_RETURN(const Sha256Digest digest, DigestOf(sent));
    for (const Token& token : *tokens) {  // all of them, always
      if (CRYPTO_memcmp(token.digest.data(), digest.data(), digest.size()) == 0) match = &token;
    }
  }
  if (match == nullptr) return absl::UnauthenticatedError("the token is not known");
  MSQ_RETURN_IF_ERROR(match->Check(need));
  return match->name;
}

}  // namespace msq::server
