// The numbers of fields: https://github.com/google/pprof/blob/main/proto/profile.proto.
#include "profiling/profile_file.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/str.h"
#include "net/compress.h"
#include "profiling/modules.h"

namespace tessera {
namespace {

/// A message in protobuf's wire format.
class Wire {
 public:
  Wire& Number(int field, std::uint64_t value) {
    if (value == 0) return *this;
    Varint(static_cast<std::uint64_t>(field) << 3);
    Varint(value);
    return *this;
  }
  Wire& Number(int field, std::int64_t value) {
    return Number(field, static_cast<std::uint64_t>(value));
  }
  Wire& Bytes(int field, std::string_view bytes) {
    Varint(static_cast<std::uint64_t>(field) << 3 | 2);
    Varint(bytes.size());
    bytes_ += bytes;
    return *this;
  }
  Wire& Message(int field, const Wire& message) { return Bytes(field, message.bytes_); }
  void Varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class PprofWriter {
 public:
  explicit PprofWriter(v1::ProfileKind kind) : heap_(kind == v1::PROFILE_KIND_HEAP) {
    Text("");
    ModuleOf(std::string(kProgram));  // the first one names the whole
  }

  void Add(const v1::ProcessProfile& profile) {
    std::vector<std::uint64_t> places;
    for (const v1::ProfileFunction& function : profile.functions())
      places.push_back(PlaceOf(function));
    const Wire process = Label("process", profile.process());
    const Wire group = Label("group", profile.group());
    for (const v1::ProfileStack& stack : profile.stacks()) {
      Wire calls, values, sample;
      for (const std::uint32_t function : stack.functions()) {
        if (function < places.size()) calls.Varint(places[function]);
      }
      for (const std::int64_t value : stack.values())
        values.Varint(static_cast<std::uint64_t>(value));
      sample.Bytes(1, calls.bytes()).Bytes(2, values.bytes());
      sample.Message(3, process).Message(3, group).Message(3, Label("thread", stack.thread()));
      out_.Message(2, sample);
    }
    started_ms_ =
        started_ms_ == 0 ? profile.started_ms() : std::min(started_ms_, profile.started_ms());
    duration_ns_ = std::max(duration_ns_, profile.duration_ns());
    period_ = profile.period();
    if (profile.lost() + profile.cut() == 0) return;
    comments_.push_back(Text(StrCat(profile.process(), ": ", profile.lost(),
                                    " samples lost, outermost calls missing in ", profile.cut())));
  }

  std::string Finish() {
    if (heap_) {
      out_.Message(1, Type("alloc_objects", "count")).Message(1, Type("alloc_space", "bytes"));
      out_.Message(1, Type("inuse_objects", "count")).Message(1, Type("inuse_space", "bytes"));
      out_.Message(11, Type("space", "bytes")).Number(14, Text("inuse_space"));
    } else {
      out_.Message(1, Type("samples", "count")).Message(1, Type("cpu", "nanoseconds"));
      out_.Message(11, Type("cpu", "nanoseconds")).Number(14, Text("cpu"));
    }
    out_.Number(9, started_ms_ * 1'000'000).Number(10, duration_ns_).Number(12, period_);
    for (const std::uint64_t comment : comments_) out_.Number(13, comment);
    for (const std::string& text : texts_) out_.Bytes(6, text);
    return out_.bytes();
  }

 private:
  // Its place in the table of texts.
  std::uint64_t Text(const std::string& text) {
    const auto [at, first] = text_places_.try_emplace(text, texts_.size());
    if (first) texts_.push_back(text);
    return at->second;
  }
  Wire Type(const std::string& name, const std::string& unit) {
    Wire type;
    type.Number(1, Text(name)).Number(2, Text(unit));
    return type;
  }
  Wire Label(const std::string& key, const std::string& value) {
    Wire label;
    label.Number(1, Text(key)).Number(2, Text(value));
    return label;
  }
  // Functions are their own places: addresses would tell where the program lies in memory.
  std::uint64_t PlaceOf(const v1::ProfileFunction& function) {
    const auto [at, first] =
        places_.try_emplace({function.name(), function.module()}, places_.size() + 1);
    if (!first) return at->second;
    const std::uint64_t place = at->second;
    Wire about, line, location;
    about.Number(1, place).Number(2, Text(function.name())).Number(3, Text(function.name()));
    out_.Message(5, about);
    line.Number(1, place);
    location.Number(1, place).Number(2, ModuleOf(function.module())).Message(4, line);
    out_.Message(4, location);
    return place;
  }
  std::uint64_t ModuleOf(const std::string& name) {
    if (name.empty()) return 0;
    const auto [at, first] = modules_.try_emplace(name, modules_.size() + 1);
    if (!first) return at->second;
    Wire module;
    module.Number(1, std::uint64_t{at->second}).Number(5, Text(name)).Number(7, std::uint64_t{1});
    out_.Message(3, module);
    return at->second;
  }

  const bool heap_;
  Wire out_;
  std::vector<std::string> texts_;
  std::unordered_map<std::string, std::uint64_t> text_places_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> places_;
  std::map<std::string, std::uint64_t> modules_;
  std::vector<std::uint64_t> comments_;
  std::int64_t started_ms_ = 0, duration_ns_ = 0, period_ = 0;
};

std::string Collapsed(const std::vector<v1::ProcessProfile>& profiles) {
  std::map<std::string, std::int64_t> lines;
  const auto name = [](std::string text) {
    std::replace(text.begin(), text.end(), ';', ',');
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
  };
  for (const v1::ProcessProfile& profile : profiles) {
    for (const v1::ProfileStack& stack : profile.stacks()) {
      const std::int64_t value = stack.values(profile.kind() == v1::PROFILE_KIND_HEAP ? 3 : 0);
      if (value == 0) continue;
      std::string line = StrCat(name(profile.process()), ";", name(stack.thread()));
      for (int i = stack.functions_size(); i-- > 0;) {
        const auto function = static_cast<int>(stack.functions(i));
        if (function < profile.functions_size())
          StrAppend(&line, ";", name(profile.functions(function).name()));
      }
      lines[line] += value;
    }
  }
  std::string text;
  for (const auto& [line, value] : lines) StrAppend(&text, line, " ", value, "\n");
  return text;
}

}  // namespace

Result<ProfileFormat> ParseProfileFormat(std::string_view name) {
  if (name.empty() || name == "pprof") return ProfileFormat::kPprof;
  if (name == "collapsed") return ProfileFormat::kCollapsed;
  return absl::InvalidArgumentError(
      StrCat("format: \"", name.substr(0, 40), "\" is neither pprof nor collapsed"));
}

std::string ProfileFile(const std::vector<v1::ProcessProfile>& profiles, ProfileFormat format) {
  if (format == ProfileFormat::kCollapsed) return Collapsed(profiles);
  PprofWriter writer(profiles.empty() ? v1::PROFILE_KIND_CPU : profiles.front().kind());
  for (const v1::ProcessProfile& profile : profiles) writer.Add(profile);
  return Compress(Coding::kGzip, writer.Finish());
}

}  // namespace tessera
