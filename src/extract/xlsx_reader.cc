// XLSX: sheet by sheet; a sheet is a page, its name a heading, its rows "header: value".

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "extract/ascii.h"
#include "extract/office_xml.h"
#include "extract/readers.h"
#include "extract/table_rows.h"

namespace tessera {
namespace {

constexpr std::size_t kColumnsMax = 1024;

bool IsWanted(std::string_view name) {
  return name == "xl/workbook.xml" || name == "xl/_rels/workbook.xml.rels" ||
         name == "xl/sharedStrings.xml" || name == "docProps/core.xml" ||
         (name.starts_with("xl/worksheets/") && name.ends_with(".xml"));
}

/// The text of a string item: plain, or in runs (phonetic hints left out).
std::string ItemText(const pugi::xml_node& item) {
  std::string text;
  for (const pugi::xml_node& child : item.children()) {
    if (LocalName(child) == "t") text += child.child_value();
    if (LocalName(child) == "r") text += LocalChild(child, "t").child_value();
  }
  return text;
}

std::vector<std::string> SharedStrings(OfficeParts& parts) {
  std::vector<std::string> strings;
  pugi::xml_document tree;
  if (!parts.Has("xl/sharedStrings.xml") || parts.Parse("xl/sharedStrings.xml", tree))
    return strings;
  for (const pugi::xml_node& item : tree.document_element().children()) {
    strings.push_back(ItemText(item));
  }
  return strings;
}

/// The column of a cell's reference: "C7" is 2; npos where there is none.
std::size_t Column(std::string_view reference) {
  std::size_t column = 0;
  std::size_t i = 0;
  for (; i < reference.size() && i < 4 && reference[i] >= 'A' && reference[i] <= 'Z'; ++i) {
    column = column * 26 + static_cast<std::size_t>(reference[i] - 'A' + 1);
  }
  return i == 0 ? std::string_view::npos : column - 1;
}

std::string CellText(const pugi::xml_node& cell, const std::vector<std::string>& strings) {
  const std::string_view type = LocalAttribute(cell, "t");
  if (type == "inlineStr") return ItemText(LocalChild(cell, "is"));
  std::string value = LocalChild(cell, "v").child_value();
  if (type == "s") {
    std::size_t index = 0;
    return absl::SimpleAtoi(value, &index) && index < strings.size() ? strings[index] : "";
  }
  if (type == "b") return value == "1" ? "true" : "false";
  return value;
}

ExtractFailure ReadSheet(const pugi::xml_node& sheet, const std::vector<std::string>& strings,
                         std::uint32_t page, ReadJob& job) {
  std::vector<std::string> header;
  bool first = true;
  const pugi::xml_node data = LocalChild(sheet, "sheetData");
  for (const pugi::xml_node& row : data.children()) {
    std::vector<std::string> cells;
    for (const pugi::xml_node& cell : row.children()) {
      std::size_t column = Column(LocalAttribute(cell, "r"));
      if (column == std::string_view::npos) column = cells.size();
      if (column >= kColumnsMax) continue;
      if (cells.size() <= column) cells.resize(column + 1);
      cells[column] = CellText(cell, strings);
    }
    const bool empty =
        std::all_of(cells.begin(), cells.end(), [](const auto& c) { return c.empty(); });
    if (empty) continue;
    if (std::exchange(first, false) && LooksLikeHeader(cells)) {
      header = std::move(cells);
      continue;
    }
    Block block;
    block.kind = BlockKind::kTableRow;
    block.page = page;
    block.text = RowText(header, cells);
    if (ExtractFailure failure = job.out.Add(std::move(block))) return failure;
  }
  return std::nullopt;
}

}  // namespace

ExtractFailure ReadXlsx(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  OfficeParts parts;
  if (ExtractFailure failure = parts.Open(file, IsWanted, job)) return failure;
  parts.TakeCore(info);
  const auto targets = parts.Relations("xl/workbook.xml");
  pugi::xml_document workbook;
  if (ExtractFailure failure = parts.Parse("xl/workbook.xml", workbook)) return failure;
  const std::vector<std::string> strings = SharedStrings(parts);
  job.out.Start(info);
  const pugi::xml_node sheets = LocalChild(workbook.document_element(), "sheets");
  for (const pugi::xml_node& sheet : sheets.children()) {
    const auto target = targets.find(std::string(LocalAttribute(sheet, "id")));
    if (target == targets.end() || !parts.Has(target->second)) continue;
    pugi::xml_document tree;
    if (ExtractFailure failure = parts.Parse(target->second, tree)) return failure;
    ++info.pages;
    Block heading;
    heading.kind = BlockKind::kHeading;
    heading.heading_level = 2;
    heading.page = info.pages;
    heading.text = std::string(LocalAttribute(sheet, "name"));
    if (ExtractFailure failure = job.out.Add(std::move(heading))) return failure;
    if (ExtractFailure failure = ReadSheet(tree.document_element(), strings, info.pages, job)) {
      return failure;
    }
  }
  return std::nullopt;
}

}  // namespace tessera
