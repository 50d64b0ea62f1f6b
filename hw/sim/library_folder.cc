#include "hw/sim/library_folder.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace msq::hw {

std::string LibraryFolder() {
  const char* chosen = std::getenv("MSQ_LIBRARY_DIR");
  if (chosen != nullptr && *chosen != '\0') return chosen;
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (program.parent_path().parent_path() / "lib").string();
}

}  // namespace msq::hw
