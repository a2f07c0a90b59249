// Conditions and templates: what parses can be evaluated.
#include <cstdint>
#include <string>

#include "services/orchestration/condition.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const Variables* const variables = [] {
    auto* made = new Variables;
    made->Set("text", std::string("words"));
    made->Set("number", 2.0);
    made->Set("flag", true);
    made->Set("texts", std::vector<std::string>{"a", "b"});
    made->Set("passages", Passages(2));
    return made;
  }();
  const auto condition = Condition::Parse(text);
  if (condition.ok()) condition->Holds(*variables);
  const auto parsed = Template::Parse(text);
  if (parsed.ok()) {
    if (parsed->Names().empty()) CHECK(parsed->Fill(*variables).size() <= size);
    parsed->Fill(*variables);
  }
  return 0;
}
