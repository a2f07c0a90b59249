// Markdown (CommonMark and GitHub's tables), line by line.

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "extract/ascii.h"
#include "extract/markdown_inline.h"
#include "extract/readers.h"
#include "extract/table_rows.h"
#include "extract/text_reader.h"

namespace tessera {
namespace {

std::size_t Indent(std::string_view line) {
  std::size_t columns = 0;
  for (const char c : line) {
    if (c == ' ') {
      ++columns;
    } else if (c == '\t') {
      columns += 4;
    } else {
      break;
    }
  }
  return columns;
}

/// The length of a list marker with its space ("- ", "12. "), or 0.
std::size_t ListMarker(std::string_view text) {
  if (text.size() < 2) return 0;
  std::size_t i = 0;
  if (text[0] == '-' || text[0] == '*' || text[0] == '+') {
    i = 1;
  } else {
    while (i < text.size() && i < 9 && absl::ascii_isdigit(static_cast<unsigned char>(text[i])))
      ++i;
    if (i == 0 || i >= text.size() || (text[i] != '.' && text[i] != ')')) return 0;
    ++i;
  }
  return i < text.size() && (text[i] == ' ' || text[i] == '\t') ? i + 1 : 0;
}

bool IsRule(std::string_view text) {
  std::size_t marks = 0;
  for (const char c : text) {
    if (c == ' ') continue;
    if (c != text[0] || (c != '-' && c != '*' && c != '_')) return false;
    ++marks;
  }
  return marks >= 3;
}

std::vector<std::string> SplitCells(std::string_view line) {
  line = TrimSpaces(line);
  if (StartsWith(line, "|")) line.remove_prefix(1);
  if (EndsWith(line, "|") && !EndsWith(line, "\\|")) line.remove_suffix(1);
  std::vector<std::string> cells(1);
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size() && line[i + 1] == '|') {
      cells.back().push_back(line[++i]);
    } else if (line[i] == '|') {
      if (cells.size() < 1024) cells.emplace_back();
    } else {
      cells.back().push_back(line[i]);
    }
  }
  for (std::string& cell : cells) cell = StripMarkdown(cell);
  return cells;
}

bool IsTableRule(std::string_view line) {
  return Contains(line, "-") && Contains(line, "|") &&
         line.find_first_not_of(" \t|:-") == std::string_view::npos;
}

/// Reads lines and sends blocks; keeps one open block.
class MarkdownBlocks {
 public:
  explicit MarkdownBlocks(ReadJob& job) : job_(job) {}

  ExtractFailure Line(const std::string& line) {
    if (!fence_.empty()) return FenceLine(line);
    const std::string_view text = TrimSpaces(line);
    if (in_comment_ || StartsWith(text, "<!--")) {
      in_comment_ = !Contains(text, "-->");
      return Flush();
    }
    if (text.empty()) return EmptyLine();
    const std::size_t indent = Indent(line);
    if (block_.kind == BlockKind::kCode && !block_.text.empty()) {  // indented code goes on
      if (indent >= 4)
        return Append(line.substr(std::min<std::size_t>(4, line.find_first_not_of(" \t"))), "\n");
      if (ExtractFailure failure = Flush()) return failure;
    }
    if (StartsWith(text, "```") || StartsWith(text, "~~~")) return OpenFence(text);
    if (IsTableRule(text) && !block_.text.empty() && Contains(block_.text, "|")) {
      header_ = SplitCells(block_.text);
      block_.text.clear();
      in_table_ = true;
      return std::nullopt;
    }
    if (in_table_ && Contains(text, "|")) return TableRow(text);
    in_table_ = false;
    if (ExtractFailure failure = SetextHeading(text); failure || underline_taken_) return failure;
    if (IsRule(text)) return Flush();
    if (text[0] == '#') {
      const std::size_t level = text.find_first_not_of('#');
      if (level <= 6 && text[level] == ' ') return Heading(text, level);
    }
    if (text[0] == '>') return Quote(text);
    if (const std::size_t marker = ListMarker(text)) return ListItem(text.substr(marker), indent);
    if (indent >= 4 && block_.text.empty() && !in_list_) {
      Open(BlockKind::kCode);
      return Append(line.substr(std::min<std::size_t>(4, line.find_first_not_of(" \t"))), "\n");
    }
    if (StartsWith(text, "[") && Contains(text, "]: ") && block_.text.empty()) {
      return std::nullopt;  // a link's definition
    }
    if (block_.text.empty()) {
      if (indent == 0) in_list_ = false;
      Open(BlockKind::kParagraph);
    }
    return Append(text, " ");
  }

  ExtractFailure Flush() {
    Block block = std::move(block_);
    block_ = {};
    in_table_ = false;
    if (block.text.empty()) return std::nullopt;
    if (block.kind != BlockKind::kCode) block.text = StripMarkdown(block.text);
    return job_.out.Add(std::move(block));
  }

 private:
  void Open(BlockKind kind) {
    block_ = {};
    block_.kind = kind;
  }

  ExtractFailure Append(std::string_view text, std::string_view joint) {
    if (!block_.text.empty()) block_.text.append(joint);
    block_.text.append(text);
    if (block_.text.size() < job_.limits.block_bytes_max.count) return std::nullopt;
    const Block like = Block{block_.kind, 0, block_.list_depth};
    ExtractFailure failure = Flush();
    block_ = like;
    return failure;
  }

