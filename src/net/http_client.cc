#include "net/http_client.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "base/str.h"
#include "net/client_connection.h"
#include "net/compress.h"
#include "net/http_error.h"

namespace tessera {

using ConnectionPtr = std::shared_ptr<ClientConnection>;

namespace {

constexpr std::size_t kKnownUrlsMax = 256;  // URLs that are kept read
constexpr std::size_t kHeadFirst = 256;     // of a request, besides target and headers

/// A URL, read; servers are asked by the same few again and again.
struct KnownUrl {
  explicit KnownUrl(Url from)
      : url(std::move(from)),
        authority(url.Authority()),
        origin(StrCat(url.scheme, "://", authority)) {}

  const Url url;
  const std::string authority;
  const std::string origin;
};
using KnownUrlPtr = std::shared_ptr<const KnownUrl>;

}  // namespace

struct HttpClient::State {
  State(HttpClientConfig settings, IoLoops& on)
      : config(std::move(settings)), loops(on), tls(boost::asio::ssl::context::tls_client) {
    error_code error;
    tls.set_options(boost::asio::ssl::context::default_workarounds |
                        boost::asio::ssl::context::no_tlsv1 | boost::asio::ssl::context::no_tlsv1_1,
                    error);
    if (config.ca_file.empty()) {
      tls.set_default_verify_paths(error);
    } else {
      tls.load_verify_file(config.ca_file, error);
    }
    if (!config.certificate_file.empty()) {
      tls.use_certificate_chain_file(config.certificate_file, error);
      tls.use_private_key_file(config.key_file, boost::asio::ssl::context::pem, error);
    }
  }

  Result<KnownUrlPtr> UrlOf(const std::string& url) {
    {
      std::lock_guard lock(mutex);
      const auto known = known_urls.find(url);
      if (known != known_urls.end()) return known->second;
    }
    TRY(Url read, ParseUrl(url));
    KnownUrlPtr target = std::make_shared<const KnownUrl>(std::move(read));
    std::lock_guard lock(mutex);
    if (known_urls.size() >= kKnownUrlsMax) known_urls.clear();
    known_urls.emplace(url, target);
    return target;
  }

  // An idle connection to the origin, or nothing. Who is on one of the loops gets one of that loop:
  // a new connection costs once what going to another thread costs each time.
  ConnectionPtr TakeIdle(const std::string& origin) {
    const Executor* const here = loops.Current();
    std::lock_guard lock(mutex);
    const SteadyTime oldest = Now() - config.idle_timeout;
    auto fresh = idle.begin();  // they lie in the order in which they became idle
    while (fresh != idle.end() && (*fresh)->idle_since() < oldest) ++fresh;
    idle.erase(idle.begin(), fresh);
    for (auto it = idle.rbegin(); it != idle.rend(); ++it) {
      if ((*it)->origin() != origin || (here != nullptr && &(*it)->loop() != here)) continue;
      ConnectionPtr taken = *it;
      idle.erase(std::next(it).base());
      return taken;
    }
    return nullptr;
  }

  void GiveIdle(ConnectionPtr connection) {
    if (config.idle_connections_max == 0) return;  // it closes here, on its own loop
    std::lock_guard lock(mutex);
    connection->BeginIdle();
    if (idle.size() >= config.idle_connections_max) idle.erase(idle.begin());
    idle.push_back(std::move(connection));
  }

  const HttpClientConfig config;
  IoLoops& loops;
  boost::asio::ssl::context tls;
  std::mutex mutex;
  std::vector<ConnectionPtr> idle;
  std::unordered_map<std::string, KnownUrlPtr> known_urls;
};

namespace {

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string FormatHead(const HttpClientRequest& request, const KnownUrl& to,
                       const HttpClientConfig& config) {
  std::string out;
  out.reserve(kHeadFirst + to.url.target.size() + request.headers.wire().size());
  StrAppend(&out, Name(request.method), " ", to.url.target, " HTTP/1.1\r\nhost: ", to.authority,
            "\r\n");
  out.append(request.headers.wire());
  if (!request.headers.Has("user-agent")) {
    StrAppend(&out, "user-agent: ", config.user_agent, "\r\n");
  }
  if (!request.headers.Has("accept-encoding")) out.append("accept-encoding: gzip\r\n");
  const bool sends_body =
      request.method == HttpMethod::kPost || request.method == HttpMethod::kPut ||
      request.method == HttpMethod::kPatch || !request.body.empty() || request.stream != nullptr;
  const std::uint64_t size = request.stream ? request.stream_size : request.body.size();
  if (sends_body) StrAppend(&out, "content-length: ", size, "\r\n");
  out.append("\r\n");
  return out;
}

/// A reply's body: from the connection, decoded, bounded; gives the connection back at its end.
template <class State>
class ReplyBody final : public Stream<std::string> {
 public:
  ReplyBody(std::shared_ptr<State> state, ConnectionPtr connection, Coding coding)
      : state_(std::move(state)),
        connection_(std::move(connection)),
        decompressor_(coding, state_->config.reply_bytes_max) {}
  ~ReplyBody() override { Drop(); }

  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    const bool on_loop = connection_ && Executor::Current() == &connection_->loop();
    return on_loop ? NextOnLoop(std::move(ctx)) : NextFromElsewhere(std::move(ctx));
  }

