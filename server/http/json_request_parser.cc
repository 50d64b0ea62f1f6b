#include "server/http/json_request_parser.h"

#include <utility>

#include "base/status.h"
#include "server/http/tensor_json.h"

namespace msq::server {
namespace {

using Value = nlohmann::json;

constexpr size_t kMaxDepth = 16;
constexpr size_t kMaxValues = 1 << 16;  // outside tensor data
constexpr size_t kMaxQuoteBytes = 300;  // of a parser's message, which quotes the text

// Receives nlohmann's parse events (the names are its). Builds the document but for the members `data` of inputs, whose values
// go straight into tensors. A tensor whose datatype comes after its data is passed over; another pass over the text,
// which then knows the datatypes, reads it.
class RequestEvents {
 public:
  // For a text whose inputs have tensors, of so many bytes at most.
  RequestEvents(uint64_t max_tensor_bytes, std::vector<std::optional<Datatype>> datatypes)
      : has_tensors_(true), tensor_bytes_left_(max_tensor_bytes), datatypes_(std::move(datatypes)) {}
  RequestEvents() = default;

  const absl::Status& status() const { return status_; }
  bool passed_over_data() const { return passed_over_data_; }
  Value& root() { return root_; }
  std::vector<std::optional<JsonTensor>>& data() { return data_; }

  bool null() {
    if (InData()) return passing_over_ > 0 || Fail("null is no value of a tensor");
    return Put(Value()) != nullptr;
  }
  bool boolean(bool value) { return Scalar(value); }
  bool number_integer(int64_t value) { return Scalar(value); }
  bool number_unsigned(uint64_t value) { return Scalar(value); }
  bool string(std::string& value) { return Scalar(value); }
  bool binary(Value::binary_t&) { return Fail("binary is no JSON"); }
  bool number_float(double value, const std::string& text) {
    if (passing_over_ > 0) return true;
    if (tensor_) return Check(tensor_->Add(value, text));
    return Put(value) != nullptr;
  }

  bool start_object(size_t) {
    if (InData()) return passing_over_ > 0 || Fail("an object is no value of a tensor");
    return Descend(Value::object());
  }
  bool key(std::string& name) {
    if (passing_over_ > 0) return true;
    frames_.back().key = name;
    return !frames_.back().node->contains(name) || Fail("this member appears twice");
  }
  bool end_object() { return passing_over_ > 0 || Ascend(); }

  bool start_array(size_t) {
    if (passing_over_ > 0) return ++passing_over_ <= kMaxPassedDepth || Fail("arrays are nested too deep");
    if (tensor_) return Check(tensor_->Open());
    return AtData() ? StartData() : Descend(Value::array());
  }
  bool end_array() {
    if (passing_over_ > 0) {
      --passing_over_;
      return true;
    }
    if (!tensor_) return Ascend();
    if (!Check(tensor_->Close())) return false;
    if (!tensor_->open()) {
      data_.back() = JsonTensor{tensor_->dims(), tensor_->TakeBytes()};
      tensor_bytes_left_ -= data_.back()->bytes.size();
      tensor_.reset();
    }
    return true;
  }

  bool parse_error(size_t, const std::string&, const Value::exception& error) {
    std::string_view message = error.what();
    message = message.substr(message.find("] ") + 2);  // after the library's number
    status_ = InvalidArgument("the JSON is not valid: ", std::string(message.substr(0, kMaxQuoteBytes)));
    return false;
  }

 private:
  static constexpr int kMaxPassedDepth = 64;

  struct Frame {
    Value* node;
    std::string key;  // of the member at hand, in an object
  };

  std::string Path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      if (frame.node->is_array()) {
        // The innermost array has not got the value at hand yet; the others have.
        absl::StrAppend(&path, "[", frame.node->size() - (&frame == &frames_.back() ? 0 : 1), "]");
      } else {
        absl::StrAppend(&path, path.empty() ? "" : ".", frame.key);
      }
    }
    return path + (tensor_ ? tensor_->Position() : "");
  }
  bool Fail(std::string_view what) {
    const std::string path = Path();
    status_ = InvalidArgument(path, path.empty() ? "" : ": ", std::string(what));
    return false;
  }
  bool Check(const absl::Status& status) { return status.ok() || Fail(Message(status)); }

