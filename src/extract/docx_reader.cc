// DOCX: paragraphs by their styles, lists, tables, notes.

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "absl/strings/numbers.h"
#include "extract/ascii.h"
#include "extract/office_xml.h"
#include "extract/readers.h"
#include "extract/table_rows.h"

namespace tessera {
namespace {

constexpr int kDepthMax = 200;

bool IsWanted(std::string_view name) {
  return name == "word/document.xml" || name == "word/styles.xml" || name == "docProps/core.xml" ||
         name == "word/footnotes.xml" || name == "word/endnotes.xml";
}

/// What a paragraph style means to a reader.
struct Style {
  int heading = 0;  // 1 to 6; 7: the title
  bool list = false;
  bool quote = false;
  bool code = false;
};

using Styles = std::unordered_map<std::string, Style>;

int Int(std::string_view text, int fallback) {
  int value = 0;
  return absl::SimpleAtoi(AbslView(text), &value) ? value : fallback;
}

Style StyleByName(std::string_view name) {
  const std::string lower = ToLower(name);
  Style style;
  if (lower.starts_with("heading ")) style.heading = std::clamp(Int(lower.substr(8), 1), 1, 6);
  if (lower == "title") style.heading = 7;
  style.list = lower.starts_with("list");
  style.quote = Contains(lower, "quote");
  style.code = Contains(lower, "code") || Contains(lower, "preformatted");
  return style;
}

Styles ReadStyles(OfficeParts& parts) {
  Styles styles;
  pugi::xml_document tree;
  if (parts.Parse("word/styles.xml", tree)) return styles;
  std::unordered_map<std::string, std::string> based_on;
  for (const pugi::xml_node& node : tree.document_element().children()) {
    if (LocalName(node) != "style") continue;
    const std::string id(LocalAttribute(node, "styleId"));
    Style style = StyleByName(LocalAttribute(LocalChild(node, "name"), "val"));
    const pugi::xml_node properties = LocalChild(node, "pPr");
    const int outline = Int(LocalAttribute(LocalChild(properties, "outlineLvl"), "val"), 9);
    if (style.heading == 0 && outline < 6) style.heading = outline + 1;
    based_on[id] = std::string(LocalAttribute(LocalChild(node, "basedOn"), "val"));
    styles[id] = style;
  }
  for (auto& [id, style] : styles) {  // "My heading" based on "Heading 2" is a heading too
    std::string parent = based_on[id];
    for (int steps = 0; style.heading == 0 && steps < 10 && styles.contains(parent); ++steps) {
      if (styles[parent].heading < 7) style.heading = styles[parent].heading;
      style.list = style.list || styles[parent].list;
      parent = based_on[parent];
    }
  }
  return styles;
}

class DocumentWalk {
 public:
  DocumentWalk(ReadJob& job, const Styles& styles) : job_(job), styles_(styles) {}

  /// Paragraphs and tables below `node`, in order.
  ExtractFailure Blocks(const pugi::xml_node& node, int depth) {
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view name = LocalName(child);
      ExtractFailure failure;
      if (name == "p") {
        failure = Paragraph(child, depth);
      } else if (name == "tbl") {
        failure = Table(child, depth);
      } else if ((name == "sdt" || name == "sdtContent" || name == "ins" || name == "txbxContent" ||
                  name == "customXml" || name == "smartTag" || name == "footnote" ||
                  name == "endnote") &&
                 depth < kDepthMax) {
        failure = Blocks(child, depth + 1);
      }
      if (failure) return failure;
    }
    return std::nullopt;
  }

  bool counted_pages() const { return page_ > 1; }
  std::uint32_t page() const { return page_; }
  void CountPages() { paged_ = true; }

 private:
  struct Runs {
    std::string text;
    std::vector<pugi::xml_node> boxes;  // text boxes, which come after their paragraph
  };

  /// The text of a paragraph's runs: what was deleted, field codes and fall-backs left out.
  void Collect(const pugi::xml_node& node, int depth, Runs& runs) {
    if (depth > kDepthMax) return;
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view name = LocalName(child);
      if (name == "t") {
        runs.text += child.child_value();
      } else if (name == "tab" && LocalName(node) == "r") {
        runs.text += ' ';
      } else if (name == "br" || name == "cr") {
        if (LocalAttribute(child, "type") == "page") ++page_;
        runs.text += '\n';
      } else if (name == "noBreakHyphen") {
        runs.text += '-';
      } else if (name == "lastRenderedPageBreak") {
        ++page_;
      } else if (name == "txbxContent") {
        runs.boxes.push_back(child);
      } else if (name != "del" && name != "instrText" && name != "Fallback" && name != "pPr" &&
                 name != "rPr" && name != "moveFrom") {
        Collect(child, depth + 1, runs);
      }
    }
  }

