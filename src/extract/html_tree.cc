#include "extract/html_tree.h"

#include <algorithm>
#include <new>
#include <vector>

#include <gumbo.h>

namespace tessera {
namespace {

/// Memory in blocks, given back all at once. Gumbo frees little on its way, so nothing is reused.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  ~Arena() {
    for (void* block : blocks_) ::operator delete(block);
  }

  void* Take(std::size_t size) {
    size = (size + 15) & ~std::size_t{15};
    if (size > left_) {
      const std::size_t block = std::max<std::size_t>(size, kBlockBytes);
      next_ = static_cast<char*>(::operator new(block));
      blocks_.push_back(next_);
      left_ = block;
    }
    void* taken = next_;
    next_ += size;
    left_ -= size;
    return taken;
  }

 private:
  static constexpr std::size_t kBlockBytes = 256u << 10;
  std::vector<void*> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

const GumboNode* Gumbo(const void* node) { return static_cast<const GumboNode*>(node); }

bool IsElement(const GumboNode* node) {
  return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE;
}

}  // namespace

class HtmlTree::Parsed {
 public:
  explicit Parsed(const std::string& html) {
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = [](void* arena, std::size_t size) {
      return static_cast<Arena*>(arena)->Take(size);
    };
    options.deallocator = [](void*, void*) {};
    options.userdata = &arena_;
    options.max_errors = 0;
    output_ = gumbo_parse_with_options(&options, html.data(), html.size());
  }
  const GumboNode* root() const { return output_->root; }

 private:
  Arena arena_;
  GumboOutput* output_;  // lives in the arena
};

HtmlTree::HtmlTree(const std::string& html) : parsed_(std::make_unique<Parsed>(html)) {}
HtmlTree::~HtmlTree() = default;
HtmlTree::Node HtmlTree::Root() const { return Node(parsed_->root()); }

bool HtmlTree::Node::IsText() const {
  const GumboNodeType type = Gumbo(node_)->type;
  return type == GUMBO_NODE_TEXT || type == GUMBO_NODE_WHITESPACE || type == GUMBO_NODE_CDATA;
}

std::string_view HtmlTree::Node::Text() const { return Gumbo(node_)->v.text.text; }

std::string_view HtmlTree::Node::Tag() const {
  const GumboNode* node = Gumbo(node_);
  return IsElement(node) ? gumbo_normalized_tagname(node->v.element.tag) : "";
}

std::string_view HtmlTree::Node::Attribute(const char* name) const {
  const GumboNode* node = Gumbo(node_);
  if (!IsElement(node)) return {};
  const GumboAttribute* attribute = gumbo_get_attribute(&node->v.element.attributes, name);
  return attribute != nullptr ? attribute->value : std::string_view();
}

bool HtmlTree::Node::HasAttribute(const char* name) const {
  const GumboNode* node = Gumbo(node_);
  return IsElement(node) && gumbo_get_attribute(&node->v.element.attributes, name) != nullptr;
}

std::size_t HtmlTree::Node::ChildCount() const {
  const GumboNode* node = Gumbo(node_);
  return IsElement(node) ? node->v.element.children.length : 0;
}

HtmlTree::Node HtmlTree::Node::Child(std::size_t index) const {
  return Node(Gumbo(node_)->v.element.children.data[index]);
}

}  // namespace tessera
