#pragma once
// Fields<C>: the vocabulary in which a configuration struct describes itself.
//
//   struct Config {
//     std::string model = "default";
//     std::uint32_t texts_max = 64;
//     static void Describe(Fields<Config>& f);
//   };
//   void Config::Describe(Fields<Config>& f) {
//     f.Required("model", &Config::model, "Name of the model in the registry.");
//     f.Optional("texts_max", &Config::texts_max, "Most texts in one call.", 1u, 4096u);
//   }
//
// Defaults are the members' own initialisers. Types: bool, integers, floating point, std::string,
// std::chrono durations ("30s"), Bytes ("64MiB"), Secret, std::optional, std::vector,
// std::map<std::string, T>, structs with Describe; enums through Choice().

#include <algorithm>
#include <chrono>
#include <concepts>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "config/secret.h"
#include "config/spec.h"

namespace tessera {

template <class C>
class Fields;

/// A struct that describes itself.
template <class C>
concept Described = requires(Fields<C>& f) { C::Describe(f); };

/// The description of C, made once.
template <Described C>
const StructSpec& SpecOf();

namespace internal {

template <class T>
struct IsDuration : std::false_type {};
template <class R, class P>
struct IsDuration<std::chrono::duration<R, P>> : std::true_type {};

/// How T travels as a Scalar; specialised for what fits in one.
template <class T>
struct ScalarTraits {
  static constexpr bool kIsScalar = false;
};
template <>
struct ScalarTraits<bool> {
  static constexpr bool kIsScalar = true;
  static constexpr auto kKind = TypeSpec::Kind::kBool;
  static Scalar To(bool v) { return v; }
  static bool From(const Scalar& s) { return std::get<bool>(s); }
};
template <std::integral T>
struct ScalarTraits<T> {
  static constexpr bool kIsScalar = true;
  static constexpr auto kKind = TypeSpec::Kind::kInteger;
  static Scalar To(T v) {
    return static_cast<std::int64_t>(std::min<std::common_type_t<T, std::uint8_t>>(
        v, static_cast<std::common_type_t<T, std::uint8_t>>(kMax)));
  }
  static T From(const Scalar& s) { return static_cast<T>(std::get<std::int64_t>(s)); }
  // A uint64 is held to what an int64 holds: no field means more.
  static constexpr std::int64_t kMin = static_cast<std::int64_t>(std::numeric_limits<T>::min());
  static constexpr std::int64_t kMax =
      sizeof(T) == 8 ? INT64_MAX : static_cast<std::int64_t>(std::numeric_limits<T>::max());
};
template <std::floating_point T>
struct ScalarTraits<T> {
  static constexpr bool kIsScalar = true;
  static constexpr auto kKind = TypeSpec::Kind::kNumber;
  static Scalar To(T v) { return static_cast<double>(v); }
  static T From(const Scalar& s) { return static_cast<T>(std::get<double>(s)); }
};
template <>
struct ScalarTraits<std::string> {
  static constexpr bool kIsScalar = true;
  static constexpr auto kKind = TypeSpec::Kind::kString;
  static Scalar To(const std::string& v) { return v; }
  static std::string From(const Scalar& s) { return std::get<std::string>(s); }
};
template <>
struct ScalarTraits<Secret> {
  static constexpr bool kIsScalar = true;
  static constexpr auto kKind = TypeSpec::Kind::kSecret;
  static Scalar To(const Secret& v) { return std::string(v.empty() ? "" : "***"); }
  static Secret From(const Scalar& s) { return Secret(std::get<std::string>(s)); }
};
template <>
struct ScalarTraits<Bytes> {
  static constexpr bool kIsScalar = true;
  static constexpr auto kKind = TypeSpec::Kind::kBytes;
  static Scalar To(Bytes v) { return static_cast<std::int64_t>(v.count); }
  static Bytes From(const Scalar& s) {
    return Bytes{static_cast<std::uint64_t>(std::get<std::int64_t>(s))};
  }
};
template <class R, class P>
struct ScalarTraits<std::chrono::duration<R, P>> {
  using T = std::chrono::duration<R, P>;
  static constexpr bool kIsScalar = true;
  static constexpr auto kKind = TypeSpec::Kind::kDuration;
  static Scalar To(T v) {
    return static_cast<std::int64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(v).count());
  }
  static T From(const Scalar& s) {
    return std::chrono::duration_cast<T>(std::chrono::nanoseconds(std::get<std::int64_t>(s)));
  }
};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

using Visit = std::function<void(const std::string&, const void*)>;

template <class T>
std::shared_ptr<TypeSpec> MakeType() {
  auto type = std::make_shared<TypeSpec>();
  using Traits = ScalarTraits<T>;
  if constexpr (Traits::kIsScalar) {
    type->kind = Traits::kKind;
    type->set = [](void* to, const Scalar& s) { *static_cast<T*>(to) = Traits::From(s); };
    type->get = [](const void* from) { return Traits::To(*static_cast<const T*>(from)); };
    if constexpr (std::integral<T> && !std::same_as<T, bool>) {
      type->lowest = Traits::kMin;
      type->highest = Traits::kMax;
    }
  } else if constexpr (IsOptional<T>::value) {
    type->kind = TypeSpec::Kind::kOptional;
    type->clear = [](void* to) { static_cast<T*>(to)->reset(); };
    type->element = MakeType<typename T::value_type>();
    type->add = [](void* to, const std::string&) -> void* {
      return &static_cast<T*>(to)->emplace();
    };
    type->each = [](const void* from, const Visit& visit) {
      const T& value = *static_cast<const T*>(from);
      if (value) visit("", &*value);
    };
  } else if constexpr (IsVector<T>::value) {
    static_assert(!std::same_as<T, std::vector<bool>>, "a list of flags: use named fields");
    type->kind = TypeSpec::Kind::kList;
    type->clear = [](void* to) { static_cast<T*>(to)->clear(); };
    type->element = MakeType<typename T::value_type>();
    type->add = [](void* to, const std::string&) -> void* {
      return &static_cast<T*>(to)->emplace_back();
    };
    type->each = [](const void* from, const Visit& visit) {
      for (const auto& value : *static_cast<const T*>(from)) visit("", &value);
    };
  } else if constexpr (IsMap<T>::value) {
    type->kind = TypeSpec::Kind::kMap;
    type->clear = [](void* to) { static_cast<T*>(to)->clear(); };
    type->element = MakeType<typename T::mapped_type>();
    type->add = [](void* to, const std::string& key) -> void* {
      return &(*static_cast<T*>(to))[key];
    };
    type->each = [](const void* from, const Visit& visit) {
      for (const auto& [key, value] : *static_cast<const T*>(from)) visit(key, &value);
    };
  } else {
    static_assert(Described<T>, "this type cannot stand in a configuration");
    type->kind = TypeSpec::Kind::kStruct;
    type->fields = &SpecOf<T>;
  }
  return type;
}

/// A limit as given by the caller: of the value, or a length where T has one.
template <class T, class L>
Scalar ToLimit(const L& limit) {
  if constexpr (IsOptional<T>::value) {
    return ToLimit<typename T::value_type>(limit);
  } else if constexpr (std::convertible_to<L, T> && ScalarTraits<T>::kIsScalar &&
                       !std::same_as<T, std::string>) {
    return ScalarTraits<T>::To(static_cast<T>(limit));
  } else {
    return static_cast<std::int64_t>(limit);
  }
}

}  // namespace internal

