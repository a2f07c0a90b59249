#include "config/secret.h"

#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/str.h"
#include "config/resolved_secrets.h"

namespace tessera {
namespace {

constexpr std::size_t kSecretBytesMax = 64 << 10;

Result<Secret> FromFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(StrCat("cannot read the secret's file ", path));
  std::string text(kSecretBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kSecretBytesMax)
    return absl::InvalidArgumentError(StrCat("the secret's file ", path, " is larger than 64KiB"));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.empty())
    return absl::InvalidArgumentError(StrCat("the secret's file ", path, " is empty"));
  return Secret(std::move(text));
}

}  // namespace

namespace {

/// Never destroyed: threads may ask during exit.
struct Resolved {
  static Resolved& Process() {
    static Resolved* const resolved = std::make_unique<Resolved>().release();
    return *resolved;
  }
  std::mutex mutex;
  std::set<std::string> texts;
};

Result<Secret> Remembered(Result<Secret> secret) {
  if (secret.ok()) {
    Resolved& resolved = Resolved::Process();
    std::lock_guard lock(resolved.mutex);
    resolved.texts.insert(secret->Reveal());
  }
  return secret;
}

}  // namespace

std::vector<std::string> ResolvedSecrets() {
  Resolved& resolved = Resolved::Process();
  std::lock_guard lock(resolved.mutex);
  return {resolved.texts.begin(), resolved.texts.end()};
}

Result<Secret> ResolveSecret(std::string_view reference) {
  if (reference.starts_with("${") && reference.ends_with("}")) {
    const std::string inner(reference.substr(2, reference.size() - 3));
    if (inner.starts_with("file:") && inner.size() > 5)
      return Remembered(FromFile(inner.substr(5)));
    if (inner.starts_with("env:") && inner.size() > 4) {
      const char* value = std::getenv(inner.c_str() + 4);
      if (value == nullptr || *value == '\0')
        return absl::NotFoundError(
            StrCat("the environment variable ", inner.substr(4), " is not set"));
      return Remembered(Secret(value));
    }
  }
  return absl::InvalidArgumentError(
      "a secret is given by reference: write ${file:/path/of/it} or ${env:NAME}");
}

}  // namespace tessera
