// A model repository in a temporary folder, gone with the object.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/ir/model.h"

namespace msq::server::testing {

class TestRepository {
 public:
  TestRepository();
  ~TestRepository();
  TestRepository(const TestRepository&) = delete;
  TestRepository& operator=(const TestRepository&) = delete;

  const std::string& path() const { return path_; }
  void AddModel(const std::string& name, int64_t version, const ir::Model& model);
  // Any file; folders on the way are made.
  void AddFile(const std::string& relative_path, std::string_view bytes);
  // A file, or a folder with all that is in it.
  void Remove(const std::string& relative_path);

 private:
  std::string path_;
};

}  // namespace msq::server::testing
