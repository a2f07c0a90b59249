#include "edge/proxy/rest_method.h"

#include "base/fault.h"
#include "base/ids.h"
#include "base/str.h"
#include "edge/proto_json.h"
#include "net/http_error.h"
#include "net/trace_context.h"
#include "net/uri.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr std::uint64_t kErrorBytesMax = 4096;
constexpr std::uint32_t kIdleConnections = 256;

ReshapeMove Move(std::string from, std::string to, std::string index = "") {
  return {.from = std::move(from), .to = std::move(to), .index = std::move(index)};
}
ReshapeConfig Only(std::vector<ReshapeMove> map) {
  return {.map = std::move(map), .keep_rest = false};
}

// What the services of OPEA and their back ends speak.
const KnownShape* KnownShapeOf(std::string_view name, RestShape shape) {
  if (name == "Inference.Embed" && shape == RestShape::kTei) return &kTeiEmbed;
  if (name == "Inference.Rerank" && shape == RestShape::kTei) return &kTeiRerank;
  if (name == "Retrieval.Search" && shape == RestShape::kOpea) return &kOpeaSearch;
  return nullptr;
}

// Of the other shapes, the mapping.
Status FillShape(std::string_view name, RestMethodConfig& config) {
  if (config.shape == RestShape::kOwn) return absl::OkStatus();
  if (!config.request.map.empty() || !config.reply.map.empty())
    return absl::InvalidArgumentError(
        StrCat("contracts.", name, ": \"shape\" and a mapping of one's own exclude each other"));
  if (KnownShapeOf(name, config.shape) != nullptr) return absl::OkStatus();
  if (name == "Inference.Embed" && config.shape == RestShape::kOpenAi) {
    config.request = Only({Move("/texts", "/input"), Move("/model", "/model")});
    config.reply = Only({Move("/data/*/embedding", "/vectors/*/values", "/data/*/index")});
  } else {
    return absl::InvalidArgumentError(
        StrCat("contracts.", name, ".shape: this method has no such shape"));
  }
  return absl::OkStatus();
}

}  // namespace

void RestMethodConfig::Describe(Fields<RestMethodConfig>& f) {
  f.Required("url", &RestMethodConfig::url, "Where requests are posted to.");
  f.Choice("shape", &RestMethodConfig::shape,
           "Mappings that are known already: \"tei\" (Text Embeddings Inference's /embed and "
           "/rerank), \"opea\" (/v1/retrieval), \"openai\" (/v1/embeddings). \"own\": request and "
           "reply below.",
           {{"own", RestShape::kOwn},
            {"tei", RestShape::kTei},
            {"opea", RestShape::kOpea},
            {"openai", RestShape::kOpenAi}});
  f.Optional("model", &RestMethodConfig::model, "The model that replies are said to come from.");
  f.Optional("headers", &RestMethodConfig::headers, "Sent with each request, keys for example.");
  f.Optional("request", &RestMethodConfig::request,
             "From the contract's request, as JSON, to the endpoint's.");
  f.Optional("reply", &RestMethodConfig::reply,
             "From the endpoint's reply to the contract's, as JSON.");
  f.Optional("timeout", &RestMethodConfig::timeout, "Longest time until the whole reply is there.");
  f.Optional("reply_bytes_max", &RestMethodConfig::reply_bytes_max, "Most bytes of a reply.");
}

Result<std::shared_ptr<HttpClient>> MakeUpstreamClient(const std::vector<std::string>& urls,
                                                       std::uint64_t reply_bytes_max,
                                                       IoLoops& loops) {
  HttpClientConfig config;
  for (const std::string& text : urls) {
    TRY(const Url url, ParseUrl(text));
    config.policy.trusted_hosts.push_back(url.Authority());
  }
  config.reply_bytes_max = reply_bytes_max;
  config.redirects_max = 0;
  config.idle_connections_max = kIdleConnections;
  return std::make_shared<HttpClient>(std::move(config), loops);
}

