#pragma once
// An HTML document as a tree (parsed by gumbo), seen without gumbo's header.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tessera {

/// A parsed page. All memory comes from one arena that goes at once, so that trees nested however
/// deep cannot exhaust the stack.
class HtmlTree {
 public:
  /// `html` must outlive the tree and be UTF-8.
  explicit HtmlTree(const std::string& html);
  ~HtmlTree();
  HtmlTree(const HtmlTree&) = delete;

  /// One node; cheap to copy, valid as long as its tree.
  class Node {
   public:
    explicit Node(const void* node = nullptr) : node_(node) {}
    bool valid() const { return node_ != nullptr; }
    bool operator==(const Node& other) const = default;
    bool IsText() const;
    /// Of a text node.
    std::string_view Text() const;
    /// The tag's name in lower case; empty for text nodes and tags that HTML does not know.
    std::string_view Tag() const;
    /// Empty where there is none.
    std::string_view Attribute(const char* name) const;
    bool HasAttribute(const char* name) const;
    std::size_t ChildCount() const;
    Node Child(std::size_t index) const;

   private:
    const void* node_;
  };

  Node Root() const;

 private:
  class Parsed;
  std::unique_ptr<Parsed> parsed_;
};

}  // namespace tessera
