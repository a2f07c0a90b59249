#pragma once
// The edge's own work around every handler: route, who, limits, errors, compression, figures.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "edge/auth.h"
#include "edge/origin.h"
#include "edge/router_http.h"
#include "runtime/resource_use.h"
#include "telemetry/metrics.h"
#include "telemetry/trace_recorder.h"

namespace tessera {

struct EdgeLimits {
  std::uint32_t in_flight_max = 512;  ///< requests and streams at once, health and metrics apart
  std::uint64_t compress_bytes_min = 1024;  ///< replies below are sent as they are
};

/// Serves `routes`. Everything it is given outlives it. Thread-safe.
class EdgeService final : public HttpService {
 public:
  EdgeService(EdgeLimits limits, HttpRoutes routes, const Authenticator& authenticator,
              OriginPolicy origins, Executor& cpu);

  Admission Admit(HttpRequest& request) override;
  Task<HttpReply> Handle(Ctx ctx, HttpRequest request) override;
  HttpReply OnBadRequest(const HttpRequest* request, int status, std::string_view detail) override;
  void OnSent(const Ctx& ctx, int status, std::uint64_t bytes, bool sent) override;

  const HttpRoutes& routes() const { return routes_; }
  std::uint32_t in_flight() const { return in_flight_->load(); }
  /// Replies since this process started, and those of them that say 5xx.
  struct Answered {
    std::uint64_t all = 0;
    std::uint64_t faults = 0;
  };
  Answered answered() const;

  /// What is counted of one route; `in_flight` outlives the replies that hold it.
  struct RouteState {
    const Route* route = nullptr;
    std::shared_ptr<std::atomic<std::uint32_t>> in_flight;
    Histogram* seconds = nullptr;
    std::string_view span_name;  ///< "POST /v1/chat/completions"; lives as long as the process
    std::unique_ptr<RouteTail> tail;
    bool has_parameters = false;  ///< the path says more than the pattern
    bool is_probe = false;
    Counter* by_class[6] = {};  ///< 0: others, 1 … 5: 1xx … 5xx
    void Count(int status) const;
  };
  /// What is to be done when a stream has ended, and how.
  using Ended = std::function<void(const Ctx& ctx, const Status& how)>;

 private:
  Result<const Route*> AdmitRequest(HttpRequest& request, ErrorShape* shape,
                                    std::optional<HttpReply>* reply);
  void BeginTrace(HttpRequest& request, RouteState& state) const;
  void TraceRefusal(HttpRequest& request, int status) const;
  Status CheckCaller(HttpRequest& request, const Route& route) const;
  static void CountStream(const RouteState& state, int status, const Ctx& ctx, const Status& how);
  Task<Result<HttpReply>> CallHandler(Ctx ctx, const Route* route, HttpRequest request);
  Task<HttpReply> Finish(HttpReply reply, std::string accept_encoding);

  const EdgeLimits limits_;
  const HttpRoutes routes_;
  const Authenticator& authenticator_;
  const OriginPolicy origins_;
  Executor& cpu_;
  std::unordered_map<const Route*, std::shared_ptr<RouteState>> states_;
  std::shared_ptr<std::atomic<std::uint32_t>> in_flight_;
  Counter& bytes_sent_;
  Counter& clients_gone_;
  Counter& bad_requests_;
  std::atomic<std::uint64_t> rejected_{0};  // for lack of a place in flight
  ResourceProbe probe_;
};

}  // namespace tessera
