#pragma once
// What is known of a contract at compile time: one row a method, from the options in its .proto.

#include <cstdint>
#include <span>
#include <string_view>

namespace tessera {

/// One method of a contract. All views are of static storage.
struct MethodInfo {
  std::string_view name;
  std::string_view full_name;  ///< "tessera.v1.Retrieval.Search"
  std::string_view scope;      ///< permission the caller needs; empty: public
  std::string_view verb;       ///< REST binding: GET, POST, DELETE; empty: none
  std::string_view path;       ///< "/api/v1/jobs/{id}"
  std::uint32_t timeout_ms = 0;
  bool idempotent = false;  ///< may be sent twice with the effect of once
  bool streaming = false;   ///< answers with a stream
  std::string_view doc;     ///< the comment above it in the .proto, on one line
};

/// What the .proto says of a message's field: "tessera.v1.Chunk.page".
struct FieldDoc {
  std::string_view name;
  std::string_view doc;
};

struct ContractInfo {
  std::string_view full_name;
  std::span<const MethodInfo> methods;
};

}  // namespace tessera
