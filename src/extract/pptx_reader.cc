// PPTX: slide by slide; a slide is a page, its title a heading.

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "extract/ascii.h"
#include "extract/office_xml.h"
#include "extract/readers.h"
#include "extract/table_rows.h"

namespace tessera {
namespace {

constexpr int kDepthMax = 100;

bool IsWanted(std::string_view name) {
  const bool xml = name.ends_with(".xml") || name.ends_with(".rels");
  return xml && (name.starts_with("ppt/slides/") || name.starts_with("ppt/notesSlides/") ||
                 name == "ppt/presentation.xml" || name == "ppt/_rels/presentation.xml.rels" ||
                 name == "docProps/core.xml");
}

std::string ParagraphText(const pugi::xml_node& paragraph) {
  std::string text;
  for (const pugi::xml_node& run : paragraph.children()) {
    const std::string_view name = LocalName(run);
    if (name == "r" || name == "fld") text += LocalChild(run, "t").child_value();
    if (name == "br") text += ' ';
  }
  return text;
}

class SlideWalk {
 public:
  SlideWalk(ReadJob& job, std::uint32_t page) : job_(job), page_(page) {}

  /// All shapes below `node` in order.
  ExtractFailure Shapes(const pugi::xml_node& node, int depth) {
    if (depth > kDepthMax) return std::nullopt;
    for (const pugi::xml_node& child : node.children()) {
      const std::string_view name = LocalName(child);
      ExtractFailure failure;
      if (name == "sp") {
        failure = Shape(child);
      } else if (name == "tbl") {
        failure = Table(child);
      } else if (name != "Fallback") {
        failure = Shapes(child, depth + 1);
      }
      if (failure) return failure;
    }
    return std::nullopt;
  }

  void set_notes() { notes_ = true; }

 private:
  ExtractFailure Shape(const pugi::xml_node& shape) {
    const pugi::xml_node kind = LocalChild(LocalChild(LocalChild(shape, "nvSpPr"), "nvPr"), "ph");
    const std::string_view type = LocalAttribute(kind, "type");
    if (type == "sldNum" || type == "dt" || type == "ftr" || type == "hdr") return std::nullopt;
    if (notes_ && type != "body") return std::nullopt;  // the slide's own picture and title again
    const bool title = type == "title" || type == "ctrTitle";
    const pugi::xml_node body = LocalChild(shape, "txBody");
    for (const pugi::xml_node& paragraph : body.children()) {
      if (LocalName(paragraph) != "p") continue;
      Block block;
      block.page = page_;
      block.text = ParagraphText(paragraph);
      const pugi::xml_node properties = LocalChild(paragraph, "pPr");
      int level = 0;
      const bool nested = absl::SimpleAtoi(AbslView(LocalAttribute(properties, "lvl")), &level);
      if (title) {
        block.kind = BlockKind::kHeading;
        block.heading_level = type == "ctrTitle" ? 1 : 2;
      } else if (notes_) {
        block.kind = BlockKind::kParagraph;
      } else if (kind && (type.empty() || type == "body" || type == "obj")) {
        block.kind = BlockKind::kListItem;  // a slide's body is bullets unless it says otherwise
        block.list_depth = static_cast<std::uint8_t>(nested ? std::clamp(level + 1, 1, 15) : 1);
      }
      if (ExtractFailure failure = job_.out.Add(std::move(block))) return failure;
    }
    return std::nullopt;
  }

  ExtractFailure Table(const pugi::xml_node& table) {
    std::vector<std::string> header;
    bool first = true;
    for (const pugi::xml_node& row : table.children()) {
      if (LocalName(row) != "tr") continue;
      std::vector<std::string> cells;
      for (const pugi::xml_node& cell : row.children()) {
        if (LocalName(cell) != "tc" || cells.size() >= 256) continue;
        std::string text;
        const pugi::xml_node body = LocalChild(cell, "txBody");
        for (const pugi::xml_node& paragraph : body.children()) {
          if (LocalName(paragraph) == "p")
            StrAppend(&text, text.empty() ? "" : " ", ParagraphText(paragraph));
        }
        cells.push_back(CleanText(text, TextShape::kFlow));
      }
      if (std::exchange(first, false) && LooksLikeHeader(cells)) {
        header = std::move(cells);
        continue;
      }
      Block block;
      block.kind = BlockKind::kTableRow;
      block.page = page_;
      block.text = RowText(header, cells);
      if (ExtractFailure failure = job_.out.Add(std::move(block))) return failure;
    }
    return std::nullopt;
  }

  ReadJob& job_;
  std::uint32_t page_;
  bool notes_ = false;
};

/// The slides in the order in which they are shown.
std::vector<std::string> SlideNames(OfficeParts& parts, ExtractFailure& failure) {
  const auto targets = parts.Relations("ppt/presentation.xml");
  pugi::xml_document presentation;
  failure = parts.Parse("ppt/presentation.xml", presentation);
  std::vector<std::string> names;
  const pugi::xml_node list = LocalChild(presentation.document_element(), "sldIdLst");
  for (const pugi::xml_node& slide : list.children()) {
    for (const pugi::xml_attribute& attribute : slide.attributes()) {
      const auto found = targets.find(attribute.value());  // r:id; the plain id is a number
      if (found != targets.end() && names.size() < 10'000) names.push_back(found->second);
    }
  }
  return names;
}

}  // namespace

ExtractFailure ReadPptx(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  OfficeParts parts;
  if (ExtractFailure failure = parts.Open(file, IsWanted, job)) return failure;
  parts.TakeCore(info);
  if (info.title == "PowerPoint Presentation") info.title.clear();
  ExtractFailure failure;
  const std::vector<std::string> slides = SlideNames(parts, failure);
  if (failure) return failure;
  info.pages = static_cast<std::uint32_t>(slides.size());
  job.out.Start(info);
  for (std::uint32_t i = 0; i < slides.size(); ++i) {
    pugi::xml_document slide;
    if (!parts.Has(slides[i])) continue;  // listed twice
    if (ExtractFailure bad = parts.Parse(slides[i], slide)) return bad;
    SlideWalk walk(job, i + 1);
    if (ExtractFailure stop = walk.Shapes(slide.document_element(), 0)) return stop;
    for (const auto& [id, target] : parts.Relations(slides[i])) {
      pugi::xml_document notes;
      if (!target.starts_with("ppt/notesSlides/") || !parts.Has(target)) continue;
      if (parts.Parse(target, notes)) continue;
      SlideWalk note_walk(job, i + 1);
      note_walk.set_notes();
      if (ExtractFailure stop = note_walk.Shapes(notes.document_element(), 0)) return stop;
    }
  }
  return std::nullopt;
}

}  // namespace tessera
