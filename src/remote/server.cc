#include "remote/server.h"

#include <set>
#include <unordered_set>

#include <sys/socket.h>
#include <unistd.h>

#include "net/http2_connection.h"
#include "net/stream_address.h"
#include "remote/server_call.h"
#include "remote/standard_services.h"
#include "runtime/waiter.h"

namespace tessera {
namespace {

constexpr char kHealth[] = "grpc.health.v1.Health";
constexpr char kReflection[] = "grpc.reflection.v1.ServerReflection";
constexpr char kReflectionAlpha[] = "grpc.reflection.v1alpha.ServerReflection";

/// The connections of one loop, touched on it only.
struct LoopSide {
  explicit LoopSide(IoLoop& on) : loop(on) {}
  IoLoop& loop;
  std::unordered_set<Http2ConnectionPtr> connections;
};

/// What a permit is asked about, besides the contracts.
constexpr MethodInfo kStandardMethods[] = {
    {.name = "Check", .full_name = "grpc.health.v1.Health.Check"},
    {.name = "Watch", .full_name = "grpc.health.v1.Health.Watch"},
    {.name = "ServerReflectionInfo",
     .full_name = "grpc.reflection.v1.ServerReflection.ServerReflectionInfo"},
    {.name = "ServerReflectionInfo",
     .full_name = "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo"},
};

// "/tessera.v1.Retrieval/Search" of "tessera.v1.Retrieval.Search".
std::string PathOf(std::string_view full_name) {
  std::string path = StrCat("/", full_name);
  path[path.rfind('.')] = '/';
  return path;
}

}  // namespace

struct RemoteServer::State {
  State(RemoteServerConfig config, IoLoops& loops, Executor& cpu)
      : shared{.config = std::move(config), .cpu = cpu} {
    for (std::size_t i = 0; i < loops.size(); ++i) {
      sides.push_back(std::make_unique<LoopSide>(loops[i]));
    }
    shared.call_ended = [this] { CheckIdle(); };
    health.Set("", true);
  }

  /// Wakes a drain when nothing is left.
  void CheckIdle() {
    if (!shared.draining.load() || shared.calls.load() != 0 || connections.load() != 0) return;
    std::lock_guard lock(mutex);
    if (idle) idle->Complete(absl::OkStatus());
  }

