#pragma once
// What a call is hashed by: who calls, or a field of its request.

#include <cstdint>
#include <string>
#include <vector>

#include <google/protobuf/message_lite.h>

#include "base/ctx.h"
#include "remote/mesh_config.h"

namespace tessera {

/// Thread-safe.
class RequestKey {
 public:
  explicit RequestKey(const BalanceConfig& config);
  /// 0 when the call has no such key.
  std::uint64_t Of(const Ctx& ctx, const google::protobuf::MessageLite& request) const;

 private:
  enum class From { kNothing, kPrincipal, kTenant, kRequestId, kField };
  From from_ = From::kNothing;
  std::vector<std::string> path_;
  std::size_t bytes_max_;
};

}  // namespace tessera
