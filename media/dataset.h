// A labelled set of pictures: a folder with labels.csv (file,class), or an .npz with images and labels.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "media/image.h"
#include "media/npy.h"

namespace msq::media {

// Immutable, so thread-safe. A folder's pictures are decoded when asked for; an .npz lies in memory as a whole.
class Dataset {
 public:
  // A folder: labels.csv has one "file,class" row a picture, files relative to the folder; a first row that says
  // exactly "file,class" is a header; fields may stand in double quotes. A file: an .npz with images [N,H,W,C] (C is 1
  // or 3) or [N,H,W] of uint8, and labels [N] of integers. NOT_FOUND or INVALID_ARGUMENT; the message names file and
  // row.
  static absl::StatusOr<Dataset> Open(const std::string& path);

  int64_t size() const;

  // The class of picture i as an index: where labels.csv says a name, its place in class_names; a name goes before a
  // number. An .npz always has the index itself. INVALID_ARGUMENT for a name that is not there, or an index outside class_names when there are any.
  absl::StatusOr<int64_t> Label(int64_t i, std::span<const std::string> class_names) const;

  // Precondition, here and above: 0 <= i < size().
  absl::StatusOr<Image> ReadImage(int64_t i, int channels) const;

 private:
  struct Row {
    std::string file;  // empty in an .npz
    std::string label;
    std::string place;  // for messages: "set/labels.csv:12", "set.npz: labels[11]"
  };

  static absl::StatusOr<Dataset> OpenFolder(const std::string& path);
  static absl::StatusOr<Dataset> OpenArrays(const std::string& path);

  std::vector<Row> rows_;
  Array images_;  // of an .npz
};

}  // namespace msq::media
