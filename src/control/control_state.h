#pragma once
// What the controller knows, as it is told to the process that takes its place.

#include "control/topology_plan.h"
#include "tessera/v1/succession.pb.h"

namespace tessera {

v1::FaultOnPurpose ToMessage(const FaultRule& rule);
FaultRule FromMessage(const v1::FaultOnPurpose& message);
v1::PlacementState ToMessage(const Placement& placement);
Placement FromMessage(const v1::PlacementState& message);

}  // namespace tessera
