#include "server/testing/test_repository.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/check.h"
#include "model/format/artifact.h"

namespace msq::server::testing {

namespace fs = std::filesystem;

TestRepository::TestRepository() {
  std::string name = (fs::temp_directory_path() / "msq_repository_XXXXXX").string();
  MSQ_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TestRepository::~TestRepository() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void TestRepository::AddModel(const std::string& name, int64_t version, const ir::Model& model) {
  const auto bytes = format::Serialize(model);
  MSQ_CHECK(bytes.ok());
  AddFile(name + "/" + std::to_string(version) + "/model.msq", *bytes);
}

void TestRepository::AddFile(const std::string& relative_path, std::string_view bytes) {
  const fs::path file = fs::path(path_) / relative_path;
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << bytes;
}

void TestRepository::Remove(const std::string& relative_path) {
  fs::remove_all(fs::path(path_) / relative_path);
}

}  // namespace msq::server::testing
