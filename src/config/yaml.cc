#include "config/yaml.h"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

using Kind = YamlNode::Kind;

Mark ToMark(const YAML::Mark& mark) { return Mark{mark.line + 1, mark.column + 1}; }

// Thrown out of yaml-cpp's callbacks, the only way to stop it, and caught in ParseYaml.
struct Refused {
  Problem problem;
};

[[noreturn]] void Refuse(const YAML::Mark& mark, std::string message) {
  // tidy: yaml-cpp's parser can be left in no other way
  throw Refused{Problem{ToMark(mark), "", std::move(message)}};
}

// Builds the tree from yaml-cpp's events.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const YamlLimits& limits) : limits_(limits) {}

  YamlNodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Place(mark, Make(mark, Kind::kNull), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag != "?" && tag != "!" && !tag.empty())
      Refuse(mark, "tags such as \"" + tag.substr(0, 40) + "\" are not supported; leave it out");
    auto node = Make(mark, Kind::kScalar);
    node->scalar = value;
    node->quoted = tag == "!";
    Place(mark, std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end()) Refuse(mark, "an alias points into itself");
    Place(mark, it->second, 0);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, Kind::kList, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, Kind::kMap, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    std::shared_ptr<YamlNode> node;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    std::optional<std::pair<std::string, Mark>> key;  // of a map, waiting for its value
  };

  std::shared_ptr<YamlNode> Make(const YAML::Mark& mark, Kind kind) {
    auto node = std::make_shared<YamlNode>();
    node->kind = kind;
    node->mark = ToMark(mark);
    return node;
  }

  void Open(const YAML::Mark& mark, const std::string& tag, Kind kind, YAML::anchor_t anchor) {
    if (tag != "?" && tag != "!" && !tag.empty())
      Refuse(mark, "tags such as \"" + tag.substr(0, 40) + "\" are not supported; leave it out");
    if (stack_.size() >= static_cast<std::size_t>(limits_.depth))
      Refuse(mark, "nested deeper than " + std::to_string(limits_.depth) + " levels");
    stack_.push_back({Make(mark, kind), mark, anchor, std::nullopt});
  }

  void Close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    Place(frame.mark, std::move(frame.node), frame.anchor);
  }

  // Puts a finished node where it belongs: the root, a list, a map's key or its value.
  void Place(const YAML::Mark& mark, YamlNodePtr node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& top = stack_.back();
    if (top.node->kind == Kind::kList) {
      Grow(mark, *top.node, *node);
      top.node->items.push_back(std::move(node));
    } else if (!top.key) {
      if (node->kind != Kind::kScalar) Refuse(mark, "a key must be a plain word");
      if (node->scalar.size() > kKeyBytesMax) Refuse(mark, "a key is longer than 200 bytes");
      if (top.node->Find(node->scalar) != nullptr)
        Refuse(mark, "key \"" + node->scalar + "\" stands here twice");
      if (top.node->entries.size() >= kKeysMax) Refuse(mark, "more than 1000 keys in one map");
      top.key.emplace(node->scalar, ToMark(mark));
    } else {
      Grow(mark, *top.node, *node);
      top.node->entries.push_back({std::move(top.key->first), top.key->second, std::move(node)});
      top.key.reset();
    }
  }

  void Grow(const YAML::Mark& mark, YamlNode& parent, const YamlNode& child) {
    parent.weight += child.weight;
    if (parent.weight > limits_.nodes)
      Refuse(mark, "more than " + std::to_string(limits_.nodes) + " values (aliases counted)");
  }

  static constexpr std::size_t kKeysMax = 1000;  // Find is linear
  static constexpr std::size_t kKeyBytesMax = 200;

  const YamlLimits& limits_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, YamlNodePtr> anchors_;
  YamlNodePtr root_;
};

std::string LowerFirst(std::string text) {
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] += 'a' - 'A';
  return text;
}

// Which of a plain word's characters mean nothing to YAML, wherever they stand in a flow.
bool IsPlainWord(std::string_view text) {
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-' ||
           c == '/' || c == '+';
  });
}

bool IsNumber(const std::string& text) {
  double number = 0;
  return absl::SimpleAtod(text, &number);
}

void AppendLine(const YamlNode& node, std::string& out) {
  switch (node.kind) {
    case Kind::kNull:
      out += "null";
      return;
    case Kind::kScalar:
      if (!node.quoted && (IsPlainWord(node.scalar) || IsNumber(node.scalar)))
        out += node.scalar;
      else
        AppendJsonString(out, node.scalar);
      return;
    case Kind::kList:
      out += '[';
      for (std::size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ", ";
        AppendLine(*node.items[i], out);
      }
      out += ']';
      return;
    case Kind::kMap:
      out += '{';
      for (std::size_t i = 0; i < node.entries.size(); ++i) {
        if (i > 0) out += ", ";
        AppendJsonString(out, node.entries[i].key);
        out += ": ";
        AppendLine(*node.entries[i].value, out);
      }
      out += '}';
      return;
  }
}

}  // namespace

const YamlNode::Entry* YamlNode::Find(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

std::string FormatProblems(std::string_view file, std::vector<Problem> problems) {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.mark.line, a.mark.column) < std::pair(b.mark.line, b.mark.column);
  });
  std::string out;
  for (const Problem& problem : problems) {
    StrAppend(&out, out.empty() ? "" : "\n", file, ":", problem.mark.line, ":", problem.mark.column,
              ": ", problem.path, problem.path.empty() ? "" : ": ", problem.message);
  }
  return out;
}

YamlNodePtr ParseYaml(std::string_view text, std::vector<Problem>& problems,
                      const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    problems.push_back({{}, "", StrCat("larger than ", limits.bytes, " bytes")});
    return nullptr;
  }
  if (const auto nul = text.find('\0'); nul != text.npos) {
    const auto line = static_cast<int>(std::count(text.begin(), text.begin() + nul, '\n')) + 1;
    problems.push_back({{line, 1}, "", "holds a NUL byte: this is no YAML text"});
    return nullptr;
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder(limits);
    if (!parser.HandleNextDocument(builder) || builder.root() == nullptr ||
        builder.root()->kind == Kind::kNull) {
      auto empty = std::make_shared<YamlNode>();
      empty->kind = Kind::kMap;
      return empty;
    }
    TreeBuilder rest(limits);
    if (parser.HandleNextDocument(rest)) {
      problems.push_back(
          {rest.root() ? rest.root()->mark : Mark{}, "", "a second document; write only one"});
      return nullptr;
    }
    return builder.root();
  } catch (Refused& refused) {
    problems.push_back(std::move(refused.problem));
  } catch (const YAML::Exception& error) {
    problems.push_back({ToMark(error.mark), "", "not valid YAML: " + LowerFirst(error.msg)});
  } catch (const std::exception& error) {
    problems.push_back({{}, "", StrCat("not valid YAML: ", error.what())});
  }
  return nullptr;
}

std::string YamlLine(const YamlNode& node) {
  std::string out;
  AppendLine(node, out);
  return out;
}

}  // namespace tessera
