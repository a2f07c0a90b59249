#include "control/control_state.h"

#include <chrono>

namespace tessera {

v1::FaultOnPurpose ToMessage(const FaultRule& rule) {
  v1::FaultOnPurpose fault;
  fault.set_method(rule.method);
  fault.set_header(rule.header);
  fault.set_header_value(rule.header_value);
  fault.set_delay_percent(rule.delay_percent);
  fault.set_delay_us(std::chrono::duration_cast<std::chrono::microseconds>(rule.delay).count());
  fault.set_abort_percent(rule.abort_percent);
  fault.set_abort_code(rule.abort_code);
  return fault;
}

FaultRule FromMessage(const v1::FaultOnPurpose& message) {
  return FaultRule{.method = message.method(),
                   .header = message.header(),
                   .header_value = message.header_value(),
                   .delay_percent = message.delay_percent(),
                   .delay = std::chrono::microseconds(message.delay_us()),
                   .abort_percent = message.abort_percent(),
                   .abort_code = message.abort_code()};
}

v1::PlacementState ToMessage(const Placement& placement) {
  v1::PlacementState message;
  message.set_in_root(placement.in_root);
  message.set_group(placement.group);
  for (const std::string& service : placement.spec.services) message.add_services(service);
  message.set_replicas(placement.spec.replicas);
  message.set_revision(placement.spec.revision);
  message.set_binary(placement.spec.binary);
  message.set_cpus(placement.spec.cpus);
  for (const FaultRule& rule : placement.spec.faults) *message.add_faults() = ToMessage(rule);
  return message;
}

Placement FromMessage(const v1::PlacementState& message) {
  Placement placement{.in_root = message.in_root(), .group = message.group()};
  GroupSpec& spec = placement.spec;
  spec.services.assign(message.services().begin(), message.services().end());
  spec.replicas = message.replicas();
  spec.revision = message.revision();
  spec.binary = message.binary();
  spec.cpus = message.cpus();
  for (const v1::FaultOnPurpose& fault : message.faults())
    spec.faults.push_back(FromMessage(fault));
  return placement;
}

}  // namespace tessera