  ServerShared shared;
  std::vector<std::unique_ptr<LoopSide>> sides;
  std::vector<std::unique_ptr<StreamListener>> listeners;
  std::set<std::string> services;
  HealthTable health;
  std::atomic<std::int64_t> connections{0};
  std::atomic<std::size_t> next_side{0};
  std::mutex mutex;
  std::optional<WaiterHandle> idle;
  bool started = false;
  bool handed_over = false;
};

namespace {

// On the side's loop.
template <class StatePtr>
void TakeConnection(const StatePtr& state, LoopSide& side, ListenerTraits traits, int socket) {
  std::unique_ptr<TlsSession> tls;
  if (traits.tls != nullptr) {
    Result<std::unique_ptr<TlsSession>> session = traits.tls->NewServer();
    if (!session.ok()) {
      ::close(socket);
      state->connections.fetch_sub(1);
      state->CheckIdle();
      return;
    }
    tls = *std::move(session);
  }
  // Streams come later than the connection that they come on.
  const auto from = std::make_shared<const Http2Connection*>(nullptr);
  auto accept = [raw = state.get(), &side, traits, from](const Http2StreamPtr& stream) {
    return std::make_shared<ServerCall>(raw->shared, side.loop, traits, stream, (*from)->peer());
  };
  auto closed = [state, &side](Http2Connection& connection) {
    const auto& refused = state->shared.config.on_refused;
    if (connection.tls_failed() && refused) refused(connection.why_closed());
    side.connections.erase(connection.shared_from_this());
    state->connections.fetch_sub(1);
    state->CheckIdle();
  };
  Http2ConnectionPtr connection = Http2Connection::Start(
      side.loop, socket, Http2Connection::Side::kServer, state->shared.config.http2,
      std::move(accept), std::move(closed), std::move(tls));
  *from = connection.get();
  if (state->shared.draining.load()) connection->Drain();
  side.connections.insert(std::move(connection));
}

// Each connection goes to the next loop, and stays there.
template <class StatePtr>
void Accepted(const StatePtr& state, ListenerTraits traits, int socket) {
  if (state->connections.fetch_add(1) >= state->shared.config.connections_max) {
    state->connections.fetch_sub(1);
    ::close(socket);
    return;
  }
  LoopSide& side = *state->sides[state->next_side.fetch_add(1) % state->sides.size()];
  side.loop.Post([state, &side, traits, socket] { TakeConnection(state, side, traits, socket); });
}

}  // namespace

RemoteServer::RemoteServer(RemoteServerConfig config, IoLoops& loops, Executor& cpu)
    : state_(std::make_shared<State>(std::move(config), loops, cpu)) {}

RemoteServer::~RemoteServer() {
  CHECK(!state_->started || (state_->listeners.empty() && state_->connections.load() == 0));
}

void RemoteServer::Serve(std::vector<MethodBinding> methods) {
  CHECK(!state_->started);
  for (MethodBinding& method : methods) {
    const std::string path = PathOf(method.info->full_name);
    const std::string service = path.substr(1, path.rfind('/') - 1);
    if (state_->services.insert(service).second) state_->health.Set(service, true);
    state_->shared.methods[path].binding = std::move(method);
  }
}

Status RemoteServer::Start() {
  State& state = *state_;
  state.services.insert({kHealth, kReflection, kReflectionAlpha});
  const std::vector<std::string> services(state.services.begin(), state.services.end());
  auto& methods = state.shared.methods;
  for (const MethodInfo& method : kStandardMethods) {
    methods[PathOf(method.full_name)].binding.info = &method;
  }
  methods[StrCat("/", kHealth, "/Check")].serve = [&state](std::shared_ptr<ServerCall> call) {
    return state.health.Check(std::move(call));
  };
  methods[StrCat("/", kHealth, "/Watch")].serve = [&state](std::shared_ptr<ServerCall> call) {
    return state.health.Watch(std::move(call));
  };
  for (const bool alpha : {false, true}) {
    const std::string path =
        StrCat("/", alpha ? kReflectionAlpha : kReflection, "/ServerReflectionInfo");
    methods[path].serve = [services, alpha](std::shared_ptr<ServerCall> call) {
      return ServeReflection(std::move(call), services, alpha);
    };
  }
  for (const RemoteListener& listener : state.shared.config.listeners) {
    const ListenerTraits traits{.trusts_identity = listener.trusts_identity,
                                .health_only = listener.health_only,
                                .compresses = listener.compresses,
                                .tls = listener.tls.get()};
    auto accept = [weak = state_, traits](int socket) { Accepted(weak, traits, socket); };
    IoLoop& loop = state.sides.front()->loop;
    if (listener.adopted_socket >= 0) {
      TRY(auto adopted, StreamListener::Adopt(listener.adopted_socket, loop, std::move(accept)));
      state.listeners.push_back(std::move(adopted));
    } else {
      TRY(const StreamAddress address, ParseStreamAddress(listener.address));
      TRY(auto listening, StreamListener::Listen(address, loop, std::move(accept)));
      state.listeners.push_back(std::move(listening));
    }
    state.started = true;
  }
  return absl::OkStatus();
}

std::uint16_t RemoteServer::port(std::size_t listener) const {
  return state_->listeners[listener]->port();
}
int RemoteServer::HandOver(std::size_t listener) {
  state_->handed_over = true;
  return state_->listeners[listener]->HandOver();
}
void RemoteServer::TakeConnections(bool takes) {
  if (takes) state_->handed_over = false;
  for (const auto& listener : state_->listeners) listener->TakeConnections(takes);
}
void RemoteServer::SetServing(const std::string& contract, bool serving) {
  state_->health.Set(contract, serving);
}
std::int64_t RemoteServer::calls() const { return state_->shared.calls.load(); }
std::int64_t RemoteServer::connections() const { return state_->connections.load(); }

void RemoteServer::CutPeers(std::function<bool(const TlsPeer&)> unwanted) {
  for (const auto& side : state_->sides) {
    side->loop.Post([state = state_, at = side.get(), unwanted] {
      for (const Http2ConnectionPtr& connection : at->connections) {
        const std::shared_ptr<const TlsPeer> peer = connection->peer();
        if (peer && unwanted(*peer)) connection->Abort("the peer was revoked");
      }
    });
  }
}

Task<Status> RemoteServer::Drain(Ctx ctx) {
  Executor* const home = Executor::Current();
  // A successor serves at the same address: who asks there is not to look elsewhere.
  if (!state_->handed_over) state_->health.SetAll(false);
  for (const auto& listener : state_->listeners) co_await listener->Stop();
  state_->listeners.clear();
  Waiter graceful(ctx);
  {
    std::lock_guard lock(state_->mutex);
    state_->idle = graceful.handle();
  }
  state_->shared.draining.store(true);
  for (const auto& side : state_->sides) {
    side->loop.Post([state = state_, at = side.get()] {
      for (const Http2ConnectionPtr& connection : at->connections) connection->Drain();
    });
  }
  state_->CheckIdle();
  const Status ended = co_await graceful;
  if (!ended.ok()) {
    Waiter forced{Ctx()};
    {
      std::lock_guard lock(state_->mutex);
      state_->idle = forced.handle();
    }
    for (const auto& side : state_->sides) {
      side->loop.Post([state = state_, at = side.get()] {
        for (const Http2ConnectionPtr& connection : at->connections) {
          connection->Abort("the server stops");
        }
      });
    }
    state_->CheckIdle();
    const Status ignored = co_await forced;
  }
  // Whoever ended last may still be giving back its share, on its loop.
  for (const auto& side : state_->sides) co_await SwitchTo(side->loop);
  if (home != nullptr) co_await SwitchTo(*home);
  co_return ended;
}

}  // namespace tessera