  bool InData() const { return tensor_.has_value() || passing_over_ > 0; }
  // At inputs[i].data?
  bool AtData() const {
    return has_tensors_ && frames_.size() == 3 && frames_[0].key == "inputs" && frames_[1].node->is_array() &&
           frames_[2].node->is_object() && frames_[2].key == "data";
  }

  bool StartData() {
    const size_t input = frames_[1].node->size() - 1;
    if (Put(Value()) == nullptr) return false;
    data_.resize(input + 1);
    if (input < datatypes_.size()) return StartTensor(datatypes_[input]);
    const auto name = frames_[2].node->find("datatype");
    if (name == frames_[2].node->end()) return StartTensor(std::nullopt);
    const auto datatype = ParseDatatype(name->is_string() ? name->get_ref<const std::string&>() : "");
    return datatype ? StartTensor(datatype) : Fail("the datatype of this input is none of the protocol's");
  }
  bool StartTensor(std::optional<Datatype> datatype) {
    if (!datatype) {
      passed_over_data_ = true;
      passing_over_ = 1;
      return true;
    }
    tensor_.emplace(*datatype, tensor_bytes_left_);
    return Check(tensor_->Open());
  }

  template <typename T>
  bool Scalar(T& value) {
    if (passing_over_ > 0) return true;
    if (tensor_) return Check(tensor_->Add(value));
    if (AtData()) return Fail("tensor data must be an array");
    return Put(value) != nullptr;
  }

  // Puts a value where the text is now.
  Value* Put(Value value) {
    if (++values_ > kMaxValues) {
      Fail("there are too many values outside tensor data");
      return nullptr;
    }
    if (frames_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Frame& frame = frames_.back();
    if (frame.node->is_object()) return &((*frame.node)[frame.key] = std::move(value));
    frame.node->push_back(std::move(value));
    return &frame.node->back();
  }
  bool Descend(Value container) {
    if (frames_.size() == kMaxDepth) return Fail("values are nested too deep");
    Value* node = Put(std::move(container));
    if (node == nullptr) return false;
    frames_.push_back({node, ""});
    return true;
  }
  bool Ascend() {
    frames_.pop_back();
    return true;
  }

  const bool has_tensors_ = false;
  uint64_t tensor_bytes_left_ = 0;
  const std::vector<std::optional<Datatype>> datatypes_;
  absl::Status status_;
  Value root_;
  std::vector<Frame> frames_;  // the containers that are open
  size_t values_ = 0;
  std::vector<std::optional<JsonTensor>> data_;
  std::optional<TensorFromJson> tensor_;  // the one that is being read
  int passing_over_ = 0;                  // depth of arrays within data that is passed over
  bool passed_over_data_ = false;
};

absl::Status Parse(std::string_view text, RequestEvents* events) {
  Value::sax_parse(text.begin(), text.end(), events);
  MSQ_RETURN_IF_ERROR(events->status());
  if (!events->root().is_object()) return InvalidArgument("the JSON must be an object");
  return absl::OkStatus();
}

// What each input says its datatype is. An input whose data was read without one says nothing valid.
std::vector<std::optional<Datatype>> Datatypes(const Value& root) {
  std::vector<std::optional<Datatype>> datatypes;
  for (const Value& input : root["inputs"]) {
    const auto name = input.find("datatype");
    const bool is_text = name != input.end() && name->is_string();
    datatypes.push_back(is_text ? ParseDatatype(name->get_ref<const std::string&>()) : std::nullopt);
  }
  return datatypes;
}

}  // namespace

absl::StatusOr<ParsedJsonRequest> ParseJsonRequest(std::string_view text, uint64_t max_tensor_bytes) {
  RequestEvents events(max_tensor_bytes, {});
  MSQ_RETURN_IF_ERROR(Parse(text, &events));
  if (!events.passed_over_data()) return ParsedJsonRequest{std::move(events.root()), std::move(events.data())};
  RequestEvents second(max_tensor_bytes, Datatypes(events.root()));
  MSQ_RETURN_IF_ERROR(Parse(text, &second));
  if (second.passed_over_data()) return InvalidArgument("an input with data has no valid datatype");
  return ParsedJsonRequest{std::move(second.root()), std::move(second.data())};
}

absl::StatusOr<Value> ParseJsonObject(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == text.npos) return Value::object();
  RequestEvents events;
  MSQ_RETURN_IF_ERROR(Parse(text, &events));
  return std::move(events.root());
}

}  // namespace msq::server
