// Text formats: HTML, Markdown, tables, JSON, XML, mail.
#include "extract/testing/collect.h"
#include "extract/testing/samples.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

std::string Outline(std::string_view bytes, const std::string& name) {
  const CollectedDocument document = ReadOneHere(bytes, name);
  return document.Outline() + (document.error ? document.ErrorName() : "");
}

TEST(HtmlTest, StructureWithoutFurniture) {
  const CollectedDocument document = ReadOneHere(
      "<!DOCTYPE html><html lang=en><head><title>Page &amp; title</title><style>p{}</style>"
      "<meta name=author content=Ada></head><body><nav>Home | About</nav>"
      "<div class='sidebar'>Menu</div><h1>Main <i>title</i></h1><p>First\n paragraph.</p>"
      "<script>alert(1)</script><ul><li>one<li>two<ul><li>deep</ul></ul>"
      "<pre>if x:\n    y()</pre><blockquote><p>Said</p></blockquote>"
      "<p>A long enough text so that the furniture is not needed for the page to make sense; "
      "two hundred bytes are what it takes to be sure of that, so here are some more words.</p>"
      "<footer>Imprint</footer></body></html>",
      "a.html");
  EXPECT_EQ(document.info.title, "Page & title");
  EXPECT_EQ(document.info.author, "Ada");
  EXPECT_EQ(document.info.language, "en");
  EXPECT_TRUE(
      document.Outline().starts_with("heading1: Main title\n"
                                     "paragraph: First paragraph.\n"
                                     "item1: one\nitem1: two\nitem2: deep\n"
                                     "code: if x:\n    y()\n"
                                     "quote: Said\n"))
      << document.Outline();
  for (const char* furniture : {"Home", "Menu", "alert", "Imprint"}) {
    EXPECT_EQ(document.Text().find(furniture), std::string::npos) << furniture;
  }
}

TEST(HtmlTest, PageOfNavigationOnlyKeepsIt) {
  EXPECT_EQ(
      Outline("<html><body><div class=toc><a href=x>Chapter one</a></div></body></html>", "a.html"),
      "paragraph: Chapter one\n");
}

TEST(HtmlTest, TablesAndTerms) {
  EXPECT_EQ(Outline("<html><table><tr><th>Name<th>Age</tr><tr><td>Ada<td>36</tr></table>"
                    "<table><tr><td>a<td>b</tr></table>"
                    "<dl><dt>work_mem<dd><p>Memory of a sort.</p><p>More.</p><dt>alone</dl>",
                    "a.html"),
            "row: Name: Ada; Age: 36\nrow: a | b\n"
            "item1: work_mem: Memory of a sort.\nparagraph: More.\nitem1: alone\n");
}

TEST(HtmlTest, DeclaredEncodingIsBelieved) {
  const CollectedDocument document =
      ReadOneHere("<html><meta charset=windows-1251><p>\xCF\xF0\xE8\xE2\xE5\xF2</p>", "a.html");
  EXPECT_EQ(document.Text(), "Привет\n");
}

TEST(HtmlTest, DeepNestingDoesNotExhaustTheStack) {
  std::string html = "<html>";
  for (int i = 0; i < 5000; ++i) html += "<div><b>";
  EXPECT_EQ(Outline(html + "deep", "a.html"), "paragraph: deep\n");
}

TEST(MarkdownTest, Blocks) {
  EXPECT_EQ(
      Outline(
          "---\ntitle: \"Front\"\n---\n# One\nText with **bold** and [link](http://x).\nsame\n\n"
          "Two\n---\n- item `code`\n  - nested\n\n> quoted\n> more\n\n```py\ndef f():\n    "
          "pass\n```\n"
          "| A | B |\n|---|---|\n| 1 | 2 |\n\n<!-- gone -->\nsnake_case 2*3 \\*star\\*\n",
          "a.md"),
      "heading1: One\nparagraph: Text with bold and link. same\nheading2: Two\n"
      "item1: item code\nitem2: nested\nquote: quoted more\n"
      "code: def f():\n    pass\nrow: A: 1; B: 2\nparagraph: snake_case 2*3 *star*\n");
  EXPECT_EQ(ReadOneHere("---\ntitle: \"Front\"\n---\n# One\n", "a.md").start.title, "Front");
}

TEST(TableTest, QuotesSeparatorsAndMissingHeader) {
  EXPECT_EQ(Outline("name,note\n\"Lovelace, Ada\",\"said \"\"hi\"\"\ntwice\"\nBob,\n", "a.csv"),
            "row: name: Lovelace, Ada; note: said \"hi\" twice\nrow: name: Bob\n");
  EXPECT_EQ(Outline("Stadt;Einwohner\nKöln;1084831\n", "a.csv"),
            "row: Stadt: Köln; Einwohner: 1084831\n");
  EXPECT_EQ(Outline("1,2\n3,4\n", "a.csv"), "row: 1 | 2\nrow: 3 | 4\n");
  EXPECT_EQ(Outline("a\tb\nx\ty\n", "a.tsv"), "row: a: x; b: y\n");
}

