#include "edge/proxy/json_tree.h"

#include <algorithm>
#include <map>

#include "absl/strings/numbers.h"
#include "base/str.h"

namespace tessera {
namespace {

std::optional<std::size_t> Index(std::string_view segment) {
  std::uint32_t index = 0;
  const bool fits = !segment.empty() && segment.size() < 7 &&
                    (segment == "0" || segment.front() != '0') &&
                    absl::SimpleAtoi(AbslView(segment), &index);
  return fits ? std::optional<std::size_t>(index) : std::nullopt;
}

std::string Escape(std::string_view name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '~') {
      escaped.append("~0");
    } else if (c == '/') {
      escaped.append("~1");
    } else {
      escaped.push_back(c);
    }
  }
  return escaped;
}

void Find(const JsonTree& at, const std::vector<std::string>& segments, std::size_t depth,
          std::vector<std::size_t>& indexes, std::vector<JsonPath::Found>& found) {
  if (depth == segments.size()) {
    found.push_back({&at, indexes});
    return;
  }
  const std::string& segment = segments[depth];
  if (at.kind == JsonTree::Kind::kObject) {
    if (const JsonTree* member = at.Member(segment))
      Find(*member, segments, depth + 1, indexes, found);
  } else if (at.kind == JsonTree::Kind::kArray && segment == "*") {
    for (std::size_t i = 0; i < at.elements.size(); ++i) {
      indexes.push_back(i);
      Find(at.elements[i], segments, depth + 1, indexes, found);
      indexes.pop_back();
    }
  } else if (at.kind == JsonTree::Kind::kArray) {
    const auto index = Index(segment);
    if (index && *index < at.elements.size())
      Find(at.elements[*index], segments, depth + 1, indexes, found);
  }
}

void RemoveBelow(JsonTree& at, const std::vector<std::string>& segments, std::size_t depth) {
  const std::string& segment = segments[depth];
  const bool last = depth + 1 == segments.size();
  if (at.kind == JsonTree::Kind::kObject) {
    const auto member = std::find_if(at.members.begin(), at.members.end(),
                                     [&](const auto& one) { return one.first == segment; });
    if (member == at.members.end()) return;
    if (last) {
      at.members.erase(member);
    } else {
      RemoveBelow(member->second, segments, depth + 1);
    }
    return;
  }
  if (at.kind != JsonTree::Kind::kArray) return;
  if (segment == "*") {
    if (last) at.elements.clear();
    for (JsonTree& element : at.elements) RemoveBelow(element, segments, depth + 1);
    return;
  }
  const auto index = Index(segment);
  if (!index || *index >= at.elements.size()) return;
  if (last) {
    at.elements.erase(at.elements.begin() + static_cast<std::ptrdiff_t>(*index));
  } else {
    RemoveBelow(at.elements[*index], segments, depth + 1);
  }
}

/// By name; the first of those that are called the same.
using Members = std::map<std::string_view, const JsonTree*>;

Members MembersOf(const JsonTree& object) {
  Members members;
  for (const JsonMember& member : object.members) members.emplace(member.first, &member.second);
  return members;
}

// False: an object is larger than anything that we reshape or compare.
bool Build(const JsonValue& value, JsonTree& tree) {
  tree.kind = value.kind();
  bool fits = true;
  switch (tree.kind) {
    case JsonTree::Kind::kString:
      tree.text = *value.AsString();
      break;
    case JsonTree::Kind::kArray:
      for (const JsonValue& element : value.Elements())
        fits = fits && Build(element, tree.elements.emplace_back());
      break;
    case JsonTree::Kind::kObject:
      for (const auto& [name, member] : value.Members()) {
        tree.members.push_back({std::string(name), JsonTree()});
        fits = fits && Build(member, tree.members.back().second);
      }
      fits = fits && tree.members.size() <= JsonTree::kMembersMax;
      break;
    default:
      tree.text = value.ToJson();
  }
  return fits;
}

void Compare(const JsonTree& a, const JsonTree& b, const std::string& path, std::size_t max,
             std::vector<std::string>& found) {
  if (found.size() >= max) return;
  if (a.kind == JsonTree::Kind::kObject && b.kind == a.kind) {
    const Members ours = MembersOf(a);
    const Members others = MembersOf(b);
    for (const auto& [name, value] : ours) {
      const std::string at = StrCat(path, "/", Escape(name));
      const auto other = others.find(name);
      if (other == others.end()) {
        found.push_back(at);
      } else {
        Compare(*value, *other->second, at, max, found);
      }
      if (found.size() >= max) return;
    }
    for (const auto& [name, value] : others) {
      if (found.size() >= max) return;
      if (!ours.contains(name)) found.push_back(StrCat(path, "/", Escape(name)));
    }
  } else if (a.kind == JsonTree::Kind::kArray && b.kind == a.kind &&
             a.elements.size() == b.elements.size()) {
    for (std::size_t i = 0; i < a.elements.size(); ++i)
      Compare(a.elements[i], b.elements[i], StrCat(path, "/", i), max, found);
  } else if (!(a == b)) {
    found.push_back(path);
  }
}

}  // namespace

