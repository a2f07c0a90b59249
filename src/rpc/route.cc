#include "rpc/route.h"

#include "base/ids.h"

namespace tessera {

CallRoute::CallRoute(RouteTable& table, const ContractInfo& contract)
    : table_(table),
      contract_(contract),
      id_(table.Find(contract.full_name)),
      nanoseconds_per_tick_(CycleClock::NanosecondsPerTick()),
      metrics_(contract.methods.size()) {}

CallRoute::~CallRoute() = default;

Status CallRoute::NoInstance() const {
  return absl::UnavailableError(
      StrCat("no instance of ", contract_.full_name, " is serving now; try again in a moment"));
}

}  // namespace tessera
