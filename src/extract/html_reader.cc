// HTML: the page's own text with its structure, without navigation and scripts.

#include <algorithm>
#include <vector>

#include "extract/ascii.h"
#include "extract/html_boilerplate.h"
#include "extract/html_info.h"
#include "extract/html_roles.h"
#include "extract/html_tree.h"
#include "extract/readers.h"
#include "extract/table_rows.h"
#include "extract/text_reader.h"

namespace tessera {
namespace {

using Node = HtmlTree::Node;

constexpr std::size_t kCellBytesMax = 8u << 10;
constexpr std::size_t kCellsMax = 1024;

/// Walks the tree without recursion: every element is entered and left.
class PageWalk {
 public:
  PageWalk(ReadJob& job, bool strict) : job_(job), strict_(strict) {}

  ExtractFailure Run(Node start) {
    struct Step {
      Node node;
      std::size_t next;
    };
    std::vector<Step> path = {{start, 0}};
    Enter(start);
    while (!path.empty() && !failure_) {
      Step& step = path.back();
      if (step.next == step.node.ChildCount()) {
        Leave(step.node);
        path.pop_back();
        continue;
      }
      const Node child = step.node.Child(step.next++);
      if (child.IsText()) {
        text_.append(child.Text());
      } else if (!IsInvisibleHtml(child) && !(strict_ && IsHtmlFurniture(child))) {
        Enter(child);
        path.push_back({child, 0});
      }
    }
    Flush();
    SendTerm();
    return failure_;
  }

 private:
  void Enter(Node node) {
    const HtmlRole role = HtmlRoleOf(node.Tag());
    if (in_cell_ > 0) {
      EnterInCell(role);
      return;
    }
    switch (role) {
      case HtmlRole::kInline:
        return;
      case HtmlRole::kBreak:
        text_.push_back(code_ > 0 ? '\n' : ' ');
        return;
      case HtmlRole::kBlock:
        Flush();
        return;
      case HtmlRole::kHeading:
        Flush();
        kind_ = BlockKind::kHeading;
        level_ = static_cast<std::uint8_t>(node.Tag()[1] - '0');
        return;
      case HtmlRole::kList:
        Flush();
        ++list_depth_;
        return;
      case HtmlRole::kItem:
        Flush();
        item_open_ = true;
        return;
      case HtmlRole::kTerm:
      case HtmlRole::kDefinition:
        Flush();
        return;
      case HtmlRole::kQuote:
        Flush();
        ++quote_;
        return;
      case HtmlRole::kCode:
        Flush();
        ++code_;
        return;
      case HtmlRole::kTable:
        Flush();
        header_.clear();
        rows_ = 0;
        return;
      case HtmlRole::kRow:
        Flush();
        row_.clear();
        header_cells_ = 0;
        return;
      case HtmlRole::kCell:
        Flush();
        ++in_cell_;
        cell_is_header_ = node.Tag() == "th";
        return;
    }
  }

  /// Structure within a table's cell is only a word break.
  void EnterInCell(HtmlRole role) {
    if (role == HtmlRole::kCell) ++in_cell_;
    if (role != HtmlRole::kInline) text_.push_back(' ');
  }

  void Leave(Node node) {
    const HtmlRole role = HtmlRoleOf(node.Tag());
    if (in_cell_ > 0) {
      if (role == HtmlRole::kCell && --in_cell_ == 0) EndCell();
      if (role != HtmlRole::kInline && in_cell_ > 0) text_.push_back(' ');
      return;
    }
    switch (role) {
      case HtmlRole::kInline:
      case HtmlRole::kBreak:
      case HtmlRole::kCell:
        return;
      case HtmlRole::kTerm:
        EndTerm();
        return;
      case HtmlRole::kRow:
        EndRow();
        return;
      case HtmlRole::kTable:
        Flush();
        header_.clear();
        return;
      case HtmlRole::kBlock:
      case HtmlRole::kHeading:
      case HtmlRole::kItem:
      case HtmlRole::kDefinition:
        Flush();
        item_open_ = false;
        if (node.Tag() == "dl") SendTerm();
        return;
      case HtmlRole::kList:
        Flush();
        if (list_depth_ > 0) --list_depth_;
        return;
      case HtmlRole::kQuote:
        Flush();
        if (quote_ > 0) --quote_;
        return;
      case HtmlRole::kCode:
        Flush();
        if (code_ > 0) --code_;
        return;
    }
  }

  /// A term goes in front of its definition's first text; terms that share one are joined.
  void EndTerm() {
    const std::string term = CleanText(text_, TextShape::kFlow);
    text_.clear();
    if (term.empty() || term_.size() > 500) return;
    StrAppend(&term_, term_.empty() ? "" : ", ", term);
  }

