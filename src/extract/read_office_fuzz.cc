// The XML of Office files: the input is the main part of a DOCX, a PPTX's slide and an XLSX's
// sheet.
#include "extract/testing/fuzz_reader.h"
#include "extract/testing/samples.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string xml(reinterpret_cast<const char*>(data), size);
  const auto read = [](const std::string& zip, auto reader) {
    tessera::FuzzRead(reinterpret_cast<const std::uint8_t*>(zip.data()), zip.size(), "a", reader);
  };
  read(tessera::MakeDocx(xml), tessera::ReadDocx);
  read(tessera::MakeZip({{"word/document.xml", xml}, {"word/styles.xml", xml}}), tessera::ReadDocx);
  read(tessera::MakePptx({xml}), tessera::ReadPptx);
  read(tessera::MakeZip(
           {{"xl/workbook.xml", "<workbook><sheets><sheet name='S' id='1'/></sheets></workbook>"},
            {"xl/_rels/workbook.xml.rels",
             "<R><Relationship Id='1' Target='worksheets/s.xml'/></R>"},
            {"xl/sharedStrings.xml", xml},
            {"xl/worksheets/s.xml", xml}}),
       tessera::ReadXlsx);
  return 0;
}
