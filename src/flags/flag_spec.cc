#include "flags/flag_spec.h"

namespace tessera {

void FlagShareSpec::Describe(Fields<FlagShareSpec>& f) {
  f.Required("variant", &FlagShareSpec::variant, "A variant of the flag.");
  f.Required("weight", &FlagShareSpec::weight, "Its part, against the others'.", 0.0, 1e9);
}

void FlagRuleSpec::Describe(Fields<FlagRuleSpec>& f) {
  f.Optional("principals", &FlagRuleSpec::principals, "Callers, as key:ci.");
  f.Optional("tenants", &FlagRuleSpec::tenants, "Their tenants.");
  f.Optional("scopes", &FlagRuleSpec::scopes, "What their keys permit.");
  f.Optional("headers", &FlagRuleSpec::headers, "Of the request, all of them.");
  f.Optional("variant", &FlagRuleSpec::variant, "What such callers get.");
  f.Optional("split", &FlagRuleSpec::split, "Or what a part of them gets.");
}

void FlagSpec::Describe(Fields<FlagSpec>& f) {
  f.Required("key", &FlagSpec::key, "Its name.");
  f.Choice("type", &FlagSpec::type, "What its values are.",
           {{"boolean", v1::FLAG_TYPE_BOOLEAN},
            {"string", v1::FLAG_TYPE_STRING},
            {"integer", v1::FLAG_TYPE_INTEGER},
            {"number", v1::FLAG_TYPE_NUMBER},
            {"object", v1::FLAG_TYPE_OBJECT}});
  f.Required("variants", &FlagSpec::variants, "Its values, by name.");
  f.Required("default_variant", &FlagSpec::default_variant, "What holds where no rule applies.");
  f.Optional("rules", &FlagSpec::rules, "The first that applies decides.");
  f.Optional("disabled", &FlagSpec::disabled, "Whether the rules are passed over.");
  f.Optional("description", &FlagSpec::description, "What it is for.");
}

void FlagsSection::Describe(Fields<FlagsSection>& f) {
  f.Optional("flags", &FlagsSection::flags, "Feature flags that there are at first.");
}

v1::Flag FlagSpec::ToMessage() const {
  v1::Flag flag;
  flag.set_key(key);
  flag.set_type(type);
  flag.mutable_variants()->insert(variants.begin(), variants.end());
  flag.set_default_variant(default_variant);
  flag.set_disabled(disabled);
  flag.set_description(description);
  for (const FlagRuleSpec& rule : rules) {
    v1::FlagRule& to = *flag.add_rules();
    to.mutable_principals()->Add(rule.principals.begin(), rule.principals.end());
    to.mutable_tenants()->Add(rule.tenants.begin(), rule.tenants.end());
    to.mutable_scopes()->Add(rule.scopes.begin(), rule.scopes.end());
    to.mutable_headers()->insert(rule.headers.begin(), rule.headers.end());
    to.set_variant(rule.variant);
    for (const FlagShareSpec& share : rule.split) {
      v1::FlagShare& part = *to.add_split();
      part.set_variant(share.variant);
      part.set_weight(share.weight);
    }
  }
  return flag;
}

}  // namespace tessera