Status UpstreamError(std::string_view who, int status, std::string_view body) {
  const std::string message =
      StrCat(who, " answered ", status, body.empty() ? "" : ": ", body.substr(0, 300));
  if (status == 429) return absl::ResourceExhaustedError(message);
  if (status == 400 || status == 413 || status == 422) return absl::InvalidArgumentError(message);
  if (status == 404) return absl::NotFoundError(message);
  if (status >= 500) return WithErrorCode(absl::UnavailableError(message), kUpstreamFailed);
  return absl::FailedPreconditionError(message);
}

Result<std::unique_ptr<const RestMethod>> RestMethod::Make(std::string_view name,
                                                           RestMethodConfig config,
                                                           IoLoops& loops) {
  TRY(FillShape(name, config));
  TRY(Reshape request, Reshape::Make(config.request));
  TRY(Reshape reply, Reshape::Make(config.reply));
  TRY(auto http, MakeUpstreamClient({config.url}, config.reply_bytes_max.count, loops));
  const KnownShape* const known = KnownShapeOf(name, config.shape);
  return std::unique_ptr<const RestMethod>(
      new RestMethod(StrCat("the service behind ", name), std::move(config), known,
                     std::move(request), std::move(reply), std::move(http)));
}

Result<std::string> RestMethod::Write(const google::protobuf::Message& request) const {
  if (known_ != nullptr) return known_->write(request);
  TRY(JsonTree document, JsonTree::Parse(MessageToJson(request)));
  TRY(const JsonTree asked, request_.Apply(std::move(document)));
  return asked.ToJson();
}

Status RestMethod::Read(std::string body, google::protobuf::Message* reply) const {
  if (known_ != nullptr) return known_->read(std::move(body), reply);
  TRY(JsonTree said, JsonTree::Parse(std::move(body)));
  TRY(const JsonTree shaped, reply_.Apply(std::move(said)));
  TRY(const JsonDocument fitting, JsonDocument::Parse(shaped.ToJson()));
  JsonErrors errors;
  ReadMessage(fitting.root(), "", errors, reply);
  return errors.status();
}

Status RestMethod::Fail(Status why) const {
  if (absl::IsCancelled(why)) return why;
  Log(LogLevel::kWarning, "a service of others failed",
      {{"url", config_.url}, {"for", name_}, {"reason", why.ToString()}});
  if (why.code() == absl::StatusCode::kInternal)
    return WithErrorCode(absl::InternalError(StrCat(name_, " gave a reply that does not fit")),
                         kUpstreamFailed);
  return WithErrorCode(absl::Status(why.code(), AbslView(StrCat(name_, " did not answer"))),
                       kUpstreamFailed);
}

Task<Status> RestMethod::CallInto(Ctx ctx, std::unique_ptr<google::protobuf::Message> request,
                                  google::protobuf::Message* reply) const {
  ctx.TightenDeadline(Now() + config_.timeout);
  CO_TRY(std::string asked, Write(*request));
  HttpClientRequest call;
  call.method = HttpMethod::kPost;
  call.url = config_.url;
  call.headers.Add("content-type", "application/json");
  for (const auto& [name, value] : config_.headers) call.headers.Set(name, value.Reveal());
  SetTraceHeaders(ctx, call.headers);
  call.body = std::move(asked);
  Result<HttpClientReply> sent = co_await http_->Send(ctx, std::move(call));
  if (!sent.ok()) co_return Fail(sent.status());
  HttpClientReply answer = *std::move(sent);
  const bool good = answer.status >= 200 && answer.status < 300;
  const std::uint64_t bytes_max = good ? config_.reply_bytes_max.count : kErrorBytesMax;
  Result<std::string> body = co_await ReadAll(ctx, std::move(answer.body), bytes_max);
  if (!good) {
    Log(LogLevel::kWarning, "a service of others answered with an error",
        {{"url", config_.url}, {"for", name_}, {"status", answer.status}});
    co_return UpstreamError(name_, answer.status, body.ok() ? *body : "");
  }
  if (!body.ok()) co_return Fail(body.status());
  const Status fits = Read(*std::move(body), reply);
  if (!fits.ok()) co_return Fail(absl::InternalError(fits.message()));
  co_return absl::OkStatus();
}

}  // namespace tessera
