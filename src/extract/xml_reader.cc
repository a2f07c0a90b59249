// XML of no known kind: the text of its elements, a paragraph an element that holds text.

#include <string_view>

#include "extract/ascii.h"
#include "extract/readers.h"
#include "pugixml.hpp"

namespace tessera {
namespace {

/// Elements within running text do not part it; pugixml walks without recursion.
class TextWalk : public pugi::xml_tree_walker {
 public:
  explicit TextWalk(ReadJob& job) : job_(job) {}
  bool for_each(pugi::xml_node& node) override {
    if (node.type() != pugi::node_pcdata && node.type() != pugi::node_cdata) return !failure_;
    const pugi::xml_node parent = node.parent();
    const bool mixed = node.previous_sibling() || node.next_sibling();
    if (!mixed && parent != last_ && !in_mixed_) Flush();
    if (mixed && parent != mixed_parent_) {
      Flush();
      mixed_parent_ = parent;
    }
    in_mixed_ = mixed;
    last_ = parent;
    text_ += node.value();
    text_ += ' ';
    if (text_.size() >= job_.limits.block_bytes_max.count) Flush();
    return !failure_;
  }
  ExtractFailure Finish() {
    Flush();
    return failure_;
  }

 private:
  void Flush() {
    if (failure_) return;
    Block block;
    block.text.swap(text_);
    failure_ = job_.out.Add(std::move(block));
  }
  ReadJob& job_;
  ExtractFailure failure_;
  std::string text_;
  pugi::xml_node last_;
  pugi::xml_node mixed_parent_;
  bool in_mixed_ = false;
};

}  // namespace

ExtractFailure ReadXml(const InputFile& file, DocumentInfo& info, ReadJob& job) {
  std::string bytes;
  if (ExtractFailure failure = file.ReadAll(job.limits.tree_bytes_max.count, bytes)) return failure;
  pugi::xml_document tree;
  const pugi::xml_parse_result result =
      tree.load_buffer(bytes.data(), bytes.size(), pugi::parse_cdata | pugi::parse_escapes);
  if (!result) {  // then it is a text like any other
    info.notes.push_back(
        StrCat("is not sound XML (", result.description(), "): read as plain text"));
    return ReadPlainText(file, info, job);
  }
  job.out.Start(info);
  TextWalk walk(job);
  tree.traverse(walk);
  return walk.Finish();
}

}  // namespace tessera