  /// A term that no text of its own followed.
  void SendTerm() {
    if (!term_.empty()) Send(BlockKind::kListItem, 0, std::move(term_));
    term_.clear();
  }

  void EndCell() {
    text_.resize(Utf8Cut(text_, kCellBytesMax));
    if (row_.size() < kCellsMax) row_.push_back(CleanText(text_, TextShape::kFlow));
    header_cells_ += cell_is_header_;
    text_.clear();
  }

  void EndRow() {
    text_.clear();
    if (row_.empty()) return;
    if (rows_++ == 0 && row_.size() > 1 && header_cells_ == row_.size()) {
      header_ = std::move(row_);
    } else {
      Send(BlockKind::kTableRow, 0, RowText(header_, row_));
    }
    row_.clear();
  }

  void Flush() {
    if (TrimSpaces(text_).empty()) {
      text_.clear();
      if (kind_ == BlockKind::kHeading) kind_ = BlockKind::kParagraph;
      return;
    }
    BlockKind kind = kind_;
    if (code_ > 0) {
      kind = BlockKind::kCode;
    } else if (kind == BlockKind::kParagraph && (item_open_ || !term_.empty())) {
      kind = BlockKind::kListItem;
    } else if (kind == BlockKind::kParagraph && quote_ > 0) {
      kind = BlockKind::kQuote;
    }
    std::string text = std::move(text_);
    text_.clear();
    if (kind == BlockKind::kListItem && !term_.empty()) {
      text = StrCat(term_, EndsWith(term_, ":") ? " " : ": ", text);
      term_.clear();
    }
    SendTerm();
    item_open_ = false;
    Send(kind, kind == BlockKind::kHeading ? level_ : 0, std::move(text));
    kind_ = BlockKind::kParagraph;
  }

  void Send(BlockKind kind, std::uint8_t level, std::string text) {
    if (failure_) return;
    Block block;
    block.kind = kind;
    block.heading_level = level;
    if (kind == BlockKind::kListItem) {
      block.list_depth = static_cast<std::uint8_t>(std::clamp(list_depth_, 1, 15));
    }
    block.text = std::move(text);
    failure_ = job_.out.Add(std::move(block));
  }

  ReadJob& job_;
  bool strict_;  // leave furniture out
  ExtractFailure failure_;
  std::string text_;
  BlockKind kind_ = BlockKind::kParagraph;
  std::uint8_t level_ = 0;
  int list_depth_ = 0;
  int quote_ = 0;
  int code_ = 0;
  int in_cell_ = 0;
  bool item_open_ = false;
  bool cell_is_header_ = false;
  std::string term_;
  std::vector<std::string> row_;
  std::vector<std::string> header_;
  std::size_t header_cells_ = 0;
  std::size_t rows_ = 0;
};

/// Length of what a walk would send, to decide whether the strict one leaves enough.
std::size_t VisibleBytes(Node start, bool strict) {
  std::size_t bytes = 0;
  std::vector<Node> pending = {start};
  while (!pending.empty()) {
    const Node node = pending.back();
    pending.pop_back();
    if (node.IsText()) {
      bytes += TrimSpaces(node.Text()).size();
    } else if (node == start || (!IsInvisibleHtml(node) && !(strict && IsHtmlFurniture(node)))) {
      for (std::size_t i = 0; i < node.ChildCount(); ++i) pending.push_back(node.Child(i));
    }
  }
  return bytes;
}

}  // namespace

ExtractFailure ReadHtmlText(const std::string& html, DocumentInfo& info, ReadJob& job) {
  const HtmlTree tree(html);
  TakeHtmlInfo(tree.Root(), info);
  job.out.Start(info);
  const Node main = MainContent(tree.Root());
  // A page that is nothing but "navigation" (a contents page) keeps it.
  const std::size_t strict_bytes = VisibleBytes(main, true);
  const bool strict = strict_bytes >= 200 || strict_bytes * 10 >= VisibleBytes(main, false);
  return PageWalk(job, strict).Run(main);
}

ExtractFailure ReadHtml(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  std::string bytes;
  if (ExtractFailure failure = file.ReadAll(job.limits.tree_bytes_max.count, bytes)) return failure;
  std::string encoding = GuessEncoding(bytes, true);
  if (encoding.empty()) {
    return ExtractError{ExtractCode::kWrongType, "is named as HTML but is binary data"};
  }
  const std::string declared = DeclaredHtmlEncoding(bytes);
  if (encoding != "UTF-8" && encoding.rfind("UTF-", 0) != 0 && !declared.empty() &&
      declared != "UTF-8") {
    encoding = declared;  // better than a guess by statistics
  }
  info.metadata["encoding"] = encoding;
  return ReadHtmlText(DecodeText(bytes, encoding), info, job);
}

}  // namespace tessera