/// Given to C::Describe, which names every member once.
template <class C>
class Fields {
 public:
  explicit Fields(StructSpec& spec) : spec_(spec) {}

  /// A field that must be given. Limits are inclusive: of the value (a duration, a size, a number),
  /// or of the length of a string, list or map.
  template <class T>
  FieldSpec& Required(const char* name, T C::* member, const char* doc) {
    return Add(name, member, doc, true);
  }
  template <class T, class Min, class Max>
  FieldSpec& Required(const char* name, T C::* member, const char* doc, Min min, Max max) {
    return Limit<T>(Add(name, member, doc, true), min, max);
  }
  /// A field with a default: what its member is initialised with.
  template <class T>
  FieldSpec& Optional(const char* name, T C::* member, const char* doc) {
    return Add(name, member, doc, false);
  }
  template <class T, class Min, class Max>
  FieldSpec& Optional(const char* name, T C::* member, const char* doc, Min min, Max max) {
    return Limit<T>(Add(name, member, doc, false), min, max);
  }
  /// An enum with the words that stand for its values.
  template <class E>
    requires std::is_enum_v<E>
  FieldSpec& Choice(const char* name, E C::* member, const char* doc,
                    std::initializer_list<std::pair<const char*, E>> words) {
    FieldSpec& field = Begin(name, doc, false, member);
    auto type = std::make_shared<TypeSpec>();
    type->kind = TypeSpec::Kind::kEnum;
    for (const auto& [word, value] : words)
      type->choices.emplace_back(word, static_cast<std::int64_t>(value));
    type->set = [](void* to, const Scalar& s) {
      *static_cast<E*>(to) = static_cast<E>(std::get<std::int64_t>(s));
    };
    type->get = [](const void* from) -> Scalar {
      return static_cast<std::int64_t>(*static_cast<const E*>(from));
    };
    field.type = std::move(type);
    return field;
  }
  /// A rule over the whole struct, asked once all fields are read without a mistake.
  void Check(Status (*rule)(const C&)) {
    spec_.checks.push_back(
        [rule](const void* object) { return rule(*static_cast<const C*>(object)); });
  }

 private:
  template <class T>
  FieldSpec& Begin(const char* name, const char* doc, bool required, T C::* member) {
    FieldSpec& field = spec_.fields.emplace_back();
    field.name = name;
    field.doc = doc;
    field.required = required;
    field.at = [member](void* object) -> void* { return &(static_cast<C*>(object)->*member); };
    return field;
  }
  template <class T>
  FieldSpec& Add(const char* name, T C::* member, const char* doc, bool required) {
    FieldSpec& field = Begin(name, doc, required, member);
    field.type = internal::MakeType<T>();
    return field;
  }
  template <class T, class Min, class Max>
  FieldSpec& Limit(FieldSpec& field, Min min, Max max) {
    field.min = internal::ToLimit<T>(min);
    field.max = internal::ToLimit<T>(max);
    return field;
  }

  StructSpec& spec_;
};

template <Described C>
const StructSpec& SpecOf() {
  static const StructSpec spec = [] {
    StructSpec made;
    Fields<C> fields(made);
    C::Describe(fields);
    made.defaults = std::make_shared<C>();
    made.make = []() -> std::shared_ptr<void> { return std::make_shared<C>(); };
    return made;
  }();
  return spec;
}

}  // namespace tessera