 private:
  Task<Result<std::optional<std::string>>> NextFromElsewhere(Ctx ctx) {
    if (!connection_) co_return std::nullopt;
    Executor* const home = Executor::Current();
    co_await SwitchTo(connection_->loop());
    Result<std::optional<std::string>> piece = co_await NextOnLoop(std::move(ctx));
    if (home != nullptr) co_await SwitchTo(*home);
    co_return piece;
  }

  Task<Result<std::optional<std::string>>> NextOnLoop(Ctx ctx) {
    while (connection_) {
      CO_TRY(ctx.Check());
      Ctx bounded = ctx.WithTimeout(state_->config.stall_timeout);
      CO_TRY(std::optional<std::string> raw, co_await connection_->ReadBody(std::move(bounded)));
      if (!raw || connection_->reusable()) End();
      if (!raw) break;
      std::string piece;
      CO_TRY(decompressor_.Take(*std::move(raw), &piece));
      if (!piece.empty()) co_return piece;
    }
    CO_TRY(decompressor_.Finish());
    co_return std::nullopt;
  }

  // The body was read to its end.
  void End() {
    if (connection_->reusable()) state_->GiveIdle(std::move(connection_));
    connection_.reset();
  }

  // Sockets are closed on their own loop.
  void Drop() {
    if (!connection_) return;
    IoLoop& loop = connection_->loop();
    loop.Post([connection = std::move(connection_)] {});
  }

