#include "edge/edge.h"

#include <filesystem>

#include "base/str.h"
#include "edge/document_routes.h"
#include "edge/openapi.h"
#include "edge/page_routes.h"
#include "edge/rest.h"
#include "net/stream_address.h"
#include "runtime/when_all.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

constexpr std::size_t kTenantMax = 64;

Authenticator::Options AuthOptions(const EdgeConfig& config, const EdgeParts& parts,
                                   const OwnerKey& key) {
  Authenticator::Options options;
  options.owner_key = key.text;
  options.api_keys = config.api_keys;
  options.no_auth = parts.no_auth;
  options.session_time = config.session_time;
  options.goes_on = !parts.adopted.http.empty();
  if (!parts.no_auth) options.session_file = parts.data_folder + "/sessions";
  return options;
}

Status CheckGrpc(const EdgeConfig& config, const EdgeParts& parts) {
  TRY(const StreamAddress address, ParseStreamAddress(config.grpc));
  if (address.is_unix || !parts.no_auth) return absl::OkStatus();
  TRY(const ListenAddress listen, ParseListenAddress(config.grpc));
  if (listen.is_loopback) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("--no-auth is refused with gRPC on ", config.grpc,
             ": everybody who can reach it could do everything; use a loopback address"));
}

Task<std::string> OwnFigures(Ctx, ExpositionFormat format) {
  const std::string text = Metrics::Process().Text();
  ExpositionMerge merge(format);
  merge.Add(text, {});
  co_return merge.Text();
}

}  // namespace

void EdgeConfig::Describe(Fields<EdgeConfig>& f) {
  f.Optional("http", &EdgeConfig::http, "Where to listen, ADDRESS:PORT; port 0 takes a free one.");
  f.Optional(
      "grpc", &EdgeConfig::grpc,
      "Where to serve the contracts over gRPC, ADDRESS:PORT or unix:PATH, for clients in any "
      "language; empty: nowhere.");
  f.Optional("io_threads", &EdgeConfig::io_threads, "Event loops; 0 means one for each processor.",
             0U, 256U);
  f.Optional("api_keys", &EdgeConfig::api_keys, "Keys besides the owner's.");
  f.Optional("cors_origins", &EdgeConfig::cors_origins,
             "Origins whose pages may use the API from a browser, such as "
             "https://app.example.com; \"*\" is all of them (OPEA's pages need it). Empty: only "
             "the server's own page.");
  f.Optional("connections_max", &EdgeConfig::connections_max,
             "Most connections at once; more are answered 503.", 1U, 1'000'000U);
  f.Optional("in_flight_max", &EdgeConfig::in_flight_max,
             "Most requests and streams at once; more are answered 503 with Retry-After.", 1U,
             100'000U);
  f.Optional("upload_bytes_max", &EdgeConfig::upload_bytes_max, "Most bytes of one upload.");
  f.Optional("head_timeout", &EdgeConfig::head_timeout,
             "Longest time that a request's head may take to arrive.");
  f.Optional("idle_timeout", &EdgeConfig::idle_timeout, "How long an unused connection is kept.");
  f.Optional("write_stall_timeout", &EdgeConfig::write_stall_timeout,
             "How long a client may take nothing of a reply before it is cut off.");
  f.Optional("stop_delay", &EdgeConfig::stop_delay,
             "How long, after a stop signal, requests are still taken while /health/ready and "
             "gRPC's health service say that it stops: balancers look away before it closes.");
  f.Optional("drain_timeout", &EdgeConfig::drain_timeout,
             "How long requests in flight may take to finish at shutdown.");
  f.Optional("session_time", &EdgeConfig::session_time, "How long a browser stays signed in.");
}

Result<ListenAddress> ParseListenAddress(std::string_view text) {
  const std::string usage = StrCat("cannot listen on \"", text.substr(0, 100),
                                   "\": give ADDRESS:PORT, for example 127.0.0.1:8080");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return absl::InvalidArgumentError(usage);
  ListenAddress listen;
  listen.address = text.substr(0, colon);
  const std::string port(text.substr(colon + 1));
  if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos ||
      std::stoi(port) > 65535) {
    return absl::InvalidArgumentError(usage);
  }
  listen.port = static_cast<std::uint16_t>(std::stoi(port));
  if (listen.address == "localhost") listen.address = "127.0.0.1";
  if (listen.address == "*") listen.address = "0.0.0.0";
  if (listen.address.starts_with("[") && listen.address.ends_with("]")) {
    listen.address = listen.address.substr(1, listen.address.size() - 2);
  }
  listen.is_loopback = listen.address == "::1" || listen.address.starts_with("127.");
  return listen;
}

Result<std::unique_ptr<Edge>> Edge::Make(EdgeConfig config, EdgeParts parts) {
  TRY(ListenAddress address, ParseListenAddress(config.http));
  if (parts.no_auth && !address.is_loopback) {
    return absl::InvalidArgumentError(
        StrCat("--no-auth is refused on ", config.http,
               ": everybody who can reach it could do everything; use a loopback address, or leave "
               "--no-auth away"));
  }
  if (!config.grpc.empty()) TRY(CheckGrpc(config, parts));
  for (const ApiKeyConfig& key : config.api_keys) {
    if (key.key.Reveal().size() < 16) {
      return absl::InvalidArgumentError(
          StrCat("server.api_keys: the key \"", key.name, "\" is shorter than 16 characters"));
    }
    if (key.tenant.size() > kTenantMax) {
      return absl::InvalidArgumentError(StrCat("server.api_keys: the tenant of \"", key.name,
                                               "\" is longer than ", kTenantMax, " bytes"));
    }
  }
  TRY(OwnerKey key, LoadOwnerKey(parts.data_folder));
  return std::unique_ptr<Edge>(
      new Edge(std::move(config), std::move(parts), std::move(address), std::move(key)));
}

