#include "otlp/otlp_transport.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/str.h"
#include "net/compress.h"
#include "net/http_client.h"
#include "net/http_error.h"
#include "net/named_server.h"
#include "remote/channel.h"

namespace tessera {
namespace {

constexpr std::uint64_t kReplyMax = 64 << 10;
constexpr std::size_t kSaidMax = 300;
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

Status OfHttpStatus(int status, std::string_view body) {
  const std::string text = StrCat("it answered ", status, ": ", body.substr(0, kSaidMax));
  if (status == 413) return absl::OutOfRangeError(text);
  if (status == 400 || status == 422) return absl::InvalidArgumentError(text);
  return absl::UnavailableError(text);
}

/// OTLP/HTTP with protobuf bodies.
class HttpTransport final : public OtlpTransport {
 public:
  HttpTransport(const OtlpService& service, OtlpTarget target, HttpClientConfig client,
                IoLoops& loops)
      : service_(service), target_(std::move(target)), client_(std::move(client), loops) {}

  Task<OtlpOutcome> Send(Ctx ctx, std::string request) override {
    HttpClientRequest post;
    post.method = HttpMethod::kPost;
    post.url = target_.url;
    post.headers.Add("content-type", "application/x-protobuf");
    for (const auto& [name, value] : target_.headers) post.headers.Set(name, value.Reveal());
    post.body = std::move(request);
    if (target_.gzip && post.body.size() >= kGzipMin) {
      post.body = Compress(Coding::kGzip, post.body);
      post.headers.Add("content-encoding", "gzip");
    }
    const Ctx limit = ctx.WithTimeout(target_.timeout);
    Result<HttpClientReply> sent = co_await client_.Send(limit, std::move(post));
    OtlpOutcome outcome;
    if (!sent.ok()) {
      outcome.status = absl::UnavailableError(sent.status().ToString());
      outcome.again = true;
      co_return outcome;
    }
    const int status = sent->status;
    outcome.again_after = RetryAfter(sent->headers);
    const Result<std::string> body = co_await ReadAll(limit, std::move(sent->body), kReplyMax);
    if (status < 200 || status > 299) {
      outcome.status = OfHttpStatus(status, body.ok() ? std::string_view(*body) : "");
      outcome.again = MayComeAgain(status);
      co_return outcome;
    }
    // Sent a second time, it could be there twice: what comes of an answer that cannot be read is
    // not known.
    Result<OtlpRejected> rejected =
        body.ok() ? ReadOtlpReply(service_, *body) : Result<OtlpRejected>(body.status());
    if (rejected.ok()) {
      outcome.rejected = *std::move(rejected);
    } else {
      outcome.status = absl::UnknownError(rejected.status().message());
    }
    co_return outcome;
  }

 private:
  const OtlpService& service_;
  const OtlpTarget target_;
  HttpClient client_;
};

/// OTLP/gRPC.
class GrpcTransport final : public OtlpTransport {
 public:
  GrpcTransport(const OtlpService& service, RemoteChannelConfig channel, Duration timeout,
                IoLoops& loops)
      : service_(service), timeout_(timeout), channel_(std::move(channel), loops) {}
  ~GrpcTransport() override { const Status ignored = SyncWait(channel_.Close()); }

  Task<OtlpOutcome> Send(Ctx ctx, std::string bytes) override {
    const auto request = service_.new_request();
    CHECK(request->ParseFromString(bytes));
    const auto response = service_.new_response();
    OtlpOutcome outcome;
    outcome.status = co_await channel_.Unary(&service_.export_method, ctx.WithTimeout(timeout_),
                                             request.get(), response.get());
    if (outcome.status.ok()) {
      outcome.rejected = service_.rejected(*response);
      co_return outcome;
    }
    outcome.again = MayComeAgain(outcome.status.code());
    // There it says that it may be taken later.
    if (absl::IsOutOfRange(outcome.status))
      outcome.status = absl::UnavailableError(outcome.status.message());
    co_return outcome;
  }

 private:
  const OtlpService& service_;
  const Duration timeout_;
  RemoteChannel channel_;
};

}  // namespace

Result<std::unique_ptr<OtlpTransport>> MakeOtlpTransport(OtlpSignal signal,
                                                         const OtlpTarget& target, IoLoops& loops) {
  const bool grpc = target.protocol == OtlpProtocol::kGrpc;
  OtlpTarget to = target;
  // gRPC's endpoints may come without a scheme, and are safe then if nobody says otherwise.
  if (grpc && to.url.find("://") == std::string::npos)
    to.url = StrCat(to.cleartext ? "http://" : "https://", to.url);
  Result<Url> url = ParseUrl(to.url);
  if (!url.ok())
    return absl::InvalidArgumentError(StrCat("the endpoint for the platform's ", Name(signal),
                                             " is no URL: ", StdView(url.status().message())));
  std::shared_ptr<const TlsContext> tls;
  if (url->scheme == "https") {
    const auto made = TlsContext::MakeForWeb(
        {.ca_file = to.ca_file, .certificate_file = to.certificate_file, .key_file = to.key_file});
    if (!made.ok())
      return absl::InvalidArgumentError(StrCat("TLS to the collector of the platform's ",
                                               Name(signal), ": ",
                                               StdView(made.status().message())));
    tls = *made;
  }
  if (grpc) {
    RemoteChannelConfig channel;
    channel.tls = std::move(tls);
    channel.expected_peer = url->host;
    channel.address =
        StrCat(url->host_is_ipv6 ? StrCat("[", url->host, "]") : url->host, ":", url->port);
    channel.gzip_bytes_min = to.gzip ? kGzipMin : 0;
    if (to.headers.size() > 8)
      return absl::InvalidArgumentError("OTLP over gRPC is sent with eight headers at most");
    for (const auto& [name, value] : to.headers)
      channel.metadata.emplace_back(name, value.Reveal());
    return std::make_unique<GrpcTransport>(ServiceOf(signal), std::move(channel), to.timeout,
                                           loops);
  }
  HttpClientConfig client = NamedServerConfig(to.url, to.ca_file, to.timeout, kReplyMax);
  client.certificate_file = to.certificate_file;
  client.key_file = to.key_file;
  return std::make_unique<HttpTransport>(ServiceOf(signal), std::move(to), std::move(client),
                                         loops);
}

}  // namespace tessera
