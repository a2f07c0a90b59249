#include "net/http_server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <unordered_set>

#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

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
  explicit LoopSide(IoLoop& on) : loop(on), timer(on.context().get_executor()) {}
  IoLoop& loop;
  Timer timer;
  std::unordered_set<HttpConnection*> connections;
};

/// A listening socket on a loop.
struct Door {
  explicit Door(LoopSide& on) : side(on), acceptor(on.loop.context().get_executor()) {}
  LoopSide& side;
  Acceptor acceptor;
  bool waits = false;  ///< an AcceptLoop runs; touched on the loop
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

  void ConnectionEnded() {
    if (shared.connections.fetch_sub(1) == 1 && shared.leaving.load()) CheckLeft();
    Ended();
  }
  void CheckLeft() {
    if (shared.connections.load() != 0) return;
    std::lock_guard lock(mutex);
    if (left) left->Complete(absl::OkStatus());
  }

  HttpServerShared shared;
  std::vector<std::unique_ptr<LoopSide>> sides;
  std::vector<std::unique_ptr<Door>> doors;
  std::atomic<bool> accepts{true};
  std::uint16_t port = 0;
  std::atomic<int> running{0};
  std::mutex mutex;
  std::optional<WaiterHandle> all_ended;
  std::optional<WaiterHandle> left;
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
  // A child process that held it too would keep it open.
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
  socket.native_non_blocking(true, error);
  socket.set_option(tcp::no_delay(true), error);
  HttpServerShared& shared = state->shared;
  if (shared.connections.fetch_add(1) >= shared.config.connections_max) {
    shared.connections.fetch_sub(1);
    shared.refused.fetch_add(1, std::memory_order_relaxed);
    const ssize_t ignored =
        ::send(socket.native_handle(), kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)ignored;
    return;
  }
  auto connection = std::make_unique<HttpConnection>(
      shared, side.loop, std::move(socket), FormatEndpoint(peer), peer.address().is_loopback());
  state->Began();
  Spawn(Serve(state, side, std::move(connection)), [state] { state->ConnectionEnded(); });
}

template <class State>
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): `state` owns the door
Task<void> AcceptLoop(std::shared_ptr<State> state, Door& door) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  co_await SwitchTo(door.side.loop);
  door.waits = true;
  IoLoop& loop = door.side.loop;
  while (state->accepts.load() && !state->shared.draining.load()) {
    TcpSocket socket(loop.context().get_executor());
    const auto start = [&](auto done) { door.acceptor.async_accept(socket, std::move(done)); };
    IoWait accepted(start);
    const error_code error = co_await accepted;
    // Also when this has just been told to accept no more: nobody else can take it.
    if (!error) Admit(state, door.side, std::move(socket));
    if (!error || error == boost::asio::error::operation_aborted) continue;
    // Out of descriptors, most likely: leave time for some to be closed.
    Timer pause(loop.context().get_executor(), kTick);
    const auto sleep = [&](auto done) { pause.async_wait(std::move(done)); };
    IoWait slept(sleep);
    co_await slept;
  }
  door.waits = false;
}

