// A file that holds a JSON array and grows by items; it is valid JSON after every append.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace msq::server {

// Not thread-safe. Closes the file when it goes.
class JsonArrayFile {
 public:
  JsonArrayFile() = default;
  ~JsonArrayFile();
  JsonArrayFile(const JsonArrayFile&) = delete;
  JsonArrayFile& operator=(const JsonArrayFile&) = delete;

  // Starts a new file, or empties the one that is there; another one that was open is closed. Fails
  // where a symbolic link has the name.
  absl::Status Open(const std::string& path);
  bool is_open() const { return descriptor_ >= 0; }
  void Close();

  // `items` are one or more, separated by commas. When they cannot be written, on a full disk say, the file keeps those
  // before them.
  absl::Status Append(std::string_view items);

 private:
  std::string path_;
  int descriptor_ = -1;
  int64_t size_ = 0;  // 0: nothing is in it, not even the brackets
};

}  // namespace msq::server
