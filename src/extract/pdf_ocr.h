#pragma once
// Pages that are pictures: rendered by pdftoppm, read by tesseract.

#include <cstdint>
#include <string>

#include "extract/readers.h"

namespace tessera {

/// OCR for the pages of one PDF. Not thread-safe.
class PdfOcr {
 public:
  PdfOcr(const InputFile& file, ReadJob& job);
  /// Whether both programs are installed.
  bool available() const { return !tesseract_.empty() && !pdftoppm_.empty(); }
  /// Whether the page holds a picture at all.
  bool HasPicture(std::uint32_t page) const;
  /// Emits the page's text; true when there was any.
  bool ReadPage(std::uint32_t page, ExtractFailure& failure);
  std::uint32_t pages() const { return pages_; }
  /// Pages that were left out for the limit.
  std::uint32_t skipped() const { return skipped_; }

 private:
  std::string Languages() const;
  std::string Recognise(std::uint32_t page);

  const InputFile& file_;
  ReadJob& job_;
  std::string pdftoppm_;
  std::string pdfimages_;
  std::string tesseract_;
  std::string languages_;
  std::uint32_t pages_ = 0;
  std::uint32_t skipped_ = 0;
};

}  // namespace tessera
