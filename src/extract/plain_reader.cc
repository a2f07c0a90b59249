// Plain text and source code.

#include <algorithm>

#include "absl/strings/ascii.h"
#include "extract/ascii.h"
#include "extract/readers.h"
#include "extract/text_reader.h"

namespace tessera {
namespace {

ExtractFailure BinaryFailure() {
  return ExtractError{ExtractCode::kUnsupported,
                      "is binary data of an unknown format: convert it to PDF or text"};
}

/// Whether `line` only underlines the line above it, as a heading: at least three of one sign.
bool IsUnderline(std::string_view line, char sign) {
  line = TrimEnd(line);
  return line.size() >= 3 && line.find_first_not_of(sign) == std::string_view::npos;
}

/// Collects lines to paragraphs, which empty lines part.
class Paragraphs {
 public:
  Paragraphs(ReadJob& job) : job_(job) {}

  ExtractFailure Line(const std::string& line) {
    if (TrimSpaces(line).empty()) return Flush();
    const bool one_line = !text_.empty() && text_.find('\n') == std::string::npos;
    if (one_line && text_.size() < 120) {
      if (IsUnderline(line, '=')) return Flush(BlockKind::kHeading, 1);
      if (IsUnderline(line, '-')) return Flush(BlockKind::kHeading, 2);
    }
    if (!text_.empty()) text_.push_back('\n');
    text_.append(line);
    // A text without empty lines is cut where a block would be.
    if (text_.size() >= job_.limits.block_bytes_max.count) return Flush();
    return std::nullopt;
  }

  ExtractFailure Flush(BlockKind kind = BlockKind::kParagraph, std::uint8_t level = 0) {
    if (text_.empty()) return std::nullopt;
    Block block;
    block.kind = kind;
    block.heading_level = level;
    block.text.swap(text_);
    return job_.out.Add(std::move(block), TextShape::kLines);
  }

 private:
  ReadJob& job_;
  std::string text_;
};

void NoteDecoding(const TextReader& reader, DocumentInfo& info) {
  if (reader.bad_bytes() == 0) return;
  info.notes.push_back(StrCat(reader.bad_bytes(), " bytes were not valid ", reader.encoding()));
}

}  // namespace

ExtractFailure ReadPlainText(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  TextReader reader(file);
  if (reader.encoding().empty()) return BinaryFailure();
  info.metadata["encoding"] = reader.encoding();
  job.out.Start(info);
  Paragraphs paragraphs(job);
  std::string line;
  bool unfinished = false;
  while (reader.ReadLine(line, unfinished)) {
    if (ExtractFailure failure = paragraphs.Line(line)) return failure;
  }
  NoteDecoding(reader, info);
  return paragraphs.Flush();
}

ExtractFailure ReadCode(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  // Pieces end where an empty line parts definitions (the next line is not indented), or when they
  // have grown long.
  constexpr std::size_t kPieceBytes = 1200;
  TextReader reader(file);
  if (reader.encoding().empty()) return BinaryFailure();
  info.metadata["language"] = file.extension();
  job.out.Start(info);
  Block block;
  block.kind = BlockKind::kCode;
  std::string line;
  bool unfinished = false;
  bool after_empty = false;
  while (reader.ReadLine(line, unfinished)) {
    const bool empty = TrimSpaces(line).empty();
    const bool outer = !empty && !absl::ascii_isspace(static_cast<unsigned char>(line[0]));
    if ((after_empty && outer && block.text.size() >= kPieceBytes) ||
        block.text.size() >= job.limits.block_bytes_max.count) {
      if (ExtractFailure failure = job.out.Add(block)) return failure;
      block.text.clear();
    }
    StrAppend(&block.text, line, unfinished ? "" : "\n");
    after_empty = empty;
  }
  NoteDecoding(reader, info);
  return job.out.Add(std::move(block));
}

}  // namespace tessera
