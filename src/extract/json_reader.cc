// JSON and JSON Lines: "path: value; path: value" a record. A record is a value of the stream, or
// an element of an outermost list, so that files of any length stream.

#include <algorithm>

#include "absl/strings/ascii.h"
#include "extract/ascii.h"
#include "extract/readers.h"
#include "extract/text_reader.h"
#include "simdjson.h"

namespace tessera {
namespace {

constexpr std::size_t kRecordBytesMax = 64u << 20;
constexpr std::size_t kLongValueBytes = 400;  // a paragraph of its own, not a field of a row
constexpr std::size_t kFieldsBytes = 2000;    // where a long row is cut between fields
constexpr int kDepthMax = 64;

/// Finds records in a character stream by counting brackets outside strings; does not judge them.
class RecordCutter {
 public:
  /// Takes one character; true when `record()` is whole.
  bool Take(char c) {
    if (done_) {
      record_.clear();
      done_ = false;
    }
    if (depth_ == 0 && !in_string_ && record_.empty()) {
      if (absl::ascii_isspace(static_cast<unsigned char>(c)) || c == ',') return false;
      if (c == '[' && !in_list_) {  // an outermost list: its elements are the records
        in_list_ = true;
        return false;
      }
      if (c == ']' && in_list_) {
        in_list_ = false;
        return false;
      }
    }
    if (in_string_) {
      record_.push_back(c);
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
        return depth_ == 0 && Whole();
      }
      return false;
    }
    if (depth_ == 0 && (c == ',' || c == '\n' || (c == ']' && in_list_))) {  // ends a bare scalar
      if (c == ']') in_list_ = false;
      return Whole();
    }
    record_.push_back(c);
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if ((c == '}' || c == ']') && --depth_ <= 0) {
      depth_ = 0;
      return Whole();
    }
    return false;
  }

  const std::string& record() const { return record_; }
  /// At the file's end: whether a record (or the list) was left open.
  bool open() const { return in_list_ || depth_ > 0 || in_string_; }
  bool rest() const { return !done_ && !record_.empty(); }

 private:
  bool Whole() {
    done_ = true;
    return true;
  }
  std::string record_;
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool in_list_ = false;
  bool done_ = false;
};

/// Turns one parsed record into blocks.
class RecordWriter {
 public:
  explicit RecordWriter(ReadJob& job) : job_(job) {}

  ExtractFailure Write(simdjson::dom::element record) {
    fields_.clear();
    failure_.reset();
    Walk(record, "", 0);
    FlushFields();
    return failure_;
  }

 private:
  void Walk(simdjson::dom::element value, const std::string& path, int depth) {
    if (failure_ || depth > kDepthMax) return;
    simdjson::dom::object object;
    simdjson::dom::array array;
    if (value.get(object) == simdjson::SUCCESS) {
      for (const auto field : object) {
        Walk(field.value, path.empty() ? std::string(field.key) : StrCat(path, ".", field.key),
             depth + 1);
      }
    } else if (value.get(array) == simdjson::SUCCESS) {
      WalkArray(array, path, depth);
    } else {
      Scalar(path, ScalarText(value));
    }
  }

  /// A list of plain values is one field; elements that have fields keep the list's path.
  void WalkArray(simdjson::dom::array array, const std::string& path, int depth) {
    std::string joined;
    for (const simdjson::dom::element element : array) {
      if (element.is_object() || element.is_array()) {
        Walk(element, path, depth + 1);
      } else {
        StrAppend(&joined, joined.empty() ? "" : ", ", ScalarText(element));
      }
    }
    if (!joined.empty()) Scalar(path, joined);
  }

  static std::string ScalarText(simdjson::dom::element value) {
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS) return std::string(text);
    if (value.is_null()) return "";
    return simdjson::minify(value);
  }

  void Scalar(const std::string& path, const std::string& text) {
    if (TrimSpaces(text).empty()) return;
    const std::string field = path.empty() ? text : StrCat(path, ": ", text);
    if (text.size() > kLongValueBytes) {
      FlushFields();
      Send(BlockKind::kParagraph, field, TextShape::kLines);
      return;
    }
    if (fields_.size() + field.size() > kFieldsBytes) FlushFields();
    StrAppend(&fields_, fields_.empty() ? "" : "; ", field);
  }

