#pragma once
// Feature flags as they are written in a file: a list of definitions, with the words of the API.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/fields.h"
#include "tessera/v1/flags.pb.h"

namespace tessera {

struct FlagShareSpec {
  std::string variant;
  double weight = 0;
  static void Describe(Fields<FlagShareSpec>& f);
};

struct FlagRuleSpec {
  std::vector<std::string> principals, tenants, scopes;
  std::map<std::string, std::string> headers;
  std::string variant;
  std::vector<FlagShareSpec> split;
  static void Describe(Fields<FlagRuleSpec>& f);
};

/// v1::Flag says what the fields mean.
struct FlagSpec {
  std::string key;
  v1::FlagType type = v1::FLAG_TYPE_BOOLEAN;
  std::map<std::string, std::string> variants;
  std::string default_variant;
  std::vector<FlagRuleSpec> rules;
  bool disabled = false;
  std::string description;
  static void Describe(Fields<FlagSpec>& f);

  v1::Flag ToMessage() const;
};

/// Section `flags` of a topology.
struct FlagsSection {
  std::vector<FlagSpec> flags;
  static void Describe(Fields<FlagsSection>& f);
};

}  // namespace tessera
