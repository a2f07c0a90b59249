#include "extract/testing/collect.h"
#include "extract/testing/samples.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(DocxTest, HeadingsListsTablesBreaks) {
  const std::string docx = MakeDocx(
      DocxParagraph("The report", "T") + DocxParagraph("Part", "H1") +
          DocxParagraph("Own style", "Mine") +
          "<w:p><w:r><w:t>Split </w:t></w:r><w:r><w:t>run</w:t><w:lastRenderedPageBreak/></w:r>"
          "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
          "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"1\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr>"
          "<w:r><w:t>Item</w:t></w:r></w:p>" +
          DocxParagraph("Said", "Q") +
          "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>Name</w:t></w:r></w:p></"
          "w:tc><w:tc><w:p><w:r><w:t>Age</w:t></w:r></w:p></w:tc></w:tr>"
          "<w:tr><w:tc><w:p><w:r><w:t>Ada</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>36</w:t></"
          "w:r></w:p></w:tc></w:tr></w:tbl>",
      "Annual report");
  const CollectedDocument document = ReadOneHere(docx, "a.docx");
  EXPECT_EQ(document.Outline(),
            "heading1 p1: The report\nheading1 p1: Part\nheading2 p1: Own style\nparagraph p1: "
            "Split run\n"
            "item2 p2: Item\nquote p2: Said\nrow p2: Name: Ada; Age: 36\n");
  EXPECT_EQ(document.start.title, "Annual report");
  EXPECT_EQ(document.info.author, "Ada");
  EXPECT_EQ(document.info.pages, 2u);
}

TEST(DocxTest, TakesItsFirstHeadingForATitle) {
  const CollectedDocument document =
      ReadOneHere(MakeDocx(DocxParagraph("The plan", "T") + DocxParagraph("Text")), "a.docx");
  EXPECT_EQ(document.start.title, "The plan");
  EXPECT_EQ(document.info.title, "The plan");
  EXPECT_EQ(ReadOneHere(MakeXlsx({{"A", "B"}}), "a.xlsx").info.title, "");
}

TEST(DocxTest, BadXmlIsCorrupt) {
  EXPECT_EQ(ReadOneHere(MakeDocx("<w:p><w:r>"), "a.docx").ErrorName(), "corrupt");
}

TEST(PptxTest, SlidesInTheOrderOfTheShow) {
  const std::string pptx = MakePptx({PptxShape("Welcome", "ctrTitle") + PptxShape("12", "sldNum"),
                                     PptxShape("Second", "title") + PptxShape("Point one", "")});
  const CollectedDocument document = ReadOneHere(pptx, "a.pptx");
  EXPECT_EQ(document.Outline(), "heading1 p1: Welcome\nheading2 p2: Second\nitem1 p2: Point one\n");
  EXPECT_EQ(document.info.pages, 2u);
}

TEST(XlsxTest, RowsUnderTheirHeader) {
  const CollectedDocument document =
      ReadOneHere(MakeXlsx({{"Name", "Age"}, {"Ada", "36"}}), "a.xlsx");
  EXPECT_EQ(document.Outline(), "heading2 p1: People\nrow p1: Name: Ada; Age: 36\n");
}

}  // namespace
}  // namespace tessera
