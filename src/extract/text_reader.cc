#include "extract/text_reader.h"

#include "extract/ascii.h"

namespace tessera {
namespace {

constexpr std::size_t kPieceBytes = 256u << 10;
constexpr std::size_t kLineBytesMax = 64u << 10;
constexpr std::size_t kSampleBytes = 1u << 20;

std::string GuessEncoding(const InputFile& file) {
  return tessera::GuessEncoding(file.Head(kSampleBytes), file.size() <= kSampleBytes);
}

}  // namespace

TextReader::TextReader(const InputFile& file, std::string encoding)
    : file_(file),
      encoding_(encoding.empty() ? GuessEncoding(file) : std::move(encoding)),
      decoder_(encoding_.empty() ? "UTF-8" : encoding_) {}

bool TextReader::ReadPiece(std::string& piece) {
  piece.clear();
  while (piece.empty()) {
    if (ended_) return false;
    bytes_.resize(kPieceBytes);
    bytes_.resize(file_.Read(offset_, bytes_.data(), bytes_.size()));
    const bool first = offset_ == 0;
    offset_ += bytes_.size();
    ended_ = bytes_.size() < kPieceBytes;
    if (encoding_ != "UTF-8") {
      decoder_.Decode(bytes_, ended_, piece);
    } else {
      // Sound UTF-8 needs no decoding; only the character that the piece's end cuts waits.
      const std::string_view all = bytes_;
      const std::size_t cut = ended_ ? all.size() : Utf8Cut(all, all.size() - 4);
      std::string joined = std::move(carry_);
      joined.append(all.substr(0, cut));
      carry_.assign(all.substr(cut));
      if (IsUtf8(joined)) {
        piece = std::move(joined);
      } else {
        decoder_.Decode(joined, true, piece);
      }
    }
    if (first && StartsWith(piece, "\xEF\xBB\xBF")) piece.erase(0, 3);
  }
  return true;
}

bool TextReader::ReadLine(std::string& line, bool& unfinished) {
  unfinished = false;
  while (true) {
    const std::string_view rest = std::string_view(lines_).substr(line_start_);
    const std::size_t end = rest.substr(0, kLineBytesMax).find('\n');
    if (end != std::string_view::npos) {
      line.assign(rest.substr(0, end));
      if (!line.empty() && line.back() == '\r') line.pop_back();
      line_start_ += end + 1;
      return true;
    }
    if (rest.size() > kLineBytesMax) {
      const std::size_t cut = Utf8Cut(rest, kLineBytesMax);
      line.assign(rest.substr(0, cut));
      line_start_ += cut;
      unfinished = true;
      return true;
    }
    std::string piece;
    if (!ReadPiece(piece)) {
      if (rest.empty()) return false;
      line.assign(rest);
      if (line.back() == '\r') line.pop_back();
      line_start_ = lines_.size();
      return true;
    }
    lines_.erase(0, line_start_);
    line_start_ = 0;
    lines_.append(piece);
  }
}

}  // namespace tessera
