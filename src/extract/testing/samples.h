#pragma once
// Sample files made on the spot: no third-party document lies in this repository.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

using SampleFiles = std::vector<std::pair<std::string, std::string>>;

/// A ZIP of the files; with a password when one is given (its entries are then encrypted).
std::string MakeZip(const SampleFiles& files, const std::string& password = {});
std::string MakeTarGz(const SampleFiles& files);

/// One line of a PDF's page: its size in points and its text (ASCII).
struct SampleLine {
  int size = 11;
  std::string text;
};
using SamplePage = std::vector<SampleLine>;

struct SamplePdf {
  std::vector<SamplePage> pages;
  std::string title;
  bool encrypted = false;  ///< with a user's password
  /// A grey picture (width × height bytes) on an extra last page.
  std::string picture;
  int picture_width = 0;
  int picture_height = 0;
};
std::string MakePdf(const SamplePdf& pdf);

/// A DOCX whose body is the given WordprocessingML.
std::string MakeDocx(std::string_view body, std::string_view title = "");
/// A PPTX with a slide of the given shapes (PresentationML) each.
std::string MakePptx(const std::vector<std::string>& slides);
/// An XLSX with one sheet of the given rows.
std::string MakeXlsx(const std::vector<std::vector<std::string>>& rows);

/// Shorthand for the above: a paragraph of a style; a slide's shape of a placeholder type.
std::string DocxParagraph(std::string_view text, std::string_view style = "");
std::string PptxShape(std::string_view text, std::string_view placeholder);

}  // namespace tessera
