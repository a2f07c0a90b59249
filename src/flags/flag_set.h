#pragma once
// Feature flags as they are evaluated: compiled once, never changed.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "tessera/v1/flags.pb.h"

namespace tessera {

/// Why a value was given; the words of OpenFeature
/// (https://openfeature.dev/specification/types#resolution-details).
enum class FlagReason : std::uint8_t {
  kStatic,
  kDefault,
  kTargetingMatch,
  kSplit,
  kDisabled,
  kError
};
std::string_view Name(FlagReason reason);  ///< "TARGETING_MATCH"

enum class FlagError : std::uint8_t {
  kNone,
  kFlagNotFound,
  kTypeMismatch,
  kParseError,
  kTargetingKeyMissing,
  kInvalidContext,
  kGeneral
};
std::string_view Name(FlagError error);  ///< "FLAG_NOT_FOUND"; "" of kNone

/// Who asks. Views: what they show lives as long as the evaluation.
struct FlagSubject {
  std::string_view targeting_key;  ///< what a split goes by
  std::string_view principal;
  std::string_view tenant;
  std::span<const std::string> scopes;
  std::span<const std::pair<std::string, std::string>> headers;  ///< names in lower case
};

/// A header as an entry of Principal::scopes: so it travels wherever the call does.
inline constexpr std::string_view kHeaderScope = "header:";

/// A value by its name.
struct FlagVariant {
  std::string name;
  std::uint64_t hash = 0;
  std::string text;  ///< as it was written; an object without needless spaces
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;  ///< of an integer too
};

struct FlagAnswer {
  const FlagVariant* variant = nullptr;  ///< null: see error; lives as long as the flag
  FlagReason reason = FlagReason::kError;
  FlagError error = FlagError::kNone;
  int rule = 0;  ///< that decided, from 1
};

/// One flag, ready to be asked. Immutable.
class CompiledFlag {
 public:
  /// INVALID_ARGUMENT with every fault and its path, which begins with `path` ("flag.").
  static Result<std::unique_ptr<const CompiledFlag>> Make(const v1::Flag& flag,
                                                          std::string_view path);

  const v1::Flag& definition() const { return definition_; }
  v1::FlagType type() const { return definition_.type(); }
  /// No allocation, no lock, no I/O. The same subject always gets the same variant; where the
  /// weight of one variant changes, subjects only go to it or leave it.
  FlagAnswer Evaluate(const FlagSubject& subject) const;

 private:
  struct Share {
    std::size_t variant = 0;
    double weight = 0;
  };
  struct Rule {
    std::vector<std::string> principals, tenants, scopes;
    std::vector<std::pair<std::string, std::string>> headers;
    std::size_t variant = 0;
    std::vector<Share> split;
    bool Matches(const FlagSubject& subject) const;
  };
  friend class FlagCompiler;

  CompiledFlag() = default;
  std::size_t Choose(const Rule& rule, std::string_view targeting_key) const;

  v1::Flag definition_;
  std::uint64_t hash_ = 0;
  std::vector<FlagVariant> variants_;
  std::vector<Rule> rules_;
  std::size_t default_variant_ = 0;
};

/// All flags of a version. Immutable.
class FlagSet {
 public:
  static constexpr int kFlagsMax = 1000;

  /// INVALID_ARGUMENT when a flag is wrong or there are too many.
  static Result<std::shared_ptr<const FlagSet>> Make(const v1::SetFlagsRequest& flags);

  std::uint64_t version() const { return version_; }
  /// Nullptr: there is none.
  const CompiledFlag* Find(std::string_view key) const;
  /// Of all flags, by key.
  const std::vector<const CompiledFlag*>& all() const { return all_; }
  /// Names, in lower case, that rules ask for and the edge may let through.
  const std::vector<std::string>& headers() const { return headers_; }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>()(key);
    }
  };
  std::uint64_t version_ = 0;
  std::unordered_map<std::string, std::unique_ptr<const CompiledFlag>, Hash, std::equal_to<>>
      flags_;
  std::vector<const CompiledFlag*> all_;
  std::vector<std::string> headers_;
};

/// Bytes of a text as a number that is the same in every process, version and machine.
std::uint64_t StableHash(std::string_view text);

}  // namespace tessera
