#include <cstdio>

#include "extract/pdf_layout.h"
#include "extract/testing/collect.h"
#include "extract/testing/samples.h"
#include "extract/tool_run.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

SamplePdf TwoPages() {
  SamplePdf pdf;
  pdf.title = "The manual";
  pdf.pages = {{{20, "Introduction"},
                {11, "The first paragraph of the text is long enough"},
                {11, "to fill two lines."}},
               {{14, "1.2 Details"}, {11, "Second page."}}};
  return pdf;
}

TEST(PdfTest, TextHeadingsPagesTitle) {
  const CollectedDocument document = ReadOneHere(MakePdf(TwoPages()), "a.pdf");
  EXPECT_EQ(document.ErrorName(), "");
  EXPECT_EQ(document.start.title, "The manual");
  EXPECT_EQ(document.start.pages, 2u);
  EXPECT_EQ(document.Outline(),
            "heading1 p1: Introduction\n"
            "paragraph p1: The first paragraph of the text is long enough\nto fill two lines.\n"
            "heading2 p2: 1.2 Details\nparagraph p2: Second page.\n");
}

TEST(PdfTest, ThroughTheSandbox) {
  Extractor extractor(TestConfig());
  const auto documents = Extract(extractor, MakePdf(TwoPages()), "a.pdf");
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].ErrorName(), "") << documents[0].error->message;
  EXPECT_EQ(documents[0].blocks.size(), 4u);
}

TEST(PdfTest, InAnArchiveThroughTheSandbox) {
  Extractor extractor(TestConfig());
  const auto documents = Extract(extractor, MakeZip({{"in/a.pdf", MakePdf(TwoPages())}}), "a.zip");
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].info.name, "a.zip/in/a.pdf");
  EXPECT_EQ(documents[0].ErrorName(), "") << documents[0].error->message;
  EXPECT_EQ(documents[0].blocks.size(), 4u);
}

TEST(PdfTest, PasswordIsEncrypted) {
  SamplePdf pdf = TwoPages();
  pdf.encrypted = true;
  EXPECT_EQ(ReadOneHere(MakePdf(pdf), "a.pdf").ErrorName(), "encrypted");
}

TEST(PdfTest, CutFileIsTruncated) {
  const std::string whole = MakePdf(TwoPages());
  for (const std::size_t part : {whole.size() / 8, whole.size() / 2, whole.size() - 100}) {
    EXPECT_EQ(ReadOneHere(whole.substr(0, part), "a.pdf").ErrorName(), "truncated") << part;
  }
}

TEST(PdfTest, GarbageAfterTheHeadIsCorrupt) {
  EXPECT_EQ(ReadOneHere("%PDF-1.4\n" + std::string(500, 'x') + "\n%%EOF\n", "a.pdf").ErrorName(),
            "corrupt");
}

/// A picture of a page of text, rendered by the program that renders scans too.
SamplePdf Scan() {
  SamplePdf text;
  text.pages = {{{40, "INVOICE"}, {30, "Forty two tiles of blue glass"}}};
  const InputFile file = InputFile::OfBytes(MakePdf(text), "a.pdf");
  ToolRun render({FindProgram("pdftoppm"), "-gray", "-r", "100", kToolInput}, file.fd());
  const std::string picture = render.ReadAll(8 << 20);
  SamplePdf scan;
  int offset = 0;
  CHECK(std::sscanf(picture.c_str(), "P5 %d %d 255%n", &scan.picture_width, &scan.picture_height,
                    &offset) == 2);
  scan.picture = picture.substr(static_cast<std::size_t>(offset) + 1);
  return scan;
}

TEST(PdfTest, ScanWithoutOcrHasNoText) {
  ExtractConfig limits;
  limits.ocr_pages_max = 0;
  const CollectedDocument document = ReadOneHere(MakePdf(Scan()), "scan.pdf", limits);
  EXPECT_EQ(document.ErrorName(), "no_text");
  EXPECT_NE(document.error->message.find("scan without a text layer"), std::string::npos);
}

TEST(PdfTest, ScanIsReadByOcr) {
  if (FindProgram("tesseract").empty()) GTEST_SKIP() << "tesseract is not installed";
  ExtractConfig config = TestConfig();
  config.ocr_languages = "eng";
  Extractor extractor(config);
  SamplePdf mixed = Scan();
  mixed.pages = TwoPages().pages;
  const auto documents = Extract(extractor, MakePdf(mixed), "scan.pdf");
  ASSERT_EQ(documents.size(), 1u);
  EXPECT_EQ(documents[0].ErrorName(), "");
  EXPECT_NE(documents[0].Text().find("Forty two tiles of blue glass"), std::string::npos)
      << documents[0].Text();
  EXPECT_EQ(documents[0].blocks.back().page, 3u);
  ASSERT_EQ(documents[0].info.notes.size(), 1u);
  EXPECT_EQ(documents[0].info.notes[0], "1 pages read by OCR");
}

TEST(PdfLayoutTest, ListsEdgesAndEntities) {
  PdfLayoutParser parser;
  parser.Line("<page width=\"600\" height=\"800\">");
  const auto block = [&](int y, std::vector<std::string> lines) {
    parser.Line("<block xMin=\"50\">");
    for (const std::string& line : lines) {
      parser.Line(StrCat("<line xMin=\"50\" yMin=\"", y, "\" yMax=\"", y + 10, "\">"));
      parser.Line(StrCat("<word xMin=\"50\" yMin=\"", y, "\" xMax=\"90\" yMax=\"", y + 10, "\">",
                         line, "</word>"));
      y += 12;
    }
  };
  block(20, {"Running head"});
  block(100, {"A &amp; B", "second line"});
  block(200, {"\u2022 one", "goes on", "\u2022 two"});
  block(300, {"\u2022"});
  block(320, {"three"});
  block(780, {"17"});
  EXPECT_TRUE(parser.Line("</page>"));
  const PdfPage page = parser.TakePage();
  PdfBlocks blocks;
  blocks.Learn(page);
  CollectedDocument document;
  document.blocks = blocks.Make(page, 1);
  EXPECT_EQ(document.Outline(),
            "paragraph p1: Running head\nparagraph p1: A & B\nsecond line\n"
            "item1 p1: one\ngoes on\nitem1 p1: two\nitem1 p1: three\nparagraph p1: 17\n");
  EXPECT_TRUE(document.blocks.front().page_edge);
  EXPECT_TRUE(document.blocks.back().page_edge);
  EXPECT_FALSE(document.blocks[1].page_edge);
}

}  // namespace
}  // namespace tessera
