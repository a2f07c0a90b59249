#include "extract/detect.h"

#include "extract/testing/collect.h"
#include "extract/testing/samples.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

Detection Detect(std::string_view bytes, const std::string& name) {
  return DetectFormat(InputFile::OfBytes(bytes, name));
}

std::string ErrorOf(std::string_view bytes, const std::string& name) {
  const Detection found = Detect(bytes, name);
  return found.failure ? std::string(ToString(found.failure->code)) : found.media_type;
}

TEST(DetectTest, ContentBeatsTheName) {
  const std::string pdf = MakePdf({.pages = {{{11, "Hello"}}}});
  EXPECT_EQ(Detect(pdf, "a.txt").format, FileFormat::kPdf);
  EXPECT_EQ(Detect(pdf, "a.txt").note, "named .txt but is a PDF");
  EXPECT_EQ(Detect(pdf, "a.pdf").note, "");
  EXPECT_EQ(Detect("junk\n" + pdf, "download").format, FileFormat::kPdf);
  EXPECT_EQ(Detect("A PDF begins with %PDF-1.4.\n", "a.txt").format, FileFormat::kText);
  EXPECT_EQ(Detect("<!DOCTYPE html><p>x", "a.txt").format, FileFormat::kHtml);
  EXPECT_EQ(Detect("<html><body>Not found", "a.csv").note, "named .csv but is an HTML page");
  EXPECT_EQ(Detect("<html><body>Not found", "a.pdf").note, "named .pdf but is an HTML page");
  EXPECT_EQ(Detect("<!-- c --><html><p>x", "download").format, FileFormat::kHtml);
  EXPECT_EQ(Detect("From: a@b\r\nSubject: x\r\n\r\nbody", "message").format, FileFormat::kMail);
  EXPECT_EQ(Detect("{\"a\": 1}\n", "data").format, FileFormat::kJson);
  EXPECT_EQ(Detect(MakeDocx(DocxParagraph("x")), "a.zip").format, FileFormat::kDocx);
  EXPECT_EQ(Detect(MakeZip({{"a.txt", "x"}}), "a.docx").format, FileFormat::kArchive);
}

TEST(DetectTest, TheNameDecidesBetweenTexts) {
  EXPECT_EQ(Detect("a,b\n1,2\n", "a.csv").format, FileFormat::kCsv);
  EXPECT_EQ(Detect("a,b\n1,2\n", "a.txt").format, FileFormat::kText);
  EXPECT_EQ(Detect("# Title\n", "README.md").format, FileFormat::kMarkdown);
  EXPECT_EQ(Detect("# comment\n", "a.py").format, FileFormat::kCode);
  EXPECT_EQ(Detect("{\"a\":1}\n{\"a\":2}\n", "a.jsonl").media_type, "application/x-ndjson");
  EXPECT_EQ(Detect("Just words: nothing else", "notes").format, FileFormat::kText);
}

TEST(DetectTest, WrongNamesAreClearErrors) {
  EXPECT_EQ(ErrorOf("just words, no PDF at all", "a.pdf"), "wrong_type");
  EXPECT_EQ(ErrorOf(std::string_view("\1\2\3\0binary", 10), "a.pdf"), "wrong_type");
  EXPECT_EQ(ErrorOf(std::string_view("\1\2\3\0binary", 10), "a.txt"), "wrong_type");
  EXPECT_EQ(ErrorOf(std::string_view("\1\2\3\0binary", 10), "blob"), "unsupported");
  EXPECT_EQ(ErrorOf("", "a.txt"), "no_text");
  EXPECT_EQ(ErrorOf(std::string_view("\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16), "a.png"), "unsupported");
  EXPECT_EQ(ErrorOf("{\\rtf1 hello}", "a.rtf"), "unsupported");
}

TEST(DetectTest, OldAndEncryptedOfficeFiles) {
  std::string ole = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1" + std::string(600, 'x');
  EXPECT_EQ(ErrorOf(ole, "a.doc"), "unsupported");
  for (const char c : std::string("EncryptedPackage")) {
    ole.push_back(c);
    ole.push_back('\0');
  }
  EXPECT_EQ(ErrorOf(ole, "a.docx"), "encrypted");
}

TEST(DetectTest, CutZipIsTruncated) {
  std::string zip = MakeZip({{"a.txt", std::string(100'000, 'x')}, {"b.txt", "hello"}});
  zip.resize(zip.size() - 60);
  EXPECT_EQ(ErrorOf(zip, "a.zip"), "truncated");
  EXPECT_EQ(ErrorOf(zip, "a.docx"), "truncated");
}

}  // namespace
}  // namespace tessera