TEST(TableTest, UnclosedQuoteCostsRowsNotMemory) {
  ExtractConfig limits;
  const CollectedDocument document =
      ReadOneHere("a,b\n1,\"" + std::string(3 << 20, 'x') + "\n2,3\n", "a.csv", limits);
  EXPECT_EQ(document.ErrorName(), "");
  EXPECT_GT(document.blocks.size(), 2u);
}

TEST(JsonTest, RecordsOfEveryForm) {
  const std::string rows = "row: name: Ada; address.city: London; tags: a, b\nrow: name: Bob\n";
  const std::string ada =
      R"({"name":"Ada","address":{"city":"London"},"tags":["a","b"],"no":null})";
  EXPECT_EQ(Outline("[" + ada + ", {\"name\":\"Bob\"}]", "a.json"), rows);
  EXPECT_EQ(Outline(ada + "\n{\"name\":\"Bob\"}\n", "a.jsonl"), rows);
  EXPECT_EQ(Outline(ada + "{\"name\":\"Bob\"}", "a.json"), rows);
  EXPECT_EQ(Outline(R"([{"a":"x]}\"[{"},1,"two"])", "a.json"),
            "row: a: x]}\"[{\nrow: 1\nrow: two\n");
}

TEST(JsonTest, LongTextsAreParagraphs) {
  const std::string text(1000, 'w');
  EXPECT_EQ(Outline("{\"id\":7,\"body\":\"" + text + "\"}", "a.json"),
            "row: id: 7\nparagraph: body: " + text + "\n");
}

TEST(JsonTest, BadInput) {
  EXPECT_EQ(ReadOneHere("{\"a\": [1, 2", "a.json").ErrorName(), "truncated");
  EXPECT_EQ(ReadOneHere("{'a': 1}", "a.json").ErrorName(), "corrupt");
  const CollectedDocument lines = ReadOneHere("{\"a\":1}\n{\"a\":\n{\"a\":3}\n", "a.jsonl");
  EXPECT_EQ(lines.Outline(), "row: a: 1\nrow: a: 3\n");
  ASSERT_EQ(lines.info.notes.size(), 1u);
  EXPECT_TRUE(lines.info.notes[0].starts_with("1 of 3 records left out")) << lines.info.notes[0];
}

TEST(XmlTest, TextOfElements) {
  EXPECT_EQ(
      Outline("<?xml version='1.0'?><book><title>Tiles</title><p>Some <b>bold</b> text.</p></book>",
              "a.xml"),
      "paragraph: Tiles\nparagraph: Some bold text.\n");
  EXPECT_EQ(ReadOneHere("<?xml version='1.0'?><a><b></a>", "a.xml").info.notes.size(), 1u);
}

constexpr std::string_view kMail =
    "From: Ada <ada@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?Caf=C3=A9?= plans\r\n"
    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=X\r\n\r\n"
    "--X\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
    "quoted-printable\r\n\r\n"
    "Let us meet at the caf=E9.\r\n> quoted line\r\n\r\n"
    "--X\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; "
    "filename=\"../list.csv\"\r\n\r\n"
    "item,price\r\ntea,3\r\n--X--\r\n";

TEST(MailTest, MessageAndAttachments) {
  const auto documents = ReadHere(kMail, "a.eml");
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(
      documents[0].Outline(),
      "heading1: Café plans\n"
      "row: From: Ada <ada@example.org>; To: bob@example.org; Date: 2026-11-23 10:00:00 +0000\n"
      "paragraph: Let us meet at the café.\nquote: quoted line\n");
  EXPECT_EQ(documents[0].info.title, "Café plans");
  EXPECT_EQ(documents[1].info.name, "a.eml/list.csv");
  EXPECT_EQ(documents[1].Outline(), "row: item: tea; price: 3\n");
}

TEST(MailTest, HtmlOnly) {
  const CollectedDocument document = ReadOneHere(
      "From: a@b.c\nSubject: News\nMIME-Version: 1.0\nContent-Type: "
      "text/html\n\n<h2>Hello</h2><p>World</p>",
      "a.eml");
  EXPECT_EQ(document.Outline(),
            "heading1: News\nrow: From: a@b.c\nheading2: Hello\nparagraph: World\n");
  EXPECT_EQ(document.info.title, "News");
}

}  // namespace
}  // namespace tessera
