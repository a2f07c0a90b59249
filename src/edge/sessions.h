#pragma once
// The browsers that are signed in.

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace tessera {

/// Digests of the cookies of signed-in browsers, and when they end; in a file (mode 0600), so that
/// a restart ends none of them. Thread-safe.
class Sessions {
 public:
  using Digest = std::array<std::uint8_t, 32>;

  /// Reads what an earlier run left in `path`, if it was written for the same owner key: with a new
  /// key everybody signs in again. An empty path keeps them in memory only.
  Sessions(std::string path, const Digest& owner);

  bool Has(const Digest& session) const;
  void Add(const Digest& session, std::int64_t until_ms);
  void Remove(const Digest& session);

 private:
  void Load();
  void Save() const;

  const std::string path_;
  const std::string owner_;
  mutable std::mutex mutex_;
  std::map<Digest, std::int64_t> until_ms_;
};

}  // namespace tessera
