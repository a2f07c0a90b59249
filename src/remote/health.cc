#include "grpc/health/v1/health.pb.h"
#include "remote/standard_services.h"

namespace tessera {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

Task<Result<std::string>> ReadName(std::shared_ptr<ServerCall> call) {
  CO_TRY(const std::optional<RawMessage> raw, co_await call->Read());
  HealthCheckRequest request;
  if (raw) CO_TRY(ParseMessage(*raw, 1 << 16, &request));
  co_return request.service();
}

}  // namespace

void HealthTable::Set(const std::string& service, bool serving) {
  std::lock_guard lock(mutex_);
  serving_[service] = serving;
  WakeWatchers();
}

void HealthTable::SetAll(bool serving) {
  std::lock_guard lock(mutex_);
  for (auto& [service, is] : serving_) is = serving;
  WakeWatchers();
}

void HealthTable::WakeWatchers() {
  for (const auto& [id, watcher] : watchers_) watcher.Complete(absl::OkStatus());
}

int HealthTable::Get(const std::string& service) {
  const auto found = serving_.find(service);
  if (found == serving_.end()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return found->second ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

Task<Status> HealthTable::Check(std::shared_ptr<ServerCall> call) {
  CO_TRY(const std::string service, co_await ReadName(call));
  HealthCheckResponse reply;
  {
    std::lock_guard lock(mutex_);
    reply.set_status(static_cast<HealthCheckResponse::ServingStatus>(Get(service)));
  }
  if (reply.status() == HealthCheckResponse::SERVICE_UNKNOWN) {
    co_return absl::NotFoundError("no such service here");
  }
  co_return co_await call->Send(&reply);
}

Task<Status> HealthTable::Watch(std::shared_ptr<ServerCall> call) {
  CO_TRY(std::string service, co_await ReadName(call));
  std::uint64_t id = 0;
  {
    std::lock_guard lock(mutex_);
    id = next_watcher_++;
  }
  Status ended = co_await Follow(std::move(call), std::move(service), id);
  std::lock_guard lock(mutex_);
  watchers_.erase(id);
  co_return ended;
}

Task<Status> HealthTable::Follow(std::shared_ptr<ServerCall> call, std::string service,
                                 std::uint64_t id) {
  HealthCheckResponse reply;
  int told = -1;
  while (true) {
    Waiter changed(call->ctx());
    int now = 0;
    {
      std::lock_guard lock(mutex_);
      now = Get(service);
      watchers_.insert_or_assign(id, changed.handle());
    }
    if (now == told) {
      CO_TRY(co_await changed);
      continue;
    }
    told = now;
    reply.set_status(static_cast<HealthCheckResponse::ServingStatus>(now));
    CO_TRY(co_await call->Send(&reply));
  }
}

}  // namespace tessera
