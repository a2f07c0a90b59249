#include "extract/pdf_ocr.h"

#include <vector>

#include <fcntl.h>

#include "extract/ascii.h"
#include "extract/tool_run.h"

namespace tessera {

PdfOcr::PdfOcr(const InputFile& file, ReadJob& job)
    : file_(file),
      job_(job),
      pdftoppm_(FindProgram("pdftoppm")),
      pdfimages_(FindProgram("pdfimages")),
      tesseract_(FindProgram("tesseract")) {}

bool PdfOcr::HasPicture(std::uint32_t page) const {
  if (pdfimages_.empty()) return true;
  const std::string number = StrCat(page);
  ToolRun run({pdfimages_, "-list", "-f", number, "-l", number, kToolInput}, file_.fd());
  std::string line;
  int lines = 0;
  while (run.ReadLine(line)) ++lines;
  return lines > 2;  // two lines of heading
}

/// All installed ones (but the one for orientation), at most six: each costs time.
std::string PdfOcr::Languages() const {
  if (!job_.limits.ocr_languages.empty()) return job_.limits.ocr_languages;
  ToolRun run({tesseract_, "--list-langs"}, file_.fd());
  std::string languages;
  std::string line;
  int count = 0;
  while (run.ReadLine(line)) {
    const bool name = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string::npos;
    if (!name || line.empty() || line == "osd" || count == 6) continue;
    StrAppend(&languages, count++ > 0 ? "+" : "", line);
  }
  return languages.empty() ? "eng" : languages;
}

std::string PdfOcr::Recognise(std::uint32_t page) {
  if (languages_.empty()) languages_ = Languages();
  const std::string path = StrCat(job_.temp_dir, "/page.pgm");
  const Fd picture(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!picture.valid()) return {};
  const std::string number = StrCat(page);
  // A fixed number of pixels, not of dots an inch: a page can claim to be kilometres wide.
  ToolRun render({pdftoppm_, "-gray", "-scale-to", "2600", "-f", number, "-l", number, kToolInput},
                 file_.fd(), picture.get());
  if (render.Wait() != 0) return {};
  ToolRun recognise({tesseract_, path, "stdout", "-l", languages_, "--psm", "3"}, file_.fd());
  std::string text = recognise.ReadAll(1u << 20);
  return recognise.Wait() == 0 ? text : std::string();
}

bool PdfOcr::ReadPage(std::uint32_t page, ExtractFailure& failure) {
  if (pages_ >= job_.limits.ocr_pages_max) {
    ++skipped_;
    return false;
  }
  ++pages_;
  job_.out.Beat();
  const std::string text = Recognise(page);
  bool any = false;
  std::string_view rest = text;
  while (!rest.empty() && !failure) {
    const std::size_t end = rest.find("\n\n");
    Block block;
    block.page = page;
    block.text = std::string(TrimSpaces(rest.substr(0, end)));
    any = any || !block.text.empty();
    failure = job_.out.Add(std::move(block), TextShape::kLines);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
  }
  return any;
}

}  // namespace tessera
