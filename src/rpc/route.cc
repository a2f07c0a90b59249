#include "rpc/route.h"

#include "base/ids.h"

namespace tessera {

CallRoute::CallRoute(RouteTable& table, const ContractInfo& contract)
    : table_(table),
      contract_(contract),
      id_(table.Find(contract.full_name)),
      metrics_(contract.methods.size()) {
  CycleClock::NanosecondsPerTick();  // measured now, not in the first call
}

CallRoute::~CallRoute() = default;

Status CallRoute::NoInstance() const {
  return absl::UnavailableError(
      StrCat("no instance of ", contract_.full_name, " is serving now; try again in a moment"));
}

}  // namespace tessera
