#include <algorithm>
#include <charconv>
#include <utility>

#include "base/str.h"
#include "base/task.h"
#include "net/compress.h"
#include "net/http_client.h"
#include "net/http_error.h"
#include "otlp/otlp_exporter.h"
#include "remote/channel.h"

namespace tessera {
namespace {

constexpr std::uint64_t kReplyMax = 64 << 10;
constexpr std::string_view kTracesPath = "/v1/traces";
constexpr std::size_t kGzipMin = 1 << 10;

// Those of the specification.
bool MayComeAgain(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

bool MayComeAgain(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

Duration RetryAfter(const HttpHeaders& headers) {
  const std::string_view text = headers.Get("retry-after");
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc() ? std::chrono::seconds(std::min(seconds, 60U)) : Duration::zero();
}

/// OTLP/HTTP with protobuf bodies.
class HttpTransport final : public OtlpTransport {
 public:
  HttpTransport(std::string url, const OtlpConfig& config, HttpClientConfig client, IoLoops& loops)
      : url_(std::move(url)), config_(config), client_(std::move(client), loops) {}

  OtlpOutcome Send(const std::string& request, CancelToken cancel) override {
    HttpClientRequest post;
    post.method = HttpMethod::kPost;
    post.url = url_;
    post.headers.Add("content-type", "application/x-protobuf");
    for (const auto& [name, value] : config_.headers) post.headers.Set(name, value.Reveal());
    post.body = request;
    if (config_.gzip && post.body.size() >= kGzipMin) {
      post.body = Compress(Coding::kGzip, post.body);
      post.headers.Add("content-encoding", "gzip");
    }
    return SyncWait(
        Exchange(Ctx(nullptr, std::move(cancel)).WithTimeout(config_.timeout), std::move(post)));
  }

 private:
  Task<OtlpOutcome> Exchange(Ctx ctx, HttpClientRequest post) {
    Result<HttpClientReply> sent = co_await client_.Send(ctx, std::move(post));
    OtlpOutcome outcome;
    if (!sent.ok()) {
      outcome.status = sent.status();
      outcome.again = true;
      co_return outcome;
    }
    const int status = sent->status;
    const Duration after = RetryAfter(sent->headers);
    const Result<std::string> body = co_await ReadAll(ctx, std::move(sent->body), kReplyMax);
    if (status < 200 || status > 299) {
      outcome.status = absl::UnavailableError(StrCat(url_, " answered ", status));
      outcome.again = MayComeAgain(status);
      outcome.again_after = after;
      co_return outcome;
    }
    // Sent a second time, spans could be there twice: what comes of an answer that cannot be read
    // is not known.
    const auto response = OtlpMessages::NewResponse();
    if (!body.ok() || !response->ParseFromString(*body)) {
      outcome.status = absl::UnknownError(
          StrCat(url_, " answered ", status, " with something that is not OTLP"));
      co_return outcome;
    }
    outcome.rejected = OtlpMessages::Rejected(*response);
    co_return outcome;
  }

  const std::string url_;
  const OtlpConfig config_;
  HttpClient client_;
};

/// OTLP/gRPC, in cleartext.
class GrpcTransport final : public OtlpTransport {
 public:
  GrpcTransport(RemoteChannelConfig channel, const OtlpConfig& config, IoLoops& loops)
      : config_(config), channel_(std::move(channel), loops) {}
  ~GrpcTransport() override { const Status ignored = SyncWait(channel_.Close()); }

  OtlpOutcome Send(const std::string& bytes, CancelToken cancel) override {
    static constexpr MethodInfo kExport = {
        .name = "Export",
        .full_name = "opentelemetry.proto.collector.trace.v1.TraceService.Export",
        .timeout_ms = 10'000};
    const auto request = OtlpMessages::Parsed(bytes);
    const auto response = OtlpMessages::NewResponse();
    const Ctx ctx = Ctx(nullptr, std::move(cancel)).WithTimeout(config_.timeout);
    OtlpOutcome outcome;
    outcome.status = SyncWait(channel_.Unary(&kExport, ctx, request.get(), response.get()));
    outcome.again = !outcome.status.ok() && MayComeAgain(outcome.status.code());
    if (outcome.status.ok()) outcome.rejected = OtlpMessages::Rejected(*response);
    return outcome;
  }

 private:
  const OtlpConfig config_;
  RemoteChannel channel_;
};

}  // namespace

Result<std::unique_ptr<OtlpTransport>> MakeOtlpTransport(const OtlpConfig& config, IoLoops& loops) {
  std::string text = config.traces_endpoint.empty() ? config.endpoint : config.traces_endpoint;
  // gRPC's endpoints may come without a scheme.
  if (config.protocol == OtlpProtocol::kGrpc && text.find("://") == text.npos)
    text = StrCat("http://", text);
  Result<Url> url = ParseUrl(text);
  if (!url.ok())
    return absl::InvalidArgumentError(
        StrCat("the endpoint for OTLP is no URL: ", StdView(url.status().message())));
  if (config.protocol == OtlpProtocol::kGrpc) {
    if (url->scheme != "http")
      return absl::InvalidArgumentError(
          "OTLP over gRPC is sent in cleartext only; for https choose the protocol http/protobuf");
    RemoteChannelConfig channel;
    channel.address =
        StrCat(url->host_is_ipv6 ? StrCat("[", url->host, "]") : url->host, ":", url->port);
    channel.gzip_bytes_min = config.gzip ? kGzipMin : 0;
    if (config.headers.size() > 8)
      return absl::InvalidArgumentError("OTLP over gRPC is sent with eight headers at most");
    for (const auto& [name, value] : config.headers)
      channel.metadata.emplace_back(name, value.Reveal());
    return std::make_unique<GrpcTransport>(std::move(channel), config, loops);
  }
  if (config.traces_endpoint.empty()) {
    while (!text.empty() && text.back() == '/') text.pop_back();
    text += kTracesPath;
  }
  HttpClientConfig client;
  client.policy.trusted_hosts.push_back(url->Authority());
  client.connect_timeout = config.timeout;
  client.head_timeout = config.timeout;
  client.stall_timeout = config.timeout;
  client.reply_bytes_max = kReplyMax;
  client.redirects_max = 0;
  client.idle_connections_max = 1;
  client.ca_file = config.ca_file;
  return std::make_unique<HttpTransport>(std::move(text), config, std::move(client), loops);
}

}  // namespace tessera
