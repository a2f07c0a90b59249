// Definitions of flags: whatever they say, they are refused with a path or can be asked.
#include <cstdint>
#include <cstdlib>

#include <google/protobuf/util/json_util.h>

#include "base/field_error.h"
#include "flags/flag_set.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tessera::CompiledFlag;
  tessera::v1::Flag flag;
  const google::protobuf::StringPiece text(reinterpret_cast<const char*>(data), size);
  if (!google::protobuf::util::JsonStringToMessage(text, &flag).ok()) return 0;
  const auto compiled = CompiledFlag::Make(flag, "flag.");
  if (!compiled.ok()) {
    const auto faults = tessera::FieldsOf(compiled.status());
    if (faults.empty() || !faults.front().field.starts_with("flag.")) std::abort();
    return 0;
  }
  const tessera::FlagSubject subject{.targeting_key = "somebody", .principal = "key:ci"};
  const tessera::FlagAnswer answer = (*compiled)->Evaluate(subject);
  if (answer.variant == nullptr || answer.variant != (*compiled)->Evaluate(subject).variant)
    std::abort();
  // What is kept on the disk reads back the same.
  const auto again = CompiledFlag::Make((*compiled)->definition(), "flag.");
  if (!again.ok() || (*again)->Evaluate(subject).variant->name != answer.variant->name)
    std::abort();
  return 0;
}
