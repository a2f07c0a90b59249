#pragma once
// How a test reaches the service that it tests, so that the same test says that a boundary between
// processes changes nothing. TESSERA_TEST_DOOR names the way:
//
//   direct   the service itself (when nothing is said)
//   grpc     test ══ gRPC, Unix socket ══ service, all in the test's process
//   process  test ══ gRPC ══ a process of its own ══ gRPC ══ service
//
// On the last two each idempotent call is secretly made twice, and the test sees the second answer.
// tessera_module(… DOORS filter) has ctest run a test program once a way.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "remote/caller.h"
#include "rpc/binding.h"

namespace tessera {

/// For neighbours whose calls a test counts.
enum class Repeats { kIdempotent, kNothing };

/// The socket, the server and, on the way `process`, the process between. Null on the way `direct`.
class TestWire {
 public:
  static std::unique_ptr<TestWire> To(std::string_view contract, std::vector<MethodBinding> methods,
                                      Repeats repeats);
  virtual ~TestWire() = default;
  virtual RemoteCaller& caller() = 0;
};

/// A contract's instance, reached the way that the environment says. Whoever holds the door calls
/// through it and destroys it before the service; by then every call has ended.
template <class Contract, class Remote>
class TestDoor {
 public:
  explicit TestDoor(Contract& service, Repeats repeats = Repeats::kIdempotent)
      : service_(service),
        wire_(TestWire::To(Contract::kContract.full_name, Bind(service), repeats)) {
    if (wire_) remote_.emplace(wire_->caller());
  }
  TestDoor(const TestDoor&) = delete;

  Contract& operator*() { return remote_ ? static_cast<Contract&>(*remote_) : service_; }
  Contract* operator->() { return &**this; }

 private:
  Contract& service_;
  const std::unique_ptr<TestWire> wire_;
  std::optional<Remote> remote_;
};

}  // namespace tessera