Result<JsonTree> JsonTree::Parse(std::string json) {
  TRY(const JsonDocument document, JsonDocument::Parse(std::move(json)));
  JsonTree tree;
  if (!Build(document.root(), tree))
    return absl::InvalidArgumentError(StrCat("an object has more than ", kMembersMax, " members"));
  return tree;
}

void JsonTree::Write(JsonWriter& json) const {
  switch (kind) {
    case Kind::kString:
      json.Value(text);
      return;
    case Kind::kArray:
      json.BeginArray();
      for (const JsonTree& element : elements) element.Write(json);
      json.EndArray();
      return;
    case Kind::kObject:
      json.BeginObject();
      for (const auto& [name, member] : members) {
        json.Key(name);
        member.Write(json);
      }
      json.EndObject();
      return;
    case Kind::kNull:
      json.Null();
      return;
    default:
      json.Raw(text);
  }
}

std::string JsonTree::ToJson() const {
  JsonWriter json;
  Write(json);
  return json.Take();
}

const JsonTree* JsonTree::Member(std::string_view name) const {
  for (const auto& [held, member] : members) {
    if (held == name) return &member;
  }
  return nullptr;
}

bool JsonTree::operator==(const JsonTree& other) const {
  if (kind != other.kind) return false;
  if (kind == Kind::kNumber && text != other.text) {
    double mine = 0, others = 0;
    return absl::SimpleAtod(text, &mine) && absl::SimpleAtod(other.text, &others) && mine == others;
  }
  if (kind == Kind::kArray) return elements == other.elements;
  if (kind != Kind::kObject) return kind == Kind::kNull || text == other.text;
  return Differences(*this, other, 1).empty();
}

Result<JsonPath> JsonPath::Parse(std::string_view text) {
  JsonPath path;
  if (text.empty()) return path;
  if (text.front() != '/')
    return absl::InvalidArgumentError(
        StrCat("\"", text.substr(0, 80), "\" is no JSON pointer: it must begin with \"/\""));
  text.remove_prefix(1);
  while (true) {
    const std::size_t end = std::min(text.find('/'), text.size());
    std::string segment;
    for (std::size_t i = 0; i < end; ++i) {
      const bool escape = text[i] == '~' && i + 1 < end;
      segment.push_back(!escape ? text[i] : text[++i] == '1' ? '/' : '~');
    }
    path.segments_.push_back(std::move(segment));
    if (end == text.size()) return path;
    text.remove_prefix(end + 1);
  }
}

std::size_t JsonPath::stars() const {
  return static_cast<std::size_t>(std::count(segments_.begin(), segments_.end(), "*"));
}

std::vector<JsonPath::Found> JsonPath::FindAll(const JsonTree& root) const {
  std::vector<Found> found;
  std::vector<std::size_t> indexes;
  Find(root, segments_, 0, indexes, found);
  return found;
}

bool JsonPath::Set(JsonTree& root, const std::vector<std::size_t>& indexes, JsonTree value) const {
  JsonTree* at = &root;
  std::size_t star = 0;
  for (const std::string& segment : segments_) {
    const bool fresh = at->kind == JsonTree::Kind::kNull;
    auto index = Index(segment);
    if (segment == "*") {
      if (star >= indexes.size()) return false;
      index = indexes[star++];
      if (fresh) at->kind = JsonTree::Kind::kArray;
    } else if (fresh) {
      at->kind = JsonTree::Kind::kObject;
    }
    if (at->kind == JsonTree::Kind::kArray && index && *index < kElementsMax) {
      if (at->elements.size() <= *index) at->elements.resize(*index + 1);
      at = &at->elements[*index];
    } else if (at->kind == JsonTree::Kind::kObject && segment != "*") {
      const auto member = std::find_if(at->members.begin(), at->members.end(),
                                       [&](const auto& one) { return one.first == segment; });
      at = member != at->members.end()
               ? &member->second
               : &at->members.emplace_back(JsonMember{segment, JsonTree()}).second;
    } else {
      return false;
    }
  }
  *at = std::move(value);
  return true;
}

void JsonPath::Remove(JsonTree& root) const {
  if (segments_.empty()) {
    root = JsonTree();
  } else {
    RemoveBelow(root, segments_, 0);
  }
}

std::vector<std::string> Differences(const JsonTree& a, const JsonTree& b, std::size_t max) {
  std::vector<std::string> found;
  Compare(a, b, "", max, found);
  return found;
}

}  // namespace tessera
