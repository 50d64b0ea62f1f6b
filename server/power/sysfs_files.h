// Where sensors are read: the files of sysfs, under a root that tests choose.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace msq::server {

// Thread-safe. Paths are relative to the root. Errors, with the path: NOT_FOUND; PERMISSION_DENIED; UNAVAILABLE for all
// else, as of a driver that does not answer.
class SysfsFiles {
 public:
  explicit SysfsFiles(std::string root = "/sys") : root_(std::move(root)) {}
  virtual ~SysfsFiles() = default;

  // What is in a file, without the white space at its end.
  virtual absl::StatusOr<std::string> Read(const std::string& path) const;
  // Names in a folder, sorted.
  std::vector<std::string> List(const std::string& path) const;  // empty when there is none
  // The last part of what a link points to; empty when it is none.
  std::string LinkName(const std::string& path) const;
  // The integer that a file holds; UNAVAILABLE when it holds none.
  absl::StatusOr<int64_t> ReadInteger(const std::string& path) const;

  // For messages.
  std::string FullPath(const std::string& path) const { return root_ + "/" + path; }

 private:
  const std::string root_;
};

}  // namespace msq::server