template <class State>
void BeginToAccept(const std::shared_ptr<State>& state, Door& door) {
  state->Began();
  Spawn(AcceptLoop(state, door), [state] { state->Ended(); });
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

namespace {

// One socket a loop.
template <class State>
Status Listen(State& state) {
  const HttpServerConfig& config = state.shared.config;
  error_code error;
  const auto address = boost::asio::ip::make_address(config.address, error);
  if (error) {
    return absl::InvalidArgumentError(
        StrCat("cannot listen on \"", config.address, "\": not an IP address"));
  }
  tcp::endpoint endpoint(address, config.port);
  {
    // SO_REUSEPORT would let a second server of the same user share the port in silence.
    Acceptor probe(state.sides.front()->loop.context().get_executor());
    error = Bind(probe, endpoint, false);
    if (error) return BindError(endpoint, error);
    endpoint = probe.local_endpoint(error);
  }
  for (const auto& side : state.sides) {
    Door& door = *state.doors.emplace_back(std::make_unique<Door>(*side));
    error = Bind(door.acceptor, endpoint, true);
    if (!error) door.acceptor.listen(kBacklog, error);
    if (error) return BindError(endpoint, error);
  }
  state.port = endpoint.port();
  return absl::OkStatus();
}

// Every socket has a loop, and every loop a socket, however many there are of both.
template <class State>
Status Adopt(State& state) {
  const std::vector<int>& adopted = state.shared.config.adopted;
  const std::size_t count = std::max(adopted.size(), state.sides.size());
  for (std::size_t i = 0; i < count; ++i) {
    Door& door =
        *state.doors.emplace_back(std::make_unique<Door>(*state.sides[i % state.sides.size()]));
    const int socket =
        i < adopted.size() ? adopted[i] : ::fcntl(adopted[i % adopted.size()], F_DUPFD_CLOEXEC, 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    tcp::endpoint endpoint;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0 ||
        size > endpoint.capacity())
      return absl::InvalidArgumentError("what was handed over is no listening socket");
    std::memcpy(endpoint.data(), &bound, size);
    endpoint.resize(size);
    error_code error;
    door.acceptor.assign(endpoint.protocol(), socket, error);
    if (error) return absl::UnavailableError(StrCat("cannot listen: ", error.message()));
    state.port = endpoint.port();
  }
  return absl::OkStatus();
}

}  // namespace

Status HttpServer::Start() {
  TRY(state_->shared.config.adopted.empty() ? Listen(*state_) : Adopt(*state_));
  for (const auto& side : state_->sides) {
    state_->Began();
    Spawn(TickLoop(state_, *side), [state = state_] { state->Ended(); });
  }
  for (const auto& door : state_->doors) BeginToAccept(state_, *door);
  return absl::OkStatus();
}

Result<std::vector<int>> HttpServer::HandOver() const {
  std::vector<int> handles;
  for (const auto& door : state_->doors) {
    handles.push_back(::fcntl(door->acceptor.native_handle(), F_DUPFD_CLOEXEC, 0));
    if (handles.back() >= 0) continue;
    const int error = errno;
    handles.pop_back();
    for (const int handle : handles) ::close(handle);
    return absl::UnavailableError(
        StrCat("cannot hand a listening socket over: ", std::strerror(error)));
  }
  return handles;
}

void HttpServer::Accept(bool accepts) {
  state_->accepts.store(accepts);
  for (const auto& door : state_->doors) {
    door->side.loop.Post([state = state_, at = door.get()] {
      error_code ignored;
      if (!state->accepts.load()) at->acceptor.cancel(ignored);
      if (state->accepts.load() && !at->waits && !state->shared.draining.load())
        BeginToAccept(state, *at);
    });
  }
}

Task<Status> HttpServer::Leave(Ctx ctx) {
  Accept(false);
  Waiter left(ctx);
  {
    std::lock_guard lock(state_->mutex);
    state_->left = left.handle();
  }
  state_->shared.leaving.store(true);
  for (const auto& side : state_->sides) {
    side->loop.Post([state = state_, at = side.get()] {
      for (HttpConnection* connection : at->connections) connection->Leave();
    });
  }
  // A turn on each loop: what was accepted before is counted now.
  Executor* const home = Executor::Current();
  for (const auto& side : state_->sides) co_await SwitchTo(side->loop);
  if (home != nullptr) co_await SwitchTo(*home);
  state_->CheckLeft();
  co_return co_await left;
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
  for (const auto& door : state_->doors) {
    door->side.loop.Post([state = state_, at = door.get()] {
      error_code ignored;
      if (!at->acceptor.is_open()) return;
      // Not close(): a successor's handle would keep the socket in this loop's set.
      ::close(at->acceptor.release(ignored));
    });
  }
  for (const auto& side : state_->sides) {
    side->loop.Post([state = state_, at = side.get()] {
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
