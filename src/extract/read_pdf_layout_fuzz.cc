// What pdftotext writes, whatever a PDF made it write.
#include "extract/pdf_layout.h"
#include "extract/testing/fuzz_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  tessera::PdfLayoutParser parser;
  tessera::PdfBlocks blocks;
  std::uint32_t number = 0;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const bool page = parser.Line(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (!page) continue;
    const tessera::PdfPage taken = parser.TakePage();
    blocks.Learn(taken);
    for (const tessera::Block& block : blocks.Make(taken, ++number)) {
      CHECK(!block.text.empty() && block.heading_level <= 6);
    }
  }
  return 0;
}
