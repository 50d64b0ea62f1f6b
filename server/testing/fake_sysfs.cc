#include "server/testing/fake_sysfs.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/check.h"

namespace msq::server::testing {
namespace {

namespace fs = std::filesystem;

std::string MakeFolder() {
  std::string path = fs::temp_directory_path() / "msq_sysfs_XXXXXX";
  MSQ_CHECK(mkdtemp(path.data()) != nullptr);
  return path;
}

}  // namespace

FakeSysfs::FakeSysfs() : FakeSysfs(MakeFolder()) {}
FakeSysfs::FakeSysfs(std::string root) : SysfsFiles(root), root_(std::move(root)) {}
FakeSysfs::~FakeSysfs() {
  fs::remove_all(root_);
}

void FakeSysfs::Write(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(FullPath(path)).parent_path());
  std::ofstream(FullPath(path)) << text << "\n";
}

void FakeSysfs::WriteFolder(const std::string& folder, const std::map<std::string, std::string>& files) {
  for (const auto& [name, text] : files) Write(folder + "/" + name, text);
}

void FakeSysfs::Link(const std::string& path, const std::string& target) {
  fs::create_directories(fs::path(FullPath(path)).parent_path());
  fs::create_symlink(target, FullPath(path));
}

void FakeSysfs::Remove(const std::string& path) {
  fs::remove_all(FullPath(path));
}

void FakeSysfs::Fail(const std::string& path, absl::Status status) {
  std::lock_guard lock(mutex_);
  failures_[path] = std::move(status);
}

absl::StatusOr<std::string> FakeSysfs::Read(const std::string& path) const {
  {
    std::lock_guard lock(mutex_);
    const auto failure = failures_.find(path);
    if (failure != failures_.end() && !failure->second.ok()) return failure->second;
  }
  return SysfsFiles::Read(path);
}

}  // namespace msq::server::testing
