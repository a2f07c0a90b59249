#pragma once
// Public routes that others answer: another method, an HTTP endpoint, by weight or by flag.

#include <memory>
#include <string>
#include <vector>

#include "edge/proxy/mirror.h"
#include "rpc/binding.h"

namespace tessera {

/// Takes its place before the handlers of routes. Outlives the edge that serves them; Stop() it
/// after the edge was drained.
class ProxyRoutes {
 public:
  struct Parts {
    HttpRoutes* routes = nullptr;  ///< of an edge that has not started
    const std::vector<MethodBinding>* bindings = nullptr;
    IoLoops* loops = nullptr;
    Executor* executor = nullptr;  ///< for what is mirrored
  };
  /// Adds GET /admin/v1/mirrors. INVALID_ARGUMENT names what is wrong.
  static Result<std::unique_ptr<ProxyRoutes>> Install(const ProxyConfig& config, Parts parts);

  /// Ends what is mirrored.
  Task<Status> Stop(Ctx ctx) { return background_.Stop(std::move(ctx)); }

 private:
  /// One public route and who answers it.
  struct Switched {
    std::string flag;
    RouteHandler own;
    std::vector<std::unique_ptr<const ProxyTarget>> targets;
    std::vector<Counter*> counters;
    std::uint64_t weights = 0;
    std::unique_ptr<Mirror> mirror;

    std::size_t Choose(const Ctx& ctx) const;
    Task<Result<HttpReply>> Handle(Ctx ctx, HttpRequest request) const;
  };

  static Result<RouteHandler> HandlerOf(const ProxyTargetConfig& target, const Route& route,
                                        const Parts& parts);
  Status AddTargets(const ProxyRouteConfig& config, const Route& route, const Parts& parts,
                    std::uint64_t reply_bytes_max, Switched* switched);
  Status Switch(const ProxyRouteConfig& config, const Parts& parts, std::uint64_t reply_bytes_max);
  std::string MirrorsJson() const;

  Scope background_;
  std::vector<std::unique_ptr<Switched>> switched_;
};

}  // namespace tessera
