#include "extract/testing/samples.h"

#include <archive.h>
#include <archive_entry.h>

#include "base/status.h"
#include "base/str.h"

namespace tessera {
namespace {

std::string Pack(const SampleFiles& files, bool zip, const std::string& password) {
  std::string out;
  std::size_t total = 4096;
  for (const auto& [name, bytes] : files) total += bytes.size() + 4 * name.size() + 4096;
  out.resize(total);
  archive* writer = archive_write_new();
  if (zip) {
    archive_write_set_format_zip(writer);
    if (!password.empty()) {
      archive_write_set_options(writer, "zip:encryption=aes256");
      archive_write_set_passphrase(writer, password.c_str());
    }
  } else {
    archive_write_set_format_pax_restricted(writer);
    archive_write_add_filter_gzip(writer);
  }
  archive_write_set_bytes_per_block(writer, 0);
  std::size_t used = 0;
  CHECK(archive_write_open_memory(writer, out.data(), out.size(), &used) == ARCHIVE_OK);
  for (const auto& [name, bytes] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname_utf8(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    CHECK(archive_write_header(writer, entry) == ARCHIVE_OK);
    CHECK(archive_write_data(writer, bytes.data(), bytes.size()) ==
          static_cast<la_ssize_t>(bytes.size()));
    archive_entry_free(entry);
  }
  CHECK(archive_write_close(writer) == ARCHIVE_OK);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

/// Collects a PDF's objects and their places.
class PdfWriter {
 public:
  int Add(std::string_view body) {
    places_.push_back(out_.size());
    const int number = static_cast<int>(places_.size());
    StrAppend(&out_, number, " 0 obj\n", body, "\nendobj\n");
    return number;
  }
  int AddStream(std::string_view dictionary, std::string_view bytes) {
    return Add(StrCat("<< ", dictionary, " /Length ", bytes.size(), " >>\nstream\n", bytes,
                      "\nendstream"));
  }
  /// The number that the n-th object from now will get.
  int Ahead(int n) const { return static_cast<int>(places_.size()) + n; }
  std::string Finish(std::string_view trailer) {
    const std::size_t xref = out_.size();
    StrAppend(&out_, "xref\n0 ", places_.size() + 1, "\n0000000000 65535 f \n");
    for (const std::size_t place : places_) {
      const std::string digits = StrCat(place);
      StrAppend(&out_, std::string(10 - digits.size(), '0'), digits, " 00000 n \n");
    }
    StrAppend(&out_, "trailer\n<< /Size ", places_.size() + 1, " ", trailer, " >>\nstartxref\n",
              xref, "\n%%EOF\n");
    return std::move(out_);
  }

 private:
  std::string out_ = "%PDF-1.4\n";
  std::vector<std::size_t> places_;
};

std::string PageContent(const SamplePage& page) {
  std::string content = "BT\n";
  double y = 780;
  for (const SampleLine& line : page) {
    y -= line.size * 1.5;
    std::string text;
    for (const char c : line.text) {
      if (c == '(' || c == ')' || c == '\\') text.push_back('\\');
      text.push_back(c);
    }
    StrAppend(&content, "/F1 ", line.size, " Tf 1 0 0 1 60 ", y, " Tm (", text, ") Tj\n");
  }
  return content + "ET";
}

constexpr std::string_view kXml = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>";

std::string CoreProperties(std::string_view title) {
  return StrCat(kXml, "<cp:coreProperties xmlns:cp=\"c\" xmlns:dc=\"d\"><dc:title>", title,
                "</dc:title><dc:creator>Ada</dc:creator></cp:coreProperties>");
}

}  // namespace

std::string MakeZip(const SampleFiles& files, const std::string& password) {
  return Pack(files, true, password);
}
std::string MakeTarGz(const SampleFiles& files) { return Pack(files, false, {}); }

std::string MakePdf(const SamplePdf& pdf) {
  PdfWriter writer;
  const int font = writer.Add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
  std::vector<int> pages;
  const int page_count = static_cast<int>(pdf.pages.size());
  const int tree = writer.Ahead(2 * page_count + (pdf.picture.empty() ? 0 : 3) + 1);
  const std::string page_start =
      StrCat("<< /Type /Page /Parent ", tree, " 0 R /MediaBox [0 0 595 842] ");
  for (const SamplePage& page : pdf.pages) {
    const int content = writer.AddStream("", PageContent(page));
    pages.push_back(writer.Add(StrCat(page_start, "/Resources << /Font << /F1 ", font,
                                      " 0 R >> >> /Contents ", content, " 0 R >>")));
  }
  if (!pdf.picture.empty()) {
    const int picture = writer.AddStream(
        StrCat("/Type /XObject /Subtype /Image /Width ", pdf.picture_width, " /Height ",
               pdf.picture_height, " /ColorSpace /DeviceGray /BitsPerComponent 8"),
        pdf.picture);
    const int content = writer.AddStream("", "q 595 0 0 842 0 0 cm /Im0 Do Q");
    pages.push_back(writer.Add(StrCat(page_start, "/Resources << /XObject << /Im0 ", picture,
                                      " 0 R >> >> /Contents ", content, " 0 R >>")));
  }
  std::string kids;
  for (const int page : pages) StrAppend(&kids, page, " 0 R ");
  writer.Add(StrCat("<< /Type /Pages /Kids [", kids, "] /Count ", pages.size(), " >>"));
  const int catalog = writer.Add(StrCat("<< /Type /Catalog /Pages ", tree, " 0 R >>"));
  const int info = writer.Add(StrCat("<< /Title (", pdf.title, ") /Author (Ada) >>"));
  std::string trailer = StrCat("/Root ", catalog, " 0 R /Info ", info, " 0 R");
  if (pdf.encrypted) {
    // Keys that the empty password does not fit: nobody without the password gets further.
    const std::string key(64, '5');
    const int encrypt = writer.Add(
        StrCat("<< /Filter /Standard /V 1 /R 2 /P -44 /O <", key, "> /U <", key, "> >>"));
    StrAppend(&trailer, " /Encrypt ", encrypt, " 0 R /ID [<01> <01>]");
  }
  return writer.Finish(trailer);
}

std::string DocxParagraph(std::string_view text, std::string_view style) {
  const std::string properties =
      style.empty() ? "" : StrCat("<w:pPr><w:pStyle w:val=\"", style, "\"/></w:pPr>");
  return StrCat("<w:p>", properties, "<w:r><w:t>", text, "</w:t></w:r></w:p>");
}

std::string MakeDocx(std::string_view body, std::string_view title) {
  return MakeZip(
      {{"[Content_Types].xml", StrCat(kXml, "<Types/>")},
       {"word/document.xml",
        StrCat(kXml, "<w:document xmlns:w=\"w\"><w:body>", body, "</w:body></w:document>")},
       {"word/styles.xml",
        StrCat(
            kXml,
            "<w:styles xmlns:w=\"w\"><w:style w:styleId=\"T\"><w:name w:val=\"Title\"/></w:style>"
            "<w:style w:styleId=\"H1\"><w:name w:val=\"heading 1\"/></w:style>"
            "<w:style w:styleId=\"H2\"><w:name w:val=\"heading 2\"/></w:style>"
            "<w:style w:styleId=\"Mine\"><w:name w:val=\"Mine\"/><w:basedOn "
            "w:val=\"H2\"/></w:style>"
            "<w:style w:styleId=\"Q\"><w:name w:val=\"Quote\"/></w:style></w:styles>")},
       {"docProps/core.xml", CoreProperties(title)}});
}

std::string PptxShape(std::string_view text, std::string_view placeholder) {
  const std::string type = placeholder.empty() ? "" : StrCat(" type=\"", placeholder, "\"");
  return StrCat("<p:sp><p:nvSpPr><p:nvPr><p:ph", type,
                "/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>", text,
                "</a:t></a:r></a:p></p:txBody></p:sp>");
}

std::string MakePptx(const std::vector<std::string>& slides) {
  SampleFiles files = {{"[Content_Types].xml", StrCat(kXml, "<Types/>")},
                       {"docProps/core.xml", CoreProperties("Slides")}};
  std::string list;
  std::string relations;
  for (std::size_t i = 0; i < slides.size(); ++i) {
    // The files' numbers run against the order of the show.
    const std::string name = StrCat("slides/slide", slides.size() - i, ".xml");
    StrAppend(&list, "<p:sldId id=\"", 256 + i, "\" r:id=\"rId", i, "\"/>");
    StrAppend(&relations, "<Relationship Id=\"rId", i, "\" Target=\"", name, "\"/>");
    files.emplace_back(StrCat("ppt/", name),
                       StrCat(kXml, "<p:sld xmlns:p=\"p\" xmlns:a=\"a\"><p:cSld><p:spTree>",
                              slides[i], "</p:spTree></p:cSld></p:sld>"));
  }
  files.emplace_back("ppt/presentation.xml",
                     StrCat(kXml, "<p:presentation xmlns:p=\"p\" xmlns:r=\"r\"><p:sldIdLst>", list,
                            "</p:sldIdLst></p:presentation>"));
  files.emplace_back("ppt/_rels/presentation.xml.rels",
                     StrCat(kXml, "<Relationships>", relations, "</Relationships>"));
  return MakeZip(files);
}

std::string MakeXlsx(const std::vector<std::vector<std::string>>& rows) {
  std::string strings;
  std::string data;
  int count = 0;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    data += "<row>";
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      const std::string reference = StrCat(std::string(1, static_cast<char>('A' + c)), r + 1);
      StrAppend(&data, "<c r=\"", reference, "\" t=\"s\"><v>", count++, "</v></c>");
      StrAppend(&strings, "<si><t>", rows[r][c], "</t></si>");
    }
    data += "</row>";
  }
  return MakeZip(
      {{"[Content_Types].xml", StrCat(kXml, "<Types/>")},
       {"xl/workbook.xml", StrCat(kXml,
                                  "<workbook xmlns:r=\"r\"><sheets><sheet name=\"People\" "
                                  "r:id=\"rId1\"/></sheets></workbook>")},
       {"xl/_rels/workbook.xml.rels", StrCat(kXml,
                                             "<Relationships><Relationship Id=\"rId1\" "
                                             "Target=\"worksheets/sheet1.xml\"/></Relationships>")},
       {"xl/sharedStrings.xml", StrCat(kXml, "<sst>", strings, "</sst>")},
       {"xl/worksheets/sheet1.xml",
        StrCat(kXml, "<worksheet><sheetData>", data, "</sheetData></worksheet>")}});
}

}  // namespace tessera
