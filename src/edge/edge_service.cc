#include "edge/edge_service.h"

#include <algorithm>

#include "base/str.h"
#include "edge/api_error.h"
#include "edge/stream_end.h"
#include "flags/flags.h"
#include "net/compress.h"
#include "net/header_values.h"
#include "runtime/thread_pool.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr std::size_t kCompressInline = 16 << 10;
constexpr std::size_t kFlagHeaderMax = 512;

/// A place among the requests in flight, held until the reply (or its stream) has ended.
class Slot {
 public:
  Slot() = default;
  Slot(Slot&& other) noexcept = default;
  Slot& operator=(Slot&& other) noexcept {
    std::swap(count_, other.count_);
    return *this;
  }
  ~Slot() {
    if (count_) count_->fetch_sub(1);
  }
  /// False when `max` (0: any) is reached.
  bool Take(std::shared_ptr<std::atomic<std::uint32_t>> count, std::uint32_t max) {
    if (count->fetch_add(1) >= max && max != 0) {
      count->fetch_sub(1);
      return false;
    }
    count_ = std::move(count);
    return true;
  }

 private:
  std::shared_ptr<std::atomic<std::uint32_t>> count_;
};

/// A stream that keeps its places until it is dropped, and counts as what it has become by then.
class SlottedStream final : public Stream<std::string> {
 public:
  SlottedStream(StreamPtr<std::string> stream, Slot all, Slot route, EdgeService::Ended ended)
      : stream_(std::move(stream)),
        all_(std::move(all)),
        route_(std::move(route)),
        ended_(std::move(ended)) {}
  // Whoever has left did not see it fail.
  ~SlottedStream() override {
    if (ended_) ended_(Ctx(), absl::OkStatus());
  }

  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    auto piece = co_await stream_->Next(ctx);
    if (!std::exchange(begun_, true) && ctx.info().spans)
      ctx.info().spans->SetElapsed(kFirstItemAttribute);
    if (piece.ok() && *piece) co_return piece;
    if (ended_) std::exchange(ended_, nullptr)(ctx, piece.status());
    if (StreamEnd::WasTold(piece.status())) co_return std::nullopt;
    co_return piece;
  }

 private:
  bool begun_ = false;
  StreamPtr<std::string> stream_;
  Slot all_;
  Slot route_;
  EdgeService::Ended ended_;
};

// Asked again and again by those who look at the platform; not worth a trace.
bool IsProbe(const Route& route) {
  constexpr std::string_view kLooks[] = {
      "/health/",         "/metrics",       "/admin/v1/metrics", "/admin/v1/topology",
      "/admin/v1/traces", "/admin/v1/logs", "/admin/v1/profiles"};
  return route.method == HttpMethod::kGet &&
         std::ranges::any_of(
             kLooks, [&route](std::string_view look) { return route.pattern.starts_with(look); });
}

bool IsCompressible(std::string_view content_type) {
  const std::string type = MediaType(content_type);
  return type.starts_with("text/") || type == "application/json" ||
         type == "application/problem+json" || type == "application/javascript" ||
         type == "image/svg+xml" || type == "application/x-ndjson";
}

std::string AnyOf(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) StrAppend(&text, text.empty() ? "" : " or ", name);
  return text;
}

// Replies are for the one who asked: nothing of an API is cached, framed or sniffed.
void AddSafeHeaders(HttpReply& reply) {
  reply.headers.Add("x-content-type-options", "nosniff");
  if (!reply.headers.Has("cache-control")) reply.headers.Add("cache-control", "no-store");
  if (!reply.headers.Has("content-security-policy")) {
    reply.headers.Add("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
  }
  if (!reply.headers.Has("referrer-policy")) reply.headers.Add("referrer-policy", "no-referrer");
}

// Headers that rules of feature flags ask for go with the call, as the caller's scopes do.
void AdmitHeaders(HttpRequest& request) {
  const std::shared_ptr<const FlagSet> flags = CurrentFlags();
  for (const std::string& name : flags->headers()) {
    const std::string_view value = request.headers.Get(name);
    if (!value.empty() && value.size() <= kFlagHeaderMax)
      request.info.principal.scopes.push_back(StrCat(kHeaderScope, name, "=", value));
  }
}

}  // namespace

