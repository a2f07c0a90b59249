// CSV and TSV: a row at a time, in bounded memory.

#include <algorithm>
#include <vector>

#include "extract/ascii.h"
#include "extract/readers.h"
#include "extract/table_rows.h"
#include "extract/text_reader.h"

namespace tessera {
namespace {

constexpr std::size_t kCellsMax = 4096;
constexpr std::size_t kRowBytesMax = 1u << 20;

/// Cuts a character stream into rows of cells (RFC 4180, and what spreadsheets write).
class RowCutter {
 public:
  explicit RowCutter(char separator) : separator_(separator) {}

  /// Takes one character; true when it ended a row (see cells()).
  bool Take(char c) {
    if (row_done_) {
      cells_.clear();
      cell_.clear();
      row_bytes_ = 0;
      row_done_ = false;
    }
    if (++row_bytes_ > kRowBytesMax) {  // a quote that never closes: give up the row here
      quoted_ = false;
      return EndRow();
    }
    if (quoted_) {
      if (c == '"') {
        quoted_ = false;
        after_quote_ = true;
      } else {
        cell_.push_back(c);
      }
      return false;
    }
    if (c == '"' && (cell_.empty() || after_quote_)) {
      if (after_quote_) cell_.push_back('"');  // "" within quotes
      quoted_ = true;
      after_quote_ = false;
      return false;
    }
    after_quote_ = false;
    if (c == separator_) {
      if (cells_.size() < kCellsMax) cells_.push_back(std::move(cell_));
      cell_.clear();
    } else if (c == '\n') {
      return EndRow();
    } else if (c != '\r') {
      cell_.push_back(c);
    }
    return false;
  }

  /// At the end of the file; true when a last row without a line end was left.
  bool Finish() { return !row_done_ && (!cells_.empty() || !cell_.empty()) && EndRow(); }

  const std::vector<std::string>& cells() const { return cells_; }

 private:
  bool EndRow() {
    if (cells_.size() < kCellsMax) cells_.push_back(std::move(cell_));
    cell_.clear();
    row_done_ = true;
    after_quote_ = false;
    return cells_.size() > 1 || !cells_[0].empty();
  }

  char separator_;
  std::vector<std::string> cells_;
  std::string cell_;
  std::size_t row_bytes_ = 0;
  bool quoted_ = false;
  bool after_quote_ = false;
  bool row_done_ = false;
};

/// The separator that the first lines use most evenly: German spreadsheets write semicolons.
char GuessSeparator(std::string_view sample, char fallback) {
  const std::string_view first = sample.substr(0, sample.find('\n'));
  char best = fallback;
  auto best_count = std::count(first.begin(), first.end(), fallback);
  for (const char candidate : {';', '\t', '|', ','}) {
    const auto count = std::count(first.begin(), first.end(), candidate);
    if (count > best_count) {
      best = candidate;
      best_count = count;
    }
  }
  return best;
}

/// Sends rows; the first becomes the header when it looks like one.
class RowWriter {
 public:
  explicit RowWriter(ReadJob& job) : job_(job) {}
  ExtractFailure Row(const std::vector<std::string>& cells) {
    if (first_) {
      first_ = false;
      if (LooksLikeHeader(cells)) {
        header_ = cells;
        return std::nullopt;
      }
    }
    ++rows_;
    Block block;
    block.kind = BlockKind::kTableRow;
    block.text = RowText(header_, cells);
    return job_.out.Add(std::move(block));
  }
  std::uint64_t rows() const { return rows_; }
  /// A table of nothing but a header still says something.
  ExtractFailure Finish() {
    if (rows_ > 0 || header_.empty()) return std::nullopt;
    Block block;
    block.kind = BlockKind::kTableRow;
    block.text = RowText({}, header_);
    return job_.out.Add(std::move(block));
  }

 private:
  ReadJob& job_;
  std::vector<std::string> header_;
  std::uint64_t rows_ = 0;
  bool first_ = true;
};

}  // namespace

ExtractFailure ReadTable(const InputFile& file, char separator, DocumentInfo& info, ReadJob& job) {
  TextReader reader(file);
  if (reader.encoding().empty()) {
    return ExtractError{ExtractCode::kWrongType, "is named as a table but is binary data"};
  }
  info.metadata["encoding"] = reader.encoding();
  job.out.Start(info);
  RowWriter writer(job);
  std::string piece;
  if (!reader.ReadPiece(piece)) return std::nullopt;
  RowCutter cutter(GuessSeparator(piece, separator));
  do {
    for (const char c : piece) {
      if (!cutter.Take(c)) continue;
      if (ExtractFailure failure = writer.Row(cutter.cells())) return failure;
    }
  } while (reader.ReadPiece(piece));
  if (cutter.Finish()) {
    if (ExtractFailure failure = writer.Row(cutter.cells())) return failure;
  }
  info.metadata["rows"] = StrCat(writer.rows());
  return writer.Finish();
}

}  // namespace tessera
