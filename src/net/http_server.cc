#include "net/http_server.h"

#include <mutex>
#include <unordered_set>

#include <boost/asio/steady_timer.hpp>
#include <sys/socket.h>

#include "base/str.h"
#include "net/http_connection.h"
#include "net/socket.h"
#include "runtime/waiter.h"

namespace tessera {
namespace {

using boost::asio::ip::tcp;
using Acceptor = boost::asio::basic_socket_acceptor<tcp, IoExecutor>;
using Timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;

constexpr Duration kTick = std::chrono::milliseconds(200);
constexpr int kBacklog = 1024;
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
    "retry-after: 1\r\nconnection: close\r\ncontent-length: 94\r\n\r\n"
    "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
    "\"detail\":\"too many clients\"}\n";
static_assert(kFull.size() - kFull.find("\r\n\r\n") - 4 == 94);

/// What runs on one loop.
struct LoopSide {
  explicit LoopSide(IoLoop& on)
      : loop(on), acceptor(on.context().get_executor()), timer(on.context().get_executor()) {}
  IoLoop& loop;
  Acceptor acceptor;
  Timer timer;
  std::unordered_set<HttpConnection*> connections;
};

}  // namespace

std::string FormatEndpoint(const tcp::endpoint& endpoint) {
  const bool v6 = endpoint.address().is_v6();
  return StrCat(v6 ? "[" : "", endpoint.address().to_string(), v6 ? "]:" : ":", endpoint.port());
}

struct HttpServer::State {
  State(HttpServerConfig config, HttpService& service, IoLoops& loops, Executor& blocking)
      : shared(std::move(config), service, blocking) {
    for (std::size_t i = 0; i < loops.size(); ++i) {
      sides.push_back(std::make_unique<LoopSide>(loops[i]));
    }
  }

  void Began() { running.fetch_add(1); }
  void Ended() {
    if (running.fetch_sub(1) != 1) return;
    std::lock_guard lock(mutex);
    if (all_ended) all_ended->Complete(absl::OkStatus());
  }

  HttpServerShared shared;
  std::vector<std::unique_ptr<LoopSide>> sides;
  std::uint16_t port = 0;
  std::atomic<int> running{0};
  std::mutex mutex;
  std::optional<WaiterHandle> all_ended;
};

namespace {

error_code Bind(Acceptor& acceptor, const tcp::endpoint& endpoint, bool shared) {
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (error) return error;
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (error) return error;
  const int one = 1;
  if (shared) {
    ::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  }
  acceptor.bind(endpoint, error);
  return error;
}

Status BindError(const tcp::endpoint& endpoint, const error_code& error) {
  const std::string hint =
      error == boost::asio::error::address_in_use
          ? "; another program has it: choose another port with --http ADDRESS:PORT"
          : "";
  return absl::UnavailableError(
      StrCat("cannot listen on ", FormatEndpoint(endpoint), ": ", error.message(), hint));
}

template <class State>
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): `state` owns the side
Task<void> Serve(std::shared_ptr<State> state, LoopSide& side,
                 std::unique_ptr<HttpConnection> connection) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  side.connections.insert(connection.get());
  co_await connection->Run();
  side.connections.erase(connection.get());
}

template <class State>
void Admit(const std::shared_ptr<State>& state, LoopSide& side, TcpSocket socket) {
  error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;
  socket.native_non_blocking(true, error);
  socket.set_option(tcp::no_delay(true), error);
  HttpServerShared& shared = state->shared;
  if (shared.connections.fetch_add(1) >= shared.config.connections_max) {
    shared.connections.fetch_sub(1);
    const ssize_t ignored =
        ::send(socket.native_handle(), kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    return;
  }
  auto connection = std::make_unique<HttpConnection>(
      shared, side.loop, std::move(socket), FormatEndpoint(peer), peer.address().is_loopback());
  state->Began();
  Spawn(Serve(state, side, std::move(connection)), [state] {
    state->shared.connections.fetch_sub(1);
    state->Ended();
  });
}

template <class State>
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): `state` owns the side
Task<void> AcceptLoop(std::shared_ptr<State> state, LoopSide& side) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  co_await SwitchTo(side.loop);
  while (!state->shared.draining.load()) {
    TcpSocket socket(side.loop.context().get_executor());
    const auto start = [&](auto done) { side.acceptor.async_accept(socket, std::move(done)); };
    IoWait accepted(start);
    const error_code error = co_await accepted;
    if (state->shared.draining.load() || error == boost::asio::error::operation_aborted) break;
    if (!error) {
      Admit(state, side, std::move(socket));
      continue;
    }
    // Out of descriptors, most likely: leave time for some to be closed.
    Timer pause(side.loop.context().get_executor(), kTick);
    const auto sleep = [&](auto done) { pause.async_wait(std::move(done)); };
    IoWait slept(sleep);
    co_await slept;
  }
}

