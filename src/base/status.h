#pragma once
// Errors as values: abseil's Status and StatusOr, whose codes are gRPC's codes, and the four macros
// of the house.

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/str.h"

namespace tessera {

using Status = absl::Status;
template <class T>
using Result = absl::StatusOr<T>;

namespace internal {
inline Status&& ToStatus(Status&& status) { return std::move(status); }
template <class T>
Status ToStatus(Result<T>&& result) {
  return std::move(result).status();
}
[[noreturn]] inline void CheckFailed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, expression);
  std::abort();
}
}  // namespace internal
}  // namespace tessera

#define TESSERA_CONCAT_INNER(a, b) a##b
#define TESSERA_CONCAT(a, b) TESSERA_CONCAT_INNER(a, b)
#define TESSERA_PICK(a, b, name, ...) name

#define TESSERA_TRY_STATUS(return_, expr)                    \
  do {                                                       \
    auto try_status = ::tessera::internal::ToStatus((expr)); \
    if (!try_status.ok()) [[unlikely]]                       \
      return_ try_status;                                    \
  } while (false)
#define TESSERA_TRY_VALUE(return_, tmp, lhs, expr) \
  auto tmp = (expr);                               \
  if (!tmp.ok()) [[unlikely]]                      \
    return_ std::move(tmp).status();               \
  lhs = *std::move(tmp)

#define TESSERA_TRY1(expr) TESSERA_TRY_STATUS(return, expr)
#define TESSERA_TRY2(lhs, expr) \
  TESSERA_TRY_VALUE(return, TESSERA_CONCAT(try_value_, __COUNTER__), lhs, expr)
#define TESSERA_CO_TRY1(expr) TESSERA_TRY_STATUS(co_return, expr)
#define TESSERA_CO_TRY2(lhs, expr) \
  TESSERA_TRY_VALUE(co_return, TESSERA_CONCAT(try_value_, __COUNTER__), lhs, expr)

/// TRY(expr) leaves the function with the error of a Status; TRY(auto x, expr) also unpacks a
/// Result. CO_TRY is the same inside a coroutine. Both are statements, not expressions.
#define TRY(...) TESSERA_PICK(__VA_ARGS__, TESSERA_TRY2, TESSERA_TRY1)(__VA_ARGS__)
#define CO_TRY(...) TESSERA_PICK(__VA_ARGS__, TESSERA_CO_TRY2, TESSERA_CO_TRY1)(__VA_ARGS__)

/// A broken invariant of our own ends the process; input never reaches a CHECK.
#define CHECK(condition) \
  ((condition) ? (void)0 : ::tessera::internal::CheckFailed(#condition, __FILE__, __LINE__))
#ifdef NDEBUG
#define DCHECK(condition) ((void)sizeof(condition))
#else
#define DCHECK(condition) CHECK(condition)
#endif