Edge::Edge(EdgeConfig config, EdgeParts parts, ListenAddress address, OwnerKey key)
    : config_(std::move(config)),
      parts_(std::move(parts)),
      address_(std::move(address)),
      owner_key_(std::move(key)),
      authenticator_(AuthOptions(config_, parts_, owner_key_)) {
  SystemInfo info;
  info.version = parts_.version;
  info.health = parts_.health ? parts_.health : [] { return HealthReport(); };
  info.figures = parts_.figures ? parts_.figures : OwnFigures;
  info.inference = parts_.inference;
  info.retrieval = parts_.retrieval;
  AddSystemRoutes(
      std::move(info), authenticator_, [this]() -> const std::string& { return openapi_; },
      routes_);
  AddRestRoutes(parts_.bindings, routes_);
  if (parts_.dataprep != nullptr && parts_.retrieval != nullptr) {
    UploadPlace place = uploads();
    // What an earlier run left behind belongs to nobody: jobs keep their files elsewhere.
    std::error_code ignored;
    std::filesystem::create_directories(place.spool_folder, ignored);
    AddDocumentRoutes(std::move(place), *parts_.dataprep, *parts_.retrieval, routes_);
  }
  AddPageRoutes(routes_);
}

UploadPlace Edge::uploads() const {
  UploadPlace place;
  place.data_folder = parts_.data_folder;
  place.spool_folder = parts_.data_folder + "/tmp";
  place.bytes_max = config_.upload_bytes_max.count;
  place.blocking = parts_.blocking;
  return place;
}

Status Edge::Start() {
  openapi_ = OpenApiJson(routes_, parts_.version);
  EdgeLimits limits;
  limits.in_flight_max = config_.in_flight_max;
  OriginPolicy::Options origins;
  origins.cors_origins = config_.cors_origins;
  if (parts_.no_auth) {
    origins.hosts = OriginPolicy::LoopbackHosts();
    origins.hosts.push_back(address_.address);
  }
  service_ = std::make_unique<EdgeService>(limits, std::move(routes_), authenticator_,
                                           OriginPolicy(std::move(origins)), *parts_.cpu);
  HttpServerConfig server;
  server.address = address_.address;
  server.port = address_.port;
  server.connections_max = config_.connections_max;
  server.head_timeout = config_.head_timeout;
  server.idle_timeout = config_.idle_timeout;
  server.write_stall_timeout = config_.write_stall_timeout;
  server.adopted = parts_.adopted.http;
  server_ =
      std::make_unique<HttpServer>(std::move(server), *service_, *parts_.loops, *parts_.blocking);
  TRY(server_->Start());
  return config_.grpc.empty() ? absl::OkStatus() : StartGrpc();
}

Status Edge::StartGrpc() {
  RemoteServerConfig config;
  config.listeners = {RemoteListener{
      .address = config_.grpc, .compresses = true, .adopted_socket = parts_.adopted.grpc}};
  config.connections_max = config_.connections_max;
  config.calls_max = config_.in_flight_max;
  config.authenticate = [this](std::string_view authorization) {
    return authenticator_.AuthenticateField(authorization);
  };
  grpc_ = std::make_unique<RemoteServer>(std::move(config), *parts_.loops, *parts_.cpu);
  grpc_->Serve(parts_.bindings);
  return grpc_->Start();
}

Result<EdgeSockets> Edge::HandOver() {
  EdgeSockets sockets;
  TRY(sockets.http, server_->HandOver());
  if (grpc_) sockets.grpc = grpc_->HandOver();
  return sockets;
}

void Edge::Accept(bool accepts) {
  server_->Accept(accepts);
  if (grpc_) grpc_->TakeConnections(accepts);
}

void Edge::AnnounceStop() {
  if (grpc_) grpc_->SetServing("", false);
}

Task<Status> Edge::Leave(Ctx ctx) {
  if (!server_) co_return absl::OkStatus();
  std::vector<Task<Status>> doors;
  doors.push_back(server_->Leave(ctx));
  if (grpc_) doors.push_back(grpc_->Drain(std::move(ctx)));
  Status left;
  for (Status& status : co_await WhenAll(std::move(doors))) {
    if (left.ok()) left = std::move(status);
  }
  co_return left;
}

// Both doors close at once; the first that could not wait for its calls says so.
Task<Status> Edge::Drain(Ctx ctx) {
  if (!server_) co_return absl::OkStatus();
  std::vector<Task<Status>> doors;
  doors.push_back(server_->Drain(ctx));
  if (grpc_) doors.push_back(grpc_->Drain(std::move(ctx)));
  Status drained;
  for (Status& status : co_await WhenAll(std::move(doors))) {
    if (drained.ok()) drained = std::move(status);
  }
  co_return drained;
}

std::string Edge::grpc_address() const {
  if (!grpc_) return "";
  const std::size_t colon = config_.grpc.rfind(':');
  const bool is_unix = config_.grpc.starts_with("unix:");
  return is_unix ? config_.grpc : StrCat(config_.grpc.substr(0, colon), ":", grpc_->port());
}

std::string Edge::url() const {
  const bool v6 = address_.address.find(':') != std::string::npos;
  return StrCat("http://", v6 ? "[" : "", address_.address, v6 ? "]:" : ":", server_->port());
}

std::string Edge::NewLoginLink() {
  return StrCat(url(), "/login?token=", authenticator_.NewLoginToken());
}

}  // namespace tessera
