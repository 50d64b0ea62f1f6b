#include "media/dataset.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "base/check.h"
#include "base/status.h"
#include "media/file.h"

namespace msq::media {
namespace {

// Takes the next line off `text`, without its "\n" or "\r\n".
std::string_view TakeLine(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// The next field of a CSV line, quotes undone ("" inside quotes is one), or nullopt when a quote is not closed.
std::optional<std::string> TakeField(std::string_view& line) {
  std::string field;
  if (!line.starts_with('"')) {
    const size_t end = std::min(line.find(','), line.size());
    field = line.substr(0, end);
    line.remove_prefix(end);
    return field;
  }
  line.remove_prefix(1);
  for (;;) {
    const size_t quote = line.find('"');
    if (quote == std::string_view::npos) return std::nullopt;
    field += line.substr(0, quote);
    line.remove_prefix(quote + 1);
    if (!line.starts_with('"')) return field;
    field += '"';
    line.remove_prefix(1);
  }
}

// {file, class}, or nullopt when the line has not exactly two fields.
std::optional<std::pair<std::string, std::string>> SplitRow(std::string_view line) {
  std::optional<std::string> file = TakeField(line);
  if (!file || file->empty() || !line.starts_with(',')) return std::nullopt;
  line.remove_prefix(1);
  std::optional<std::string> label = TakeField(line);
  if (!label || label->empty() || !line.empty()) return std::nullopt;
  return std::pair(*std::move(file), *std::move(label));
}

absl::Status CheckArrays(const std::map<std::string, Array>& arrays) {
  for (const char* name : {"images", "labels"}) {
    if (!arrays.contains(name)) return InvalidArgument("lacks the array '", name, "'");
  }
  const Array& images = arrays.at("images");
  const Array& labels = arrays.at("labels");
  const std::vector<int64_t>& shape = images.shape;
  const bool has_channels = shape.size() == 4 && (shape[3] == 1 || shape[3] == 3);
  if (images.type != ArrayType::kUint8 || (shape.size() != 3 && !has_channels)) {
    return InvalidArgument("'images' is not uint8 [N,H,W,1], [N,H,W,3] or [N,H,W]");
  }
  constexpr int64_t kMaxSide = int64_t{1} << 24;
  if (shape[1] < 1 || shape[1] > kMaxSide || shape[2] < 1 || shape[2] > kMaxSide) {
    return InvalidArgument("'images' holds pictures of ", shape[2], "x", shape[1], " pixels");
  }
  if (labels.type == ArrayType::kFloat32 || labels.type == ArrayType::kFloat64) {
    return InvalidArgument("'labels' holds no integers");
  }
  if (labels.ElementCount() != shape[0]) {
    return InvalidArgument("has ", shape[0], " images and ", labels.ElementCount(), " labels");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Dataset> Dataset::Open(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return OpenFolder(path);
  return OpenArrays(path);
}

absl::StatusOr<Dataset> Dataset::OpenFolder(const std::string& path) {
  const std::filesystem::path folder(path);
  const std::string table = folder / "labels.csv";
  MSQ_ASSIGN_OR_RETURN(const std::string text, ReadFileBytes(table));
  Dataset dataset;
  std::string_view rest = text;
  for (int64_t row = 1; !rest.empty(); ++row) {
    const std::string_view line = TakeLine(rest);
    if (line.empty() || (row == 1 && line == "file,class")) continue;
    auto fields = SplitRow(line);
    const std::string place = absl::StrCat(table, ":", row);
    if (!fields) return InvalidArgument(place, ": is not 'file,class'");
    dataset.rows_.push_back({folder / fields->first, std::move(fields->second), place});
  }
  if (dataset.rows_.empty()) return InvalidArgument(table, ": lists no picture");
  return dataset;
}

absl::StatusOr<Dataset> Dataset::OpenArrays(const std::string& path) {
  MSQ_ASSIGN_OR_RETURN(auto arrays, ReadNpz(path));
  MSQ_RETURN_IF_ERROR(WithContext(CheckArrays(arrays), path));
  Dataset dataset;
  dataset.images_ = std::move(arrays.at("images"));
  const Array& labels = arrays.at("labels");
  for (int64_t i = 0; i < labels.ElementCount(); ++i) {
    dataset.rows_.push_back({"", absl::StrCat(labels.IntAt(i)), absl::StrCat(path, ": labels[", i, "]")});
  }
  if (dataset.rows_.empty()) return InvalidArgument(path, ": holds no picture");
  return dataset;
}

int64_t Dataset::size() const {
  return static_cast<int64_t>(rows_.size());
}

absl::StatusOr<int64_t> Dataset::Label(int64_t i, std::span<const std::string> class_names) const {
  MSQ_CHECK(i >= 0 && i < size());
  const Row& row = rows_[static_cast<size_t>(i)];
  // An .npz has integers: its 7 is no name, even where a class is called so.
  const bool may_be_name = !row.file.empty();
  const auto found = std::find(class_names.begin(), class_names.end(), row.label);
  if (may_be_name && found != class_names.end()) return found - class_names.begin();
  int64_t index = 0;
  if (!absl::SimpleAtoi(row.label, &index)) {
    return InvalidArgument(row.place, ": class '", row.label, "' is neither a number nor one of the ",
                           class_names.size(), " class names");
  }
  if (index < 0) return InvalidArgument(row.place, ": class ", index, " is negative");
  if (!class_names.empty() && index >= static_cast<int64_t>(class_names.size())) {
    return InvalidArgument(row.place, ": class ", index, ", but there are ", class_names.size(), " class names");
  }
  return index;
}

absl::StatusOr<Image> Dataset::ReadImage(int64_t i, int channels) const {
  MSQ_CHECK(i >= 0 && i < size());
  const Row& row = rows_[static_cast<size_t>(i)];
  if (channels != 1 && channels != 3) return InvalidArgument("a picture has 1 or 3 channels, not ", channels);
  if (!row.file.empty()) {
    absl::StatusOr<Image> image = media::ReadImage(row.file, channels);
    if (!image.ok()) return WithContext(image.status(), row.place);
    return image;
  }
  const std::vector<int64_t>& shape = images_.shape;
  Image image{
      static_cast<int>(shape[2]), static_cast<int>(shape[1]), shape.size() == 4 ? static_cast<int>(shape[3]) : 1, {}};
  const int64_t bytes = shape[1] * shape[2] * image.channels;
  const auto* first = reinterpret_cast<const uint8_t*>(images_.bytes.data()) + i * bytes;
  image.pixels.assign(first, first + bytes);
  return WithChannels(std::move(image), channels);
}

}  // namespace msq::media
