// A tree of sensors in a temporary folder, for tests: files come and go, and may be made to refuse.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "server/power/sysfs_files.h"

namespace msq::server::testing {

// Paths are relative to the root. Thread-safe.
class FakeSysfs final : public SysfsFiles {
 public:
  FakeSysfs();
  ~FakeSysfs() override;

  void Write(const std::string& path, const std::string& text);
  // A chip of hwmon or a zone of powercap: its folder, and all in it.
  void WriteFolder(const std::string& folder, const std::map<std::string, std::string>& files);
  void Link(const std::string& path, const std::string& target);
  void Remove(const std::string& path);
  // Reading the file fails from now on, as the kernel or the driver would have it; OK reads it again. Root may read all
  // files, so permissions themselves cannot be tested by root.
  void Fail(const std::string& path, absl::Status status);

  absl::StatusOr<std::string> Read(const std::string& path) const override;

 private:
  explicit FakeSysfs(std::string root);

  const std::string root_;
  mutable std::mutex mutex_;
  std::map<std::string, absl::Status> failures_;
};

}  // namespace msq::server::testing
