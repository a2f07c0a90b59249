#pragma once
// The browsers that are signed in.

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace tessera {

/// Digests of the cookies of signed-in browsers and of links to sign in, and when they end; in a
/// file (mode 0600), so that a restart ends no session. Several processes may share the file: each
/// sees at once what another has changed. Thread-safe.
class Sessions {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  /// Reads what an earlier run left in `path`, if it was written for the same owner key: with a new
  /// key everybody signs in again. An empty path keeps them in memory only. `goes_on`: the platform
  /// of this process runs already, and its links hold; else they end here.
  Sessions(std::string path, const Digest& owner, bool goes_on = false);

  bool Has(const Digest& session) const;
  void Add(const Digest& session, std::int64_t until_ms);
  void Remove(const Digest& session);

  void AddLogin(const Digest& link, std::int64_t until_ms);
  /// True once, while it holds.
  bool TakeLogin(const Digest& link);

 private:
  using Ends = std::map<Digest, std::int64_t>;
  struct Stamp {
    std::uint64_t inode = 0;
    std::int64_t size = 0, changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };
  void Load() const;
  void Refresh() const;
  std::optional<Stamp> Look() const;
  bool Save() const;
  template <class Change>
  void Apply(Change change);

  const std::string path_;
  const std::string owner_;
  mutable std::mutex mutex_;
  mutable Ends until_ms_;
  mutable Ends logins_;
  mutable Stamp read_;  ///< the file as it was when it was read
};

}  // namespace tessera