  const std::shared_ptr<State> state_;
  ConnectionPtr connection_;
  Decompressor decompressor_;
};

// Sends the body of a stream; each piece has the stall timeout to get out.
template <class State>
Task<Status> WriteStream(std::shared_ptr<State> state, ConnectionPtr connection, Ctx ctx,
                         Stream<std::string>* stream, std::uint64_t size) {
  while (true) {
    CO_TRY(std::optional<std::string> piece, co_await stream->Next(ctx));
    co_await SwitchTo(connection->loop());
    if (!piece) break;
    if (piece->size() > size) co_return absl::InternalError("the body is longer than announced");
    size -= piece->size();
    const Ctx bounded = ctx.WithTimeout(state->config.stall_timeout);
    CO_TRY(co_await connection->Write(bounded, *piece));
  }
  if (size > 0) co_return absl::InternalError("the body is shorter than announced");
  co_return absl::OkStatus();
}

// One exchange without redirects, on the connection's loop.
template <class State>
Task<Status> Exchange(std::shared_ptr<State> state, ConnectionPtr connection, bool fresh, Ctx ctx,
                      const Url* url, std::string_view head, const HttpClientRequest* request) {
  if (fresh) CO_TRY(co_await connection->Open(ctx, url, state->config, state->tls));
  const bool no_body = request->method == HttpMethod::kHead;
  Ctx bounded = ctx.WithTimeout(state->config.head_timeout);
  CO_TRY(co_await connection->Write(bounded, head, request->body));
  if (request->stream != nullptr) {
    const Status sent =
        co_await WriteStream(state, connection, ctx, request->stream.get(), request->stream_size);
    // A server that refuses a body early has often said why before it stopped reading.
    if (!sent.ok() && !absl::IsUnavailable(sent)) co_return sent;
    bounded = ctx.WithTimeout(state->config.head_timeout);
    const Status read = co_await connection->ReadHead(bounded, no_body);
    co_return sent.ok() || read.ok() ? read : sent;
  }
  co_return co_await connection->ReadHead(bounded, no_body);
}

template <class State>
Task<Result<ConnectionPtr>> SendOnce(std::shared_ptr<State> state, Ctx ctx, const KnownUrl* to,
                                     const HttpClientRequest* request) {
  const std::string head = FormatHead(*request, *to, state->config);
  const bool safe = request->method == HttpMethod::kGet || request->method == HttpMethod::kHead;
  ConnectionPtr connection = state->TakeIdle(to->origin);
  if (connection && request->stream == nullptr) {
    co_await SwitchTo(connection->loop());
    if (connection->StillOpen()) {
      const Status status =
          co_await Exchange(state, connection, false, ctx, &to->url, head, request);
      if (status.ok()) co_return connection;
      // The peer may have closed just now. Only what is safe to repeat is.
      if (!safe || status.code() != absl::StatusCode::kUnavailable) co_return status;
    }
  }
  connection = std::make_shared<ClientConnection>(state->loops.Any(), to->origin);
  co_await SwitchTo(connection->loop());
  const Status status = co_await Exchange(state, connection, true, ctx, &to->url, head, request);
  if (!status.ok()) co_return status;
  co_return connection;
}

template <class State>
Task<Result<HttpClientReply>> SendFollowing(std::shared_ptr<State> state, Ctx ctx,
                                            HttpClientRequest request) {
  CO_TRY(KnownUrlPtr to, state->UrlOf(request.url));
  for (std::uint32_t redirects = 0;; ++redirects) {
    CO_TRY(ctx.Check());
    CO_TRY(state->config.policy.CheckUrl(to->url));
    CO_TRY(const ConnectionPtr connection, co_await SendOnce(state, ctx, to.get(), &request));
    HttpClientReply reply;
    reply.status = connection->parser().status();
    reply.headers = std::move(connection->parser().headers());
    reply.url = redirects == 0 ? std::move(request.url) : StrCat(to->origin, to->url.target);
    const std::string_view codings = Trim(reply.headers.Get("content-encoding"));
    const auto coding = codings.empty() ? Coding::kIdentity : ParseCoding(codings);
    if (!coding) co_return absl::UnavailableError("the reply has an unknown Content-Encoding");
    reply.body = std::make_unique<ReplyBody<State>>(state, connection, *coding);
    const std::string location(reply.headers.Get("location"));
    const bool safe = request.method == HttpMethod::kGet || request.method == HttpMethod::kHead;
    if (!IsRedirect(reply.status) || location.empty() || !safe) co_return reply;
    if (redirects >= state->config.redirects_max) {
      co_return absl::UnavailableError(
          StrCat("more than ", state->config.redirects_max, " redirects: ", reply.url));
    }
    CO_TRY(Url resolved, ResolveUrl(to->url, location));
    KnownUrlPtr next = std::make_shared<const KnownUrl>(std::move(resolved));
    if (to->url.scheme == "https" && next->url.scheme == "http") {
      co_return absl::PermissionDeniedError("a redirect leads from https to http");
    }
    if (next->origin != to->origin) {
      request.headers.Remove("authorization");
      request.headers.Remove("cookie");
    }
    to = std::move(next);
  }
}

template <class State>
Task<Result<HttpClientReply>> SendFromElsewhere(std::shared_ptr<State> state, Ctx ctx,
                                                HttpClientRequest request) {
  Executor* const home = Executor::Current();
  auto reply = co_await SendFollowing(std::move(state), std::move(ctx), std::move(request));
  if (home != nullptr) co_await SwitchTo(*home);
  co_return reply;
}

}  // namespace

HttpClient::HttpClient(HttpClientConfig config, IoLoops& loops)
    : state_(std::make_shared<State>(std::move(config), loops)) {}

HttpClient::~HttpClient() {
  std::lock_guard lock(state_->mutex);
  for (ConnectionPtr& connection : state_->idle) {
    IoLoop& loop = connection->loop();
    loop.Post([dropped = std::move(connection)] {});
  }
  state_->idle.clear();
}

Task<Result<HttpClientReply>> HttpClient::Send(Ctx ctx, HttpClientRequest request) {
  // Who is on one of the loops gets a connection of it, and so is there again at the end.
  if (state_->loops.Current() != nullptr) {
    return SendFollowing(state_, std::move(ctx), std::move(request));
  }
  return SendFromElsewhere(state_, std::move(ctx), std::move(request));
}

Task<Result<std::string>> ReadAll(Ctx ctx, StreamPtr<std::string> body, std::uint64_t bytes_max) {
  std::string all;
  while (true) {
    CO_TRY(std::optional<std::string> piece, co_await body->Next(ctx));
    if (!piece) co_return all;
    if (piece->size() > bytes_max - all.size()) {
      co_return WithHttpStatus(
          absl::ResourceExhaustedError(StrCat("the content is larger than ", bytes_max, " bytes")),
          413);
    }
    if (all.empty()) {
      all = *std::move(piece);
    } else {
      all.append(*piece);
    }
  }
}

}  // namespace tessera
