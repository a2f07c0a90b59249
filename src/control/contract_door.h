#pragma once
// What a process does with a contract whatever it says: serve it to other processes, and call it
// in them.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "remote/caller.h"
#include "rpc/binding.h"
#include "rpc/route.h"

namespace tessera {

/// One contract. Thread-safe; lives as long as the process.
class ContractDoor {
 public:
  virtual ~ContractDoor() = default;
  virtual const ContractInfo& info() const = 0;
  /// The name of the service that has this contract: "retrieval".
  virtual const std::string& service() const = 0;
  /// The contract as `peer` serves it.
  virtual InstancePtr Elsewhere(std::string name, std::shared_ptr<RemoteCaller> peer) const = 0;
  /// For a server: its calls go to the instances of this process.
  virtual std::vector<MethodBinding> Bindings() = 0;
};

template <class Contract, class Remote>
class DoorOf final : public ContractDoor {
 public:
  /// `served`: the instances of this process.
  DoorOf(std::string service, RouteTable& served) : service_(std::move(service)), served_(served) {}

  const ContractInfo& info() const override { return Contract::kContract; }
  const std::string& service() const override { return service_; }
  InstancePtr Elsewhere(std::string name, std::shared_ptr<RemoteCaller> peer) const override {
    auto held = std::make_shared<Held>(std::move(peer));
    Contract* const target = &held->remote;
    return MakeInstance<Contract>(std::move(name), std::shared_ptr<Contract>(held, target));
  }
  std::vector<MethodBinding> Bindings() override { return Bind(served_); }

 private:
  struct Held {
    explicit Held(std::shared_ptr<RemoteCaller> with) : peer(std::move(with)), remote(*peer) {}
    const std::shared_ptr<RemoteCaller> peer;
    Remote remote;
  };

  const std::string service_;
  typename RouterFor<Contract>::type served_;
};

}  // namespace tessera
