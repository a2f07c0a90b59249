// Any text: parsing ends, says where the mistakes are, and what was read prints itself.
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/schema.h"

namespace tessera {
namespace {

struct Inner {
  std::string name = "n";
  std::optional<double> share;
  static void Describe(Fields<Inner>& f) {
    f.Required("name", &Inner::name, "Name.", 1, 20);
    f.Optional("share", &Inner::share, "Share.", 0.0, 1.0);
  }
};

struct Outer {
  std::uint32_t count = 1;
  std::chrono::milliseconds wait{10};
  Bytes size = 1_MiB;
  bool on = false;
  std::vector<Inner> inners;
  std::map<std::string, std::int64_t> numbers;
  static void Describe(Fields<Outer>& f) {
    f.Optional("count", &Outer::count, "Count.", 1u, 100u);
    f.Optional("wait", &Outer::wait, "Wait.");
    f.Optional("size", &Outer::size, "Size.");
    f.Optional("on", &Outer::on, "On.");
    f.Optional("inners", &Outer::inners, "Inners.", 0, 10);
    f.Optional("numbers", &Outer::numbers, "Numbers.");
  }
};

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  static const ConfigSchema* const schema = [] {
    auto* made = new ConfigSchema;
    made->Add<Outer>("server", "Outer.");
    made->Add<Inner>("services.inner", "Inner.");
    return made;
  }();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Problem> problems;
  const ConfigSnapshot snapshot = schema->Parse(text, problems);
  for (const Problem& problem : problems) CHECK(problem.mark.line >= 1 && problem.mark.column >= 1);
  if (!problems.empty()) return 0;
  // What was read, printed and read again, is the same.
  const std::string yaml = snapshot.ToYaml();
  std::vector<Problem> again;
  const ConfigSnapshot second = schema->Parse(yaml, again);
  CHECK(again.empty());
  CHECK(second.ToYaml() == yaml);
  return 0;
}
