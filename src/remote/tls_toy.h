#pragma once
// Identities for tests of the remote door: a root of the test's own, and what it issues.

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "identity/issue.h"
#include "net/tls.h"

namespace tessera {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;

/// Issues whatever it is asked for, right or wrong.
class ToyAuthority {
 public:
  ToyAuthority() {
    auto made = MakeRoot({.common_name = "toy root",
                          .uris = {},
                          .not_before_ms = WallMillis() - 48 * kHourMs,
                          .not_after_ms = WallMillis() + 48 * kHourMs});
    CHECK(made.ok());
    root_ = *std::move(made);
  }

  const KeyPair& root() const { return root_; }
  const std::string& trust() const { return root_.certificate; }

  /// Valid from and to so many milliseconds from now.
  TlsIdentity Issue(std::vector<std::string> uris, std::int64_t from_ms = -kMinuteMs,
                    std::int64_t to_ms = kHourMs) const {
    auto made = IssueWorkload(root_, {.common_name = "",
                                      .uris = std::move(uris),
                                      .not_before_ms = WallMillis() + from_ms,
                                      .not_after_ms = WallMillis() + to_ms});
    CHECK(made.ok());
    return {.certificates = made->certificate, .key = made->key, .trust = trust()};
  }
  TlsIdentity IssueFor(std::string_view group) const {
    return Issue({StrCat("spiffe://tessera/", group, "/toy")});
  }
  std::shared_ptr<TlsContext> ContextFor(std::string_view group) const {
    auto made = TlsContext::Make(IssueFor(group));
    CHECK(made.ok());
    return *std::move(made);
  }

 private:
  KeyPair root_;
};

}  // namespace tessera
