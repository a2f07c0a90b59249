#include "edge/auth.h"

#include <algorithm>

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::string_view kCookie = "tessera_session";
constexpr std::size_t kKeySizeMax = 512;

Status FileError(std::string_view what, const std::string& path) {
  const int error = errno;
  return absl::UnavailableError(StrCat("cannot ", what, " ", path, ": ", std::strerror(error)));
}

Result<std::string> ReadKeyFile(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) return absl::NotFoundError("no key yet");
  if (fd < 0) return FileError("read", path);
  struct stat info = {};
  char buffer[kKeySizeMax + 1];
  const bool known = ::fstat(fd, &info) == 0;
  const ssize_t size = ::read(fd, buffer, sizeof buffer);
  ::close(fd);
  if (!known || size < 0) return FileError("read", path);
  if ((info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        StrCat(path, " can be read by others: chmod 600 it, or delete it to get a new key"));
  }
  std::string key(buffer, static_cast<std::size_t>(size));
  while (!key.empty() && (key.back() == '\n' || key.back() == '\r')) key.pop_back();
  if (key.size() < 16 || key.size() > kKeySizeMax) {
    return absl::FailedPreconditionError(
        StrCat(path, " holds no key of 16 to 512 characters: delete it to get a new one"));
  }
  return key;
}

}  // namespace

void ApiKeyConfig::Describe(Fields<ApiKeyConfig>& f) {
  f.Required("name", &ApiKeyConfig::name, "Name of the key, as it shows in logs.");
  f.Required("key", &ApiKeyConfig::key, "The key, at least 16 characters.");
  f.Optional("scopes", &ApiKeyConfig::scopes,
             "What it may: permissions such as retrieval.read, or \"*\" for everything.");
  f.Optional(
      "tenant", &ApiKeyConfig::tenant,
      "On whose behalf it asks: flags may go by it, and the tokens and cost of all keys of a "
      "tenant are added up under its name. Empty: each key is counted alone.");
}

Result<OwnerKey> LoadOwnerKey(const std::string& folder) {
  const std::string path = folder + "/owner.key";
  auto found = ReadKeyFile(path);
  OwnerKey owner;
  if (found.ok()) {
    owner.text = *std::move(found);
    return owner;
  }
  if (found.status().code() != absl::StatusCode::kNotFound) return found.status();
  owner.text = NewId("tsr_") + NewId("");
  owner.is_new = true;
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return FileError("make", temporary);
  const std::string line = owner.text + "\n";
  const bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                       ::fsync(fd) == 0;
  ::close(fd);
  if (!written) return FileError("write", temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) return FileError("make", path);
  return owner;
}

Authenticator::Authenticator(Options options)
    : options_(std::move(options)),
      owner_{.principal = {"owner", {"*"}}, .tenant = ""},
      // Not the digest of the key alone: the file need not tell that.
      sessions_(options_.session_file, DigestOf(StrCat("sessions of ", options_.owner_key)),
                options_.goes_on) {
  if (!options_.owner_key.empty()) keys_.push_back({DigestOf(options_.owner_key), owner_});
  for (const ApiKeyConfig& key : options_.api_keys) {
    keys_.push_back({DigestOf(key.key.Reveal()),
                     {.principal = {"key:" + key.name, key.scopes}, .tenant = key.tenant}});
  }
}

Authenticator::Digest Authenticator::DigestOf(std::string_view text) {
  Digest digest;
  // The three calls of old do no look-up of an implementation, which SHA256() does every time.
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, text.data(), text.size());
  SHA256_Final(digest.data(), &context);
  return digest;
}

bool Authenticator::Same(const Digest& a, const Digest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Looks at every key, so that the time tells nothing.
const KeyHolder* Authenticator::FindKey(std::string_view key) const {
  const Digest digest = DigestOf(key);
  const KeyHolder* found = nullptr;
  for (const Key& candidate : keys_) {
    if (Same(candidate.digest, digest)) found = &candidate.holder;
  }
  return found;
}

Result<KeyHolder> Authenticator::Authenticate(const HttpRequest& request, bool* by_cookie) const {
  *by_cookie = false;
  if (options_.no_auth) return owner_;
  if (request.headers.Count("authorization") > 1) {
    return absl::UnauthenticatedError("more than one Authorization header");
  }
  TRY(KeyHolder by_key, AuthenticateField(request.headers.Get("authorization")));
  if (!by_key.principal.id.empty()) return by_key;
  const std::string_view cookie = CookieOf(request, kCookie);
  if (!cookie.empty()) {
    if (sessions_.Has(DigestOf(cookie))) {
      *by_cookie = true;
      return owner_;
    }
  }
  return KeyHolder();
}

Result<KeyHolder> Authenticator::AuthenticateField(std::string_view authorization) const {
  if (options_.no_auth) return owner_;
  if (authorization.empty()) return KeyHolder();
  constexpr std::string_view kBearer = "bearer";
  if (!EqualsIgnoreCase(authorization.substr(0, kBearer.size()), kBearer))
    return absl::UnauthenticatedError("Authorization must be \"Bearer KEY\"");
  const std::string_view key = Trim(authorization.substr(kBearer.size()));
  // OPEA's clients send "Bearer None" when they have no key.
  if (key.empty() || key == "None") return KeyHolder();
  if (const KeyHolder* found = FindKey(key)) return *found;
  return absl::UnauthenticatedError("the key is wrong; the owner's is in DATA/owner.key");
}

std::string Authenticator::NewLoginToken() {
  std::string token = NewId("");
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(options_.login_time);
  sessions_.AddLogin(DigestOf(token), WallMillis() + time.count());
  return token;
}

Result<std::string> Authenticator::LogIn(std::string_view token_or_key) {
  const Digest digest = DigestOf(token_or_key);
  bool allowed = !keys_.empty() && !options_.owner_key.empty() && Same(keys_[0].digest, digest);
  if (!allowed) allowed = sessions_.TakeLogin(digest);
  if (!allowed) {
    return absl::UnauthenticatedError("the key is wrong, or the link was used or is too old");
  }
  std::string session = NewId("");
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(options_.session_time);
  sessions_.Add(DigestOf(session), WallMillis() + time.count());
  return session;
}

void Authenticator::LogOut(const HttpRequest& request) {
  sessions_.Remove(DigestOf(CookieOf(request, kCookie)));
}

std::string Authenticator::CookieHeader(std::string_view value) const {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.session_time);
  return StrCat(kCookie, "=", value, "; Path=/; HttpOnly; SameSite=Strict; Max-Age=",
                value.empty() ? 0 : seconds.count());
}

std::string_view CookieOf(const HttpRequest& request, std::string_view name) {
  std::string_view rest = request.headers.Get("cookie");
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(';'), rest.size());
    const std::string_view pair = Trim(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) {
      return pair.substr(equals + 1);
    }
  }
  return {};
}

}  // namespace tessera
