#pragma once
// Who sends a request: owner key, configured API keys, the page's session cookie, or nobody.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/key_holder.h"
#include "config/fields.h"
#include "config/secret.h"
#include "edge/sessions.h"
#include "net/http.h"

namespace tessera {

/// A key besides the owner's.
struct ApiKeyConfig {
  std::string name;  ///< becomes the principal's id, "key:name"
  Secret key;        ///< at least 16 characters
  std::vector<std::string> scopes = {"*"};
  std::string tenant;  ///< empty: none
  static void Describe(Fields<ApiKeyConfig>& f);
};

/// The owner's key of a data folder.
struct OwnerKey {
  std::string text;
  bool is_new = false;  ///< made just now: to be shown once
};
/// Reads FOLDER/owner.key, or makes it (mode 0600). FAILED_PRECONDITION when others may read it.
Result<OwnerKey> LoadOwnerKey(const std::string& folder);

/// Decides who a request comes from. Keys are held and compared as SHA-256 digests, in constant
/// time. A browser's session outlives a restart, a link to sign in does not. Thread-safe.
class Authenticator {
 public:
  struct Options {
    std::string owner_key;
    std::vector<ApiKeyConfig> api_keys;
    bool no_auth = false;      ///< everybody is the owner
    std::string session_file;  ///< empty: sessions end with the process
    bool goes_on = false;      ///< takes the place of another process: links to sign in hold
    Duration session_time = std::chrono::hours(24 * 30);
    Duration login_time = std::chrono::hours(1);
  };
  explicit Authenticator(Options options);

  bool no_auth() const { return options_.no_auth; }

  /// The caller; an empty id when there is no key (or "Bearer None", "Bearer "). UNAUTHENTICATED
  /// for a wrong key. `by_cookie` tells that a browser sent the proof on its own, so that the
  /// caller must check the origin.
  Result<KeyHolder> Authenticate(const HttpRequest& request, bool* by_cookie) const;

  /// The same of an Authorization field alone, "" when there is none: for doors without cookies.
  Result<KeyHolder> AuthenticateField(std::string_view authorization) const;

  /// A token for GET /login, good once and for login_time.
  std::string NewLoginToken();
  /// The value of a new session's cookie, in exchange for a login token or the owner key.
  Result<std::string> LogIn(std::string_view token_or_key);
  void LogOut(const HttpRequest& request);

  /// The Set-Cookie value of a session; "" as value ends it.
  std::string CookieHeader(std::string_view value) const;

 private:
  using Digest = Sessions::Digest;
  struct Key {
    Digest digest;
    KeyHolder holder;
  };
  static Digest DigestOf(std::string_view text);
  static bool Same(const Digest& a, const Digest& b);
  const KeyHolder* FindKey(std::string_view key) const;

  const Options options_;
  std::vector<Key> keys_;
  const KeyHolder owner_;
  Sessions sessions_;
};

/// The value of a cookie of a request, or "".
std::string_view CookieOf(const HttpRequest& request, std::string_view name);

}  // namespace tessera
