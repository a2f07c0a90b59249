// PDF by poppler's programs: pdfinfo for what it is, pdftotext for the text with its places.

#include <algorithm>
#include <deque>

#include "absl/strings/numbers.h"
#include "extract/ascii.h"
#include "extract/pdf_layout.h"
#include "extract/pdf_ocr.h"
#include "extract/readers.h"
#include "extract/tool_run.h"

namespace tessera {
namespace {

constexpr std::size_t kLearnPages = 6;   // held back until the size of the body text is known
constexpr std::size_t kPageTextMin = 8;  // below it a page counts as a picture

ExtractError NeedsPassword() {
  return {ExtractCode::kEncrypted, "needs a password: save it without one and add it again"};
}

bool EndsEarly(const InputFile& file) { return !Contains(file.Tail(2048), "%%EOF"); }

ExtractError Damaged(const InputFile& file) {
  if (EndsEarly(file)) {
    return {ExtractCode::kTruncated,
            "ends too early (a PDF's end is missing): get it again from its source"};
  }
  return {ExtractCode::kCorrupt, "is damaged: open it in a PDF viewer and save it anew"};
}

void TakeInfoLine(std::string_view line, DocumentInfo& info) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view key = line.substr(0, colon);
  const std::string value(TrimSpaces(line.substr(colon + 1)));
  if (value.empty()) return;
  if (key == "Title") info.title = value;
  if (key == "Author") info.author = value;
  if (key == "Subject") info.metadata["subject"] = value;
  if (key == "Keywords") info.metadata["keywords"] = value;
  if (key == "CreationDate") info.metadata["date"] = value;
  if (key == "Pages" && !absl::SimpleAtoi(value, &info.pages)) info.pages = 0;
}

ExtractFailure ReadInfo(const InputFile& file, DocumentInfo& info) {
  const std::string program = FindProgram("pdfinfo");
  if (program.empty()) {
    return ExtractError{ExtractCode::kInternal,
                        "PDF needs poppler-utils: apt-get install poppler-utils"};
  }
  ToolRun run({program, "-isodates", "-enc", "UTF-8", kToolInput}, file.fd());
  std::string line;
  while (run.ReadLine(line)) TakeInfoLine(line, info);
  if (run.Wait() == 0) return std::nullopt;
  if (Contains(run.Errors(), "Incorrect password")) return NeedsPassword();
  return Damaged(file);
}

/// Titles that programs make up, such as a temporary file's name, are worse than none.
void DropBadTitle(DocumentInfo& info) {
  const std::string lower = ToLower(info.title);
  for (const char* start : {"microsoft word - ", "untitled", "/tmp/"}) {
    if (lower.starts_with(start)) info.title.clear();
  }
}

/// Reads the pages as pdftotext gives them.
class PdfPages {
 public:
  PdfPages(const InputFile& file, ReadJob& job) : job_(job), ocr_(file, job) {}

  ExtractFailure Take(PdfPage page) {
    blocks_.Learn(page);
    held_.push_back(std::move(page));
    if (!learnt_ && held_.size() < kLearnPages) return std::nullopt;
    learnt_ = true;
    return Flush();
  }

  ExtractFailure Flush() {
    while (!held_.empty()) {
      const PdfPage page = std::move(held_.front());
      held_.pop_front();
      ++number_;
      if (page.text_bytes < kPageTextMin) {
        if (ExtractFailure failure = EmptyPage()) return failure;
      }
      for (Block& block : blocks_.Make(page, number_)) {
        if (ExtractFailure failure = job_.out.Add(std::move(block), TextShape::kLines))
          return failure;
      }
      if (number_ % 16 == 0) job_.out.Beat();
    }
    return std::nullopt;
  }

  void Note(DocumentInfo& info) const {
    if (ocr_.pages() > 0) info.notes.push_back(StrCat(ocr_.pages(), " pages read by OCR"));
    const std::uint32_t skipped = ocr_.skipped() + without_ocr_;
    if (skipped == 0) return;
    info.notes.push_back(
        StrCat(skipped, " pages are pictures and were not read: ",
               ocr_.available() ? "raise ocr_pages_max" : "install tesseract-ocr"));
  }
  std::uint32_t pages() const { return number_; }
  /// Why a document of pictures has no text.
  std::string_view WhyNoText() const {
    if (!ocr_.available()) {
      return "is a scan without a text layer: install tesseract-ocr to have it read";
    }
    return ocr_.pages() > 0 ? "has no text layer, and OCR found none in its pictures"
                            : "is a scan without a text layer: raise ocr_pages_max to have it read";
  }

 private:
  /// A page without text, by OCR if it is a picture. In a document that has no text so far it is
  /// tried in any case: text can be drawn as lines.
  ExtractFailure EmptyPage() {
    if (job_.out.has_text() && !ocr_.HasPicture(number_)) return std::nullopt;
    if (!ocr_.available()) {
      ++without_ocr_;
      return std::nullopt;
    }
    ExtractFailure failure;
    ocr_.ReadPage(number_, failure);
    return failure;
  }

  ReadJob& job_;
  PdfOcr ocr_;
  PdfBlocks blocks_;
  std::deque<PdfPage> held_;
  std::uint32_t number_ = 0;
  std::uint32_t without_ocr_ = 0;
  bool learnt_ = false;
};

}  // namespace

ExtractFailure ReadPdf(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  if (ExtractFailure failure = ReadInfo(file, info)) return failure;
  DropBadTitle(info);
  job.out.Start(info);
  ToolRun run({FindProgram("pdftotext"), "-bbox-layout", "-enc", "UTF-8", kToolInput, "-"},
              file.fd());
  PdfLayoutParser parser;
  PdfPages pages(file, job);
  std::string line;
  while (run.ReadLine(line)) {
    if (!parser.Line(line)) continue;
    if (ExtractFailure failure = pages.Take(parser.TakePage())) return failure;
  }
  if (ExtractFailure failure = pages.Flush()) return failure;
  const int code = run.Wait();
  pages.Note(info);
  if (code == 3 && !job.out.has_text()) {
    return ExtractError{ExtractCode::kEncrypted,
                        "forbids copying its text: save it without that restriction"};
  }
  if (code != 0 || pages.pages() < info.pages) return Damaged(file);
  // A file that was cut off can still be repaired in part; then some pages are missing or blank.
  if (EndsEarly(file) && !run.Errors().empty()) return Damaged(file);
  if (!job.out.has_text()) {
    return ExtractError{ExtractCode::kNoText, std::string(pages.WhyNoText())};
  }
  return std::nullopt;
}

}  // namespace tessera
