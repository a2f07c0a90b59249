#pragma once
// Public routes that others answer: another method, an HTTP endpoint, by weight or by flag.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "edge/proxy/mirror.h"
#include "rpc/binding.h"

namespace tessera {

/// Takes its place before the handlers of routes, and changes who answers them while they are
/// asked. Thread-safe. Outlives the edge that serves them; Stop() it after the edge was drained.
class ProxyRoutes {
 public:
  struct Parts {
    HttpRoutes* routes = nullptr;                          ///< of an edge that has not started
    const std::vector<MethodBinding>* bindings = nullptr;  ///< outlives this
    IoLoops* loops = nullptr;
    Executor* executor = nullptr;  ///< for what is mirrored
  };
  /// Adds GET /admin/v1/mirrors. INVALID_ARGUMENT names what is wrong.
  static Result<std::unique_ptr<ProxyRoutes>> Install(const ProxyConfig& config, Parts parts);

  /// Whether Follow would take them.
  Status Check(const std::vector<ProxyRouteConfig>& routes) const;
  /// From the return on, new requests go by `routes`, and those of other routes by what Install was
  /// given. Requests and streams under way end where they began. Nothing changes on an error.
  Status Follow(const std::vector<ProxyRouteConfig>& routes);

  /// Ends what is mirrored.
  Task<Status> Stop(Ctx ctx) { return background_.Stop(std::move(ctx)); }

 private:
  /// Who answers one public route. Lives until its last request has ended.
  struct Switched {
    std::string flag;
    RouteHandler own;
    std::vector<std::unique_ptr<const ProxyTarget>> targets;
    std::vector<Counter*> counters;
    std::uint64_t weights = 0;
    std::unique_ptr<Mirror> mirror;

    std::size_t Choose(const Ctx& ctx) const;
  };
  using SwitchedPtr = std::shared_ptr<const Switched>;
  /// A public route's place, taken at Install whether somebody else answers it or not.
  struct Slot {
    std::string name;  ///< "POST /v1/chatqna"
    RouteHandler own;
    bool takes_files = false;
    std::atomic<bool> switched{false};  ///< false: `now` need not be looked at
    std::mutex mutex;
    SwitchedPtr now;  // under mutex

    SwitchedPtr Now();
    void Set(SwitchedPtr next);
  };
  /// By place in slots_.
  using Choice = std::vector<SwitchedPtr>;

  ProxyRoutes(ProxyConfig config, Parts parts) : config_(std::move(config)), parts_(parts) {}
  static Task<Result<HttpReply>> Answer(SwitchedPtr self, Ctx ctx, HttpRequest request);
  void TakePlaces();
  void AddMirrorsRoute();
  Result<RouteHandler> HandlerOf(const ProxyTargetConfig& target, const Slot& slot) const;
  Status AddTargets(const ProxyRouteConfig& config, const Slot& slot, Switched* switched) const;
  Result<SwitchedPtr> Make(const ProxyRouteConfig& config, const Slot& slot) const;
  Status Add(const std::vector<ProxyRouteConfig>& routes, Choice* choice) const;
  std::string MirrorsJson() const;

  const ProxyConfig config_;
  const Parts parts_;
  mutable Scope background_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

}  // namespace tessera