  void FlushFields() {
    if (!fields_.empty()) Send(BlockKind::kTableRow, fields_, TextShape::kFlow);
    fields_.clear();
  }

  void Send(BlockKind kind, const std::string& text, TextShape shape) {
    if (failure_) return;
    Block block;
    block.kind = kind;
    block.text = text;
    failure_ = job_.out.Add(std::move(block), shape);
  }

  ReadJob& job_;
  std::string fields_;
  ExtractFailure failure_;
};

/// Parses and writes records; remembers what was wrong with the first bad one.
class Records {
 public:
  explicit Records(ReadJob& job) : writer_(job) {}

  ExtractFailure Take(const std::string& record) {
    ++count_;
    simdjson::dom::element element;
    const simdjson::error_code code = parser_.parse(record).get(element);
    if (code == simdjson::SUCCESS) return writer_.Write(element);
    if (++bad_ == 1) first_bad_ = StrCat("record ", count_, ": ", simdjson::error_message(code));
    return std::nullopt;
  }

  /// Single bad lines are noted; a file with nothing sound in it is corrupt.
  ExtractFailure Judge(bool open, DocumentInfo& info) const {
    info.metadata["records"] = StrCat(count_ - bad_);
    if (open) {
      return ExtractError{ExtractCode::kTruncated,
                          "ends in the middle of a JSON value: get it again from its source"};
    }
    if (bad_ == 0) return std::nullopt;
    if (bad_ == count_) {
      return ExtractError{ExtractCode::kCorrupt, StrCat("is not valid JSON (", first_bad_,
                                                        "): correct it, or rename it to .txt")};
    }
    info.notes.push_back(
        StrCat(bad_, " of ", count_, " records left out, not valid JSON (", first_bad_, ")"));
    return std::nullopt;
  }

 private:
  RecordWriter writer_;
  simdjson::dom::parser parser_{kRecordBytesMax};
  std::uint64_t count_ = 0;
  std::uint64_t bad_ = 0;
  std::string first_bad_;
};

ExtractFailure TooLongValue() {
  return ExtractError{ExtractCode::kTooLarge,
                      "holds one JSON value of over 64 MiB: write it as a list or as JSON Lines"};
}

/// A record a line, so that a broken one costs only its own line.
ExtractFailure ReadLines(TextReader& reader, Records& records, std::uint64_t bytes_max) {
  std::string record;
  std::string line;
  bool unfinished = false;
  while (reader.ReadLine(line, unfinished)) {
    record.append(line);
    if (record.size() > bytes_max) return TooLongValue();
    if (unfinished) continue;
    if (!TrimSpaces(record).empty()) {
      if (ExtractFailure failure = records.Take(record)) return failure;
    }
    record.clear();
  }
  return std::nullopt;
}

}  // namespace

ExtractFailure ReadJson(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  TextReader reader(file);
  if (reader.encoding().empty()) {
    return ExtractError{ExtractCode::kWrongType, "is named as JSON but is binary data"};
  }
  job.out.Start(info);
  Records records(job);
  const auto bytes_max = std::min<std::uint64_t>(kRecordBytesMax, job.limits.tree_bytes_max.count);
  if (info.media_type == "application/x-ndjson") {
    if (ExtractFailure failure = ReadLines(reader, records, bytes_max)) return failure;
    return records.Judge(false, info);
  }
  RecordCutter cutter;
  std::string piece;
  while (reader.ReadPiece(piece)) {
    for (const char c : piece) {
      if (!cutter.Take(c)) continue;
      if (ExtractFailure failure = records.Take(cutter.record())) return failure;
    }
    if (cutter.record().size() > bytes_max) return TooLongValue();
  }
  if (cutter.rest() && !cutter.open()) {
    if (ExtractFailure failure = records.Take(cutter.record())) return failure;
  }
  return records.Judge(cutter.open(), info);
}

}  // namespace tessera