EdgeService::EdgeService(EdgeLimits limits, HttpRoutes routes, const Authenticator& authenticator,
                         OriginPolicy origins, Executor& cpu)
    : limits_(limits),
      routes_(std::move(routes)),
      authenticator_(authenticator),
      origins_(std::move(origins)),
      cpu_(cpu),
      in_flight_(std::make_shared<std::atomic<std::uint32_t>>(0)),
      bytes_sent_(Metrics::Process().NewCounter("tessera_http_sent_bytes_total",
                                                "Bytes of replies, heads included.")),
      clients_gone_(Metrics::Process().NewCounter("tessera_http_clients_gone_total",
                                                  "Replies that were not sent to their end.")),
      bad_requests_(Metrics::Process().NewCounter(
          "tessera_http_bad_requests_total", "Requests that were not understood or were cut.")),
      probe_("requests", "edge", [this] {
        ResourceUse use;
        use.capacity = limits_.in_flight_max;
        use.used = in_flight_->load(std::memory_order_relaxed);
        use.rejected = rejected_.load(std::memory_order_relaxed);
        return use;
      }) {
  static constexpr std::string_view kClasses[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
  std::vector<const Route*> all;
  for (const auto& route : routes_.all()) all.push_back(route.get());
  if (routes_.fallback() != nullptr) all.push_back(routes_.fallback());
  for (const Route* route : all) {
    auto& slot = states_[route];
    slot = std::make_shared<RouteState>();
    RouteState& state = *slot;
    state.route = route;
    const Labels labels = {{"method", std::string(Name(route->method))},
                           {"route", route == routes_.fallback() ? "page" : route->pattern}};
    state.in_flight = std::make_shared<std::atomic<std::uint32_t>>(0);
    state.span_name =
        InternedText(StrCat(Name(route->method), " ",
                            route == routes_.fallback() ? std::string("/{page}") : route->pattern));
    state.tail = std::make_unique<RouteTail>();
    state.has_parameters =
        route == routes_.fallback() || route->pattern.find('{') != std::string::npos;
    state.is_probe = IsProbe(*route);
    state.seconds = &Metrics::Process().NewHistogram(
        "tessera_http_seconds", "Time until the handler has replied, by route.", labels);
    for (std::size_t i = 0; i < std::size(kClasses); ++i) {
      Labels with_class = labels;
      with_class.emplace_back("status", kClasses[i]);
      state.by_class[i] = &Metrics::Process().NewCounter(
          "tessera_http_requests_total",
          "Requests that have ended, by route and status; streams that broke off count as 5xx.",
          std::move(with_class));
    }
  }
}

void EdgeService::RouteState::Count(int status) const {
  const int status_class = status / 100;
  by_class[status_class >= 1 && status_class <= 5 ? status_class : 0]->Add();
}

EdgeService::Answered EdgeService::answered() const {
  Answered sum;
  for (const auto& [route, state] : states_) {
    for (const Counter* counter : state->by_class) sum.all += counter->value();
    sum.faults += state->by_class[5]->value();
  }
  return sum;
}

Admission EdgeService::Admit(HttpRequest& request) {
  Admission admission;
  ErrorShape shape = ErrorShape::kProblem;
  auto route = AdmitRequest(request, &shape, &admission.refusal);
  if (!route.ok()) {
    HttpReply reply = ErrorReply(shape, route.status(), request.info, request.path);
    if (HttpStatusOf(route.status()) == 405) {
      reply.headers.Add("allow", routes_.Find(request.method, request.path, request.params).allow);
    }
    AddSafeHeaders(reply);
    if (origins_.IsAllowedOrigin(request)) {
      origins_.AddHeaders(request.headers.Get("origin"), reply);
    }
    bad_requests_.Add();
    TraceRefusal(request, reply.status);
    admission.refusal = std::move(reply);
  } else if (*route != nullptr) {
    RouteState* const state = states_.find(*route)->second.get();
    request.admitted = state;
    if (TraceRecorder::Process().on()) BeginTrace(request, *state);
    const bool form = (*route)->form_max > 0 &&
                      MediaType(request.headers.Get("content-type")) == "multipart/form-data";
    admission.body = form ? BodyKind::kStreamed : (*route)->body;
    admission.body_max = form ? (*route)->form_max : (*route)->body_max;
  }
  return admission;
}

// Of callers who are known; others could fill the store with what they were refused.
void EdgeService::TraceRefusal(HttpRequest& request, int status) const {
  if (request.info.principal.id.empty() || !TraceRecorder::Process().on()) return;
  const Route* const route = routes_.Find(request.method, request.path, request.params).route;
  if (route == nullptr) return;
  BeginTrace(request, *states_.find(route)->second);
  TraceSpans* const spans = request.info.spans.get();
  if (spans == nullptr) return;
  spans->Set(0, "http.response.status_code", status);
  spans->EndRoot(absl::StatusCode::kInvalidArgument, status >= 500);
}

// Health and metrics are asked for every few seconds and say nothing about anybody's work.
void EdgeService::BeginTrace(HttpRequest& request, RouteState& state) const {
  if (state.is_probe && request.parent_span == 0) return;
  RequestInfo& info = request.info;
  TraceRecorder::Process().Begin(info, request.parent_span != 0, false);
  TraceSpans& spans = *info.spans;
  spans.Begin(state.span_name, SpanKind::kServer, request.parent_span);
  spans.SetTail(state.tail.get(), state.seconds);
  spans.Set(0, "tessera.request_id", info.request_id);
  if (state.has_parameters) spans.Set(0, "url.path", request.path);
  spans.Set(0, "client.address", std::string_view(request.peer).substr(0, request.peer.rfind(':')));
  if (!info.principal.id.empty()) spans.Set(0, "enduser.id", info.principal.id);
  if (!info.tenant.empty()) spans.Set(0, "tessera.tenant", info.tenant);
}

// The route, or nullptr with a finished reply (a preflight), or why not.
Result<const Route*> EdgeService::AdmitRequest(HttpRequest& request, ErrorShape* shape,
                                               std::optional<HttpReply>* reply) {
  if (!origins_.HostIsAllowed(request)) {
    return WithHttpStatus(
        absl::PermissionDeniedError(
            "the Host header names another host; without keys only loopback names are served"),
        421);
  }
  if (request.method == HttpMethod::kOptions) {
    std::vector<std::pair<std::string, std::string>> ignored;
    const auto match = routes_.Find(HttpMethod::kOptions, request.path, ignored);
    std::string allow = match.allow;
    if (allow.empty() && match.route != nullptr) allow = "GET, HEAD, OPTIONS";
    if (allow.empty()) return absl::NotFoundError("there is nothing at this path");
    if (origins_.IsAllowedOrigin(request)) {
      *reply = origins_.Preflight(request, allow);
    } else {
      *reply = HttpReply::Empty(204);
      (*reply)->headers.Add("allow", allow);
    }
    return nullptr;
  }
  const HttpRoutes::Match match = routes_.Find(request.method, request.path, request.params);
  *shape = match.route != nullptr ? match.route->errors : match.errors;
  if (match.route == nullptr && match.allow.empty()) {
    if (request.path.starts_with("/v1/")) *shape = ErrorShape::kOpenAi;
    return absl::NotFoundError(StrCat("there is nothing at ", request.path.substr(0, 200),
                                      "; /openapi.json lists what is there"));
  }
  if (match.route == nullptr) {
    return WithHttpStatus(absl::InvalidArgumentError(StrCat(
                              Name(request.method), " is not served here; ", match.allow, " are")),
                          405);
  }
  const Route& route = *match.route;
  TRY(CheckCaller(request, route));
  const bool has_body = request.content_length.value_or(1) > 0 &&
                        (request.content_length || request.headers.Has("transfer-encoding"));
  const std::string_view content_type = request.headers.Get("content-type");
  if (route.body != BodyKind::kNone && has_body && !route.media_types.empty() &&
      !content_type.empty() &&
      std::find(route.media_types.begin(), route.media_types.end(), MediaType(content_type)) ==
          route.media_types.end()) {
    return WithHttpStatus(
        absl::InvalidArgumentError(StrCat("the Content-Type must be ", AnyOf(route.media_types),
                                          ", is ", MediaType(content_type).substr(0, 100))),
        415);
  }
  const std::string_view accept = request.headers.Get("accept");
  if (!route.doc.reply_media_type.empty() && !Accepts(accept, route.doc.reply_media_type) &&
      !(route.doc.reply_may_stream && Accepts(accept, "text/event-stream"))) {
    return WithHttpStatus(absl::InvalidArgumentError(
                              StrCat("the Accept header leaves out ", route.doc.reply_media_type)),
                          406);
  }
  return &route;
}

Status EdgeService::CheckCaller(HttpRequest& request, const Route& route) const {
  bool by_cookie = false;
  auto holder = authenticator_.Authenticate(request, &by_cookie);
  if (!holder.ok() && !route.open) return holder.status();
  if (holder.ok()) {
    request.info.principal = std::move(holder->principal);
    request.info.tenant = std::move(holder->tenant);
  }
  AdmitHeaders(request);
  // A cookie, or no key at all, lets any page of the same browser speak in the user's name.
  const bool ambient = by_cookie || authenticator_.no_auth();
  if (ambient && !origins_.IsSameOrigin(request, by_cookie) && !origins_.IsAllowedOrigin(request)) {
    return absl::PermissionDeniedError(
        "the request comes from a page of another origin; see server.cors_origins");
  }
  if (by_cookie && !origins_.IsSameOrigin(request, true)) {
    return absl::PermissionDeniedError("a session cookie is for the server's own page only");
  }
  if (route.open) return absl::OkStatus();
  if (request.info.principal.id.empty()) {
    return absl::UnauthenticatedError(
        "a key is needed: Authorization: Bearer KEY; the owner's is in DATA/owner.key");
  }
  if (!request.info.principal.MayUse(route.scope)) {
    return absl::PermissionDeniedError(StrCat("the key lacks the scope ", route.scope));
  }
  return absl::OkStatus();
}

Task<HttpReply> EdgeService::Handle(Ctx ctx, HttpRequest request) {
  const auto* const state = static_cast<const RouteState*>(request.admitted);
  const Route* const route = state->route;
  const std::uint64_t start = CycleClock::Now();
  const std::string path = request.path;
  const std::string accept_encoding(request.headers.Get("accept-encoding"));
  const bool cors = origins_.IsAllowedOrigin(request);
  const std::string origin(cors ? request.headers.Get("origin") : std::string_view());
  Slot all;
  Slot own;
  Status room;
  if (!route->open && !all.Take(in_flight_, limits_.in_flight_max)) {
    rejected_.fetch_add(1, std::memory_order_relaxed);
    room = WithRetryAfter(absl::UnavailableError("too many requests at once; try again soon"), 1);
  } else if (!own.Take(state->in_flight, route->in_flight_max)) {
    rejected_.fetch_add(1, std::memory_order_relaxed);
    room = WithRetryAfter(
        absl::ResourceExhaustedError("too many requests of this kind at once; try again soon"), 1);
  }
  Result<HttpReply> result = HttpReply();
  if (ctx.info().spans) ctx.EnterSpan(ctx.info().spans->IdOf(0));
  if (room.ok()) {
    result = co_await CallHandler(ctx, route, std::move(request));
  } else {
    result = room;
  }
  HttpReply reply = result.ok() ? *std::move(result)
                                : ErrorReply(route->errors, result.status(), ctx.info(), path);
  const auto nanoseconds = static_cast<std::uint64_t>(
      static_cast<double>(CycleClock::Now() - start) * CycleClock::NanosecondsPerTick());
  state->seconds->Observe(nanoseconds, ctx);
  // Never the path: its parts, and what is behind it, are the client's own.
  Log(ctx, reply.status >= 500 ? LogLevel::kWarning : LogLevel::kDebug, "a request was answered",
      {{"method", Name(route->method)},
       {"route", route->pattern},
       {"status", reply.status},
       {"ms", nanoseconds / 1'000'000}});
  AddSafeHeaders(reply);
  if (cors) origins_.AddHeaders(origin, reply);
  if (auto* stream = std::get_if<StreamPtr<std::string>>(&reply.body)) {
    // A stream may outlive this service.
    const auto ended = [shared = std::shared_ptr<const RouteState>(states_.find(route)->second),
                        status = reply.status](const Ctx& of, const Status& how) {
      CountStream(*shared, status, of, how);
    };
    *stream =
        std::make_unique<SlottedStream>(std::move(*stream), std::move(all), std::move(own), ended);
    co_return reply;
  }
  state->Count(reply.status);
  const auto* text = std::get_if<std::string>(&reply.body);
  if (text == nullptr || text->size() < limits_.compress_bytes_min || accept_encoding.empty()) {
    co_return reply;
  }
  co_return co_await Finish(std::move(reply), accept_encoding);
}

// Its client has read a good status, and then an error event or nothing more: it failed all the
// same.
void EdgeService::CountStream(const RouteState& state, int status, const Ctx& ctx,
                              const Status& how) {
  const int became = how.ok() ? status : HttpStatusOf(how);
  if (became < 500) {
    state.Count(status);
    return;
  }
  state.Count(became);
  const std::string code = absl::StatusCodeToString(how.code());
  Log(ctx, LogLevel::kWarning, "an answer broke off after it had begun",
      {{"route", state.span_name}, {"code", code}});
  TraceSpans* const spans = ctx.info().spans.get();
  if (spans == nullptr) return;
  spans->Set(0, "http.response.status_code", status);
  spans->Set(0, "error.type", code);
  spans->EndRoot(how.code(), true);
}

Task<Result<HttpReply>> EdgeService::CallHandler(Ctx ctx, const Route* route, HttpRequest request) {
  if (route->timeout != Duration::max()) ctx.TightenDeadline(Now() + route->timeout);
  return route->handler(std::move(ctx), std::move(request));
}

Task<HttpReply> EdgeService::Finish(HttpReply reply, std::string accept_encoding) {
  auto& text = std::get<std::string>(reply.body);
  const auto coding = NegotiateCoding(accept_encoding);
  const bool wanted =
      IsCompressible(reply.headers.Get("content-type")) && !reply.headers.Has("content-encoding");
  if (!wanted) co_return reply;
  reply.headers.Add("vary", "accept-encoding");
  if (!coding || *coding == Coding::kIdentity) co_return reply;
  std::string compressed;
  if (text.size() <= kCompressInline) {
    compressed = Compress(*coding, text);
  } else {
    const auto compress = [&text, coding] { return Compress(*coding, text); };
    compressed = co_await RunOn(cpu_, compress);
  }
  if (compressed.size() < text.size()) {
    text = std::move(compressed);
    reply.headers.Add("content-encoding", Name(*coding));
  }
  co_return reply;
}

HttpReply EdgeService::OnBadRequest(const HttpRequest* request, int status,
                                    std::string_view detail) {
  bad_requests_.Add();
  ErrorShape shape = ErrorShape::kProblem;
  if (request != nullptr && request->info.spans) {
    request->info.spans->Set(0, "http.response.status_code", status);
    request->info.spans->EndRoot(absl::StatusCode::kInvalidArgument, status >= 500);
  }
  if (request != nullptr && request->admitted != nullptr) {
    shape = static_cast<const RouteState*>(request->admitted)->route->errors;
  }
  const Status error = WithHttpStatus(absl::InvalidArgumentError(AbslView(detail)), status);
  HttpReply reply = ErrorReply(shape, error, request != nullptr ? request->info : RequestInfo(),
                               request != nullptr ? request->path : "");
  AddSafeHeaders(reply);
  return reply;
}

void EdgeService::OnSent(const Ctx& ctx, int status, std::uint64_t bytes, bool sent) {
  bytes_sent_.Add(bytes);
  if (!sent) clients_gone_.Add();
  TraceSpans* const spans = ctx.info().spans.get();
  if (spans == nullptr) return;
  spans->Set(0, "http.response.status_code", status);
  spans->Set(0, "http.response.body.size", bytes);
  if (!sent) spans->Set(0, "tessera.client_gone", true);
  const bool failed = status >= 500;
  spans->EndRoot(failed ? absl::StatusCode::kInternal : absl::StatusCode::kOk, failed);
}

}  // namespace tessera