  ExtractFailure Paragraph(const pugi::xml_node& node, int depth) {
    const pugi::xml_node properties = LocalChild(node, "pPr");
    const auto found =
        styles_.find(std::string(LocalAttribute(LocalChild(properties, "pStyle"), "val")));
    const Style style = found != styles_.end() ? found->second : Style{};
    const std::uint32_t page = page_;
    Runs runs;
    Collect(node, 0, runs);
    Block block;
    block.page = paged_ ? page : 0;
    const pugi::xml_node numbering = LocalChild(properties, "numPr");
    const int outline = Int(LocalAttribute(LocalChild(properties, "outlineLvl"), "val"), 9);
    if (style.heading > 0 || outline < 6) {
      block.kind = BlockKind::kHeading;
      const int level = style.heading == 7 ? 1 : style.heading > 0 ? style.heading : outline + 1;
      block.heading_level = static_cast<std::uint8_t>(level);
    } else if (numbering || style.list) {
      block.kind = BlockKind::kListItem;
      const int level = Int(LocalAttribute(LocalChild(numbering, "ilvl"), "val"), 0);
      block.list_depth = static_cast<std::uint8_t>(std::clamp(level + 1, 1, 15));
    } else if (style.code) {
      block.kind = BlockKind::kCode;
    } else if (style.quote) {
      block.kind = BlockKind::kQuote;
    }
    block.text = std::move(runs.text);
    if (ExtractFailure failure = job_.out.Add(std::move(block))) return failure;
    for (const pugi::xml_node& box : runs.boxes) {
      if (depth >= kDepthMax) break;
      if (ExtractFailure failure = Blocks(box, depth + 1)) return failure;
    }
    return std::nullopt;
  }

  ExtractFailure Table(const pugi::xml_node& table, int depth) {
    std::vector<std::string> header;
    bool first = true;
    for (const pugi::xml_node& row : table.children()) {
      if (LocalName(row) != "tr") continue;
      std::vector<std::string> cells;
      const std::uint32_t page = page_;
      for (const pugi::xml_node& cell : row.children()) {
        if (LocalName(cell) != "tc" || cells.size() >= 256) continue;
        Runs runs;
        CollectCell(cell, depth, runs);
        cells.push_back(CleanText(runs.text, TextShape::kFlow));
      }
      if (std::exchange(first, false) && LooksLikeHeader(cells)) {
        header = std::move(cells);
        continue;
      }
      Block block;
      block.kind = BlockKind::kTableRow;
      block.page = paged_ ? page : 0;
      block.text = RowText(header, cells);
      if (ExtractFailure failure = job_.out.Add(std::move(block))) return failure;
    }
    return std::nullopt;
  }

  void CollectCell(const pugi::xml_node& cell, int depth, Runs& runs) {
    for (const pugi::xml_node& child : cell.children()) {
      if (!runs.text.empty()) runs.text += ' ';
      Collect(child, depth, runs);
    }
  }

  ReadJob& job_;
  const Styles& styles_;
  std::uint32_t page_ = 1;
  bool paged_ = false;
};

/// Pages can be told only where the program that saved the file left marks of them.
bool HasPageMarks(const pugi::xml_document& tree) {
  struct Finder : pugi::xml_tree_walker {
    bool found = false;
    bool for_each(pugi::xml_node& node) override {
      found = LocalName(node) == "lastRenderedPageBreak";
      return !found;
    }
  };
  Finder finder;
  const_cast<pugi::xml_document&>(tree).traverse(finder);
  return finder.found;
}

}  // namespace

ExtractFailure ReadDocx(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  OfficeParts parts;
  if (ExtractFailure failure = parts.Open(file, IsWanted, job)) return failure;
  parts.TakeCore(info);
  const Styles styles = ReadStyles(parts);
  pugi::xml_document document;
  if (ExtractFailure failure = parts.Parse("word/document.xml", document)) return failure;
  job.out.Start(info);
  DocumentWalk walk(job, styles);
  if (HasPageMarks(document)) walk.CountPages();
  const pugi::xml_node body = LocalChild(document.document_element(), "body");
  if (ExtractFailure failure = walk.Blocks(body, 0)) return failure;
  if (walk.counted_pages()) info.pages = walk.page();
  for (const char* notes : {"word/footnotes.xml", "word/endnotes.xml"}) {
    pugi::xml_document tree;
    if (!parts.Has(notes) || parts.Parse(notes, tree)) continue;
    DocumentWalk note_walk(job, styles);
    if (ExtractFailure failure = note_walk.Blocks(tree.document_element(), 0)) return failure;
  }
  return std::nullopt;
}

}  // namespace tessera