  ExtractFailure EmptyLine() {
    if (block_.kind == BlockKind::kCode && !block_.text.empty()) return Append("", "\n");
    return Flush();
  }

  ExtractFailure OpenFence(std::string_view text) {
    ExtractFailure failure = Flush();
    fence_ = std::string(text.substr(0, text.find_first_not_of(text[0])));
    Open(BlockKind::kCode);
    return failure;
  }

  ExtractFailure FenceLine(const std::string& line) {
    const std::string_view text = TrimSpaces(line);
    const bool closes =
        StartsWith(text, fence_) && text.find_first_not_of(fence_[0]) == std::string_view::npos;
    if (!closes) return Append(line, "\n");
    fence_.clear();
    return Flush();
  }

  ExtractFailure SetextHeading(std::string_view text) {
    underline_taken_ = false;
    const bool underline = text.find_first_not_of(text[0]) == std::string_view::npos &&
                           (text[0] == '=' || (text[0] == '-' && text.size() >= 2));
    if (!underline || block_.kind != BlockKind::kParagraph || block_.text.empty())
      return std::nullopt;
    underline_taken_ = true;
    block_.kind = BlockKind::kHeading;
    block_.heading_level = text[0] == '=' ? 1 : 2;
    return Flush();
  }

  ExtractFailure Heading(std::string_view text, std::size_t level) {
    if (ExtractFailure failure = Flush()) return failure;
    in_list_ = false;
    Open(BlockKind::kHeading);
    block_.heading_level = static_cast<std::uint8_t>(level);
    text = TrimSpaces(text.substr(level));
    const std::size_t last = text.find_last_not_of('#');  // "## Title ##"
    if (last != std::string_view::npos && last + 1 < text.size() && text[last] == ' ') {
      text = text.substr(0, last);
    }
    block_.text = std::string(text);
    return Flush();
  }

  ExtractFailure Quote(std::string_view text) {
    while (!text.empty() && (text[0] == '>' || text[0] == ' ')) text.remove_prefix(1);
    if (text.empty()) return Flush();
    if (block_.kind != BlockKind::kQuote) {
      if (ExtractFailure failure = Flush()) return failure;
      Open(BlockKind::kQuote);
    }
    return Append(text, " ");
  }

  ExtractFailure ListItem(std::string_view text, std::size_t indent) {
    if (ExtractFailure failure = Flush()) return failure;
    in_list_ = true;
    Open(BlockKind::kListItem);
    block_.list_depth = static_cast<std::uint8_t>(std::min<std::size_t>(1 + indent / 2, 15));
    if (StartsWith(text, "[ ] ") || StartsWith(text, "[x] ")) text.remove_prefix(4);
    return Append(text, " ");
  }

  ExtractFailure TableRow(std::string_view text) {
    Block row;
    row.kind = BlockKind::kTableRow;
    row.text = RowText(header_, SplitCells(text));
    return job_.out.Add(std::move(row));
  }

  ReadJob& job_;
  Block block_;
  std::string fence_;
  std::vector<std::string> header_;
  bool in_comment_ = false;
  bool in_list_ = false;
  bool in_table_ = false;
  bool underline_taken_ = false;
};

/// "key: value" of the front matter; lists and nesting are left out.
void FrontMatterLine(std::string_view line, DocumentInfo& info) {
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos || line[0] == ' ' || line[0] == '#') return;
  const std::string key = ToLower(line.substr(0, colon));
  std::string_view value = TrimSpaces(line.substr(colon + 2));
  if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0]) {
    value = value.substr(1, value.size() - 2);
  }
  if (key == "title") {
    info.title = std::string(value);
  } else if (key == "author") {
    info.author = std::string(value);
  } else if (key == "lang" || key == "language") {
    info.language = std::string(value);
  } else if (key == "date" || key == "description") {
    info.metadata[key] = std::string(value);
  }
}

/// The first heading within the file's start, for a title.
std::string FirstHeading(const InputFile& file) {
  const std::string head = DecodeText(file.Head(16u << 10));
  std::string_view rest = head;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (StartsWith(line, "# ")) return StripMarkdown(TrimSpaces(line.substr(2)));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return {};
}

}  // namespace

ExtractFailure ReadMarkdown(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  TextReader reader(file);
  if (reader.encoding().empty()) {
    return ExtractError{ExtractCode::kWrongType, "is named as Markdown but is binary data"};
  }
  std::string line;
  bool unfinished = false;
  bool more = reader.ReadLine(line, unfinished);
  if (more && line == "---") {
    while ((more = reader.ReadLine(line, unfinished)) && line != "---" && line != "...") {
      if (!line.empty()) FrontMatterLine(line, info);
    }
    more = more && reader.ReadLine(line, unfinished);
  }
  if (info.title.empty()) info.title = FirstHeading(file);
  job.out.Start(info);
  MarkdownBlocks blocks(job);
  for (; more; more = reader.ReadLine(line, unfinished)) {
    if (ExtractFailure failure = blocks.Line(line)) return failure;
  }
  return blocks.Flush();
}

}  // namespace tessera