template <class State>
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): `state` owns the side
Task<void> TickLoop(std::shared_ptr<State> state, LoopSide& side) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  co_await SwitchTo(side.loop);
  while (!state->shared.draining.load() || !side.connections.empty()) {
    side.timer.expires_after(state->shared.draining.load() ? kTick / 10 : kTick);
    const auto sleep = [&](auto done) { side.timer.async_wait(std::move(done)); };
    IoWait slept(sleep);
    co_await slept;
    const SteadyTime now = Now();
    for (HttpConnection* connection : side.connections) connection->Tick(now);
  }
}

}  // namespace

HttpServer::HttpServer(HttpServerConfig config, HttpService& service, IoLoops& loops,
                       Executor& blocking)
    : state_(std::make_shared<State>(std::move(config), service, loops, blocking)) {}

HttpServer::~HttpServer() { CHECK(state_->running.load() == 0); }

Status HttpServer::Start() {
  const HttpServerConfig& config = state_->shared.config;
  error_code error;
  const auto address = boost::asio::ip::make_address(config.address, error);
  if (error) {
    return absl::InvalidArgumentError(
        StrCat("cannot listen on \"", config.address, "\": not an IP address"));
  }
  tcp::endpoint endpoint(address, config.port);
  {
    // SO_REUSEPORT would let a second server of the same user share the port in silence.
    Acceptor probe(state_->sides.front()->loop.context().get_executor());
    error = Bind(probe, endpoint, false);
    if (error) return BindError(endpoint, error);
    endpoint = probe.local_endpoint(error);
  }
  for (const auto& side : state_->sides) {
    error = Bind(side->acceptor, endpoint, true);
    if (!error) side->acceptor.listen(kBacklog, error);
    if (error) return BindError(endpoint, error);
  }
  state_->port = endpoint.port();
  for (const auto& side : state_->sides) {
    state_->Began();
    state_->Began();
    Spawn(AcceptLoop(state_, *side), [state = state_] { state->Ended(); });
    Spawn(TickLoop(state_, *side), [state = state_] { state->Ended(); });
  }
  return absl::OkStatus();
}

std::uint16_t HttpServer::port() const { return state_->port; }
std::size_t HttpServer::connections() const { return state_->shared.connections.load(); }

Task<Status> HttpServer::Drain(Ctx ctx) {
  Executor* const home = Executor::Current();
  const Status ended = co_await End(std::move(ctx));
  // Whoever ended last may still be giving back its share of the state, on its loop. A turn on each
  // loop waits for that, so that the loops may go as soon as this server has gone.
  for (const auto& side : state_->sides) co_await SwitchTo(side->loop);
  if (home != nullptr) co_await SwitchTo(*home);
  co_return ended;
}

Task<Status> HttpServer::End(Ctx ctx) {
  Waiter graceful(ctx);
  {
    std::lock_guard lock(state_->mutex);
    state_->all_ended = graceful.handle();
  }
  state_->shared.draining.store(true);
  for (const auto& side : state_->sides) {
    side->loop.Post([state = state_, at = side.get()] {
      error_code ignored;
      at->acceptor.close(ignored);
      at->timer.cancel();
      for (HttpConnection* connection : at->connections) connection->Drain();
    });
  }
  if (state_->running.load() == 0) graceful.handle().Complete(absl::OkStatus());
  Status ended = co_await graceful;
  if (ended.ok()) co_return ended;
  Waiter forced{Ctx()};
  {
    std::lock_guard lock(state_->mutex);
    state_->all_ended = forced.handle();
  }
  for (const auto& side : state_->sides) {
    side->loop.Post([state = state_, at = side.get(), ended] {
      for (HttpConnection* connection : at->connections) connection->Abort(ended);
    });
  }
  if (state_->running.load() == 0) forced.handle().Complete(absl::OkStatus());
  const Status ignored = co_await forced;
  co_return ended;
}

}  // namespace tessera
