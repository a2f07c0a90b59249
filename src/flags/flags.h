#pragma once
// What services ask: the value of a flag for the call that they serve. No I/O, no lock, and for
// all but texts no allocation.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/ctx.h"
#include "flags/flag_set.h"

namespace tessera {

/// The flags that this process follows. Never null; at first there are none.
std::shared_ptr<const FlagSet> CurrentFlags();
/// From the return on, every evaluation of this process goes by `flags`. One of an older version
/// than the present one is passed over.
void SetCurrentFlags(std::shared_ptr<const FlagSet> flags);
/// For tests: none, whatever the version was.
void ForgetFlags();

/// The caller: a split goes by its principal, else by its tenant, else by the request.
FlagSubject SubjectOf(const Ctx& ctx);

/// The value of a flag, or `fallback`: there is none, it has another type, it cannot be evaluated.
bool BoolFlag(const Ctx& ctx, std::string_view key, bool fallback);
std::int64_t IntegerFlag(const Ctx& ctx, std::string_view key, std::int64_t fallback);
double NumberFlag(const Ctx& ctx, std::string_view key, double fallback);
std::string StringFlag(const Ctx& ctx, std::string_view key, std::string_view fallback);
/// JSON text.
std::string ObjectFlag(const Ctx& ctx, std::string_view key, std::string_view fallback);
/// The name of the variant; "" when there is none.
std::string FlagVariantOf(const Ctx& ctx, std::string_view key);

}  // namespace tessera
