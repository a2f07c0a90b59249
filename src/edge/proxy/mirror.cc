#include "edge/proxy/mirror.h"

#include "base/ids.h"
#include "base/str.h"
#include "net/http_error.h"

namespace tessera {
namespace {

constexpr std::size_t kRecentMax = 100;
constexpr std::size_t kFieldsMax = 16;
constexpr std::size_t kCompareMax = 1 << 20;
constexpr std::string_view kNames[] = {"same", "different", "failed", "skipped", "not_compared"};

}  // namespace

MirroredReply MirroredReply::Of(const Result<HttpReply>& reply) {
  MirroredReply seen;
  if (!reply.ok()) {
    seen.status = HttpStatusOf(reply.status());
    return seen;
  }
  seen.status = reply->status;
  const auto* const text = std::get_if<std::string>(&reply->body);
  seen.comparable = text != nullptr && text->size() <= kCompareMax;
  if (seen.comparable) seen.body = *text;
  return seen;
}

Result<std::unique_ptr<Mirror>> Mirror::Make(std::string route, MirrorConfig config,
                                             const ProxyTarget& target, Scope& background,
                                             Executor& executor) {
  std::vector<JsonPath> ignore;
  for (const std::string& text : config.ignore) {
    TRY(JsonPath path, JsonPath::Parse(text));
    ignore.push_back(std::move(path));
  }
  return std::unique_ptr<Mirror>(new Mirror(std::move(route), std::move(config), std::move(ignore),
                                            target, background, executor));
}

Mirror::Mirror(std::string route, MirrorConfig config, std::vector<JsonPath> ignore,
               const ProxyTarget& target, Scope& background, Executor& executor)
    : route_(std::move(route)),
      config_(std::move(config)),
      ignore_(std::move(ignore)),
      target_(target),
      background_(background),
      executor_(executor) {
  for (int i = 0; i < kOutcomes; ++i) {
    counters_[i] = &Metrics::Process().NewCounter(
        "tessera_mirrored_total", "Copies of requests to a target on trial, by what came of them.",
        {{"route", route_}, {"target", config_.target}, {"outcome", std::string(kNames[i])}});
  }
}

void Mirror::Count(Outcome outcome) {
  counts_[outcome].fetch_add(1);
  counters_[outcome]->Add();
}

bool Mirror::Wants() {
  constexpr std::uint64_t kParts = 1'000'000;
  if (static_cast<double>(RandomId() % kParts) >= config_.percent / 100 * kParts) return false;
  if (in_flight_.fetch_add(1) < config_.in_flight_max) return true;
  in_flight_.fetch_sub(1);
  Count(kSkipped);
  return false;
}

void Mirror::Send(const Ctx& ctx, ProxyCall call, MirroredReply original,
                  std::shared_ptr<const void> owner) {
  Ctx own(std::make_shared<const RequestInfo>(ctx.info()), background_.token());
  own.EnterSpan(ctx.span_id());
  if (!background_.Spawn(
          executor_, Run(std::move(own), std::move(call), std::move(original), std::move(owner))))
    in_flight_.fetch_sub(1);
}

Task<void> Mirror::Run(Ctx ctx, ProxyCall call, MirroredReply original,
                       std::shared_ptr<const void> owner) {
  Difference difference;
  const Result<HttpReply> mirrored = co_await target_.Call(ctx, call.ToRequest());
  const Outcome outcome = Compare(original, mirrored, &difference);
  Count(outcome);
  if (outcome == kDifferent || outcome == kFailed) {
    difference.at_ms = WallMillis();
    difference.request_id = ctx.info().request_id;
    std::lock_guard lock(mutex_);
    recent_.push_front(std::move(difference));
    if (recent_.size() > kRecentMax) recent_.pop_back();
  }
  in_flight_.fetch_sub(1);
}

Mirror::Outcome Mirror::Compare(const MirroredReply& original, const Result<HttpReply>& mirrored,
                                Difference* difference) const {
  const MirroredReply other = MirroredReply::Of(mirrored);
  difference->status = original.status;
  difference->mirrored_status = other.status;
  if (!mirrored.ok()) {
    difference->error = std::string(StdView(mirrored.status().message()));
    return original.status == other.status ? kSame : kFailed;
  }
  if (!config_.compare) return kNotCompared;
  if (original.status != other.status) return kDifferent;
  if (!original.comparable || !other.comparable) return kNotCompared;
  difference->fields = Fields(original.body, other.body);
  return difference->fields.empty() ? kSame : kDifferent;
}

std::vector<std::string> Mirror::Fields(const std::string& a, const std::string& b) const {
  Result<JsonTree> ours = JsonTree::Parse(a);
  Result<JsonTree> theirs = JsonTree::Parse(b);
  if (!ours.ok() || !theirs.ok())
    return a == b ? std::vector<std::string>() : std::vector<std::string>{""};
  for (const JsonPath& path : ignore_) {
    path.Remove(*ours);
    path.Remove(*theirs);
  }
  return Differences(*ours, *theirs, kFieldsMax);
}

void Mirror::Write(JsonWriter& json) const {
  json.BeginObject().Field("route", route_).Field("target", config_.target);
  json.Field("in_flight", in_flight_.load());
  for (int i = 0; i < kOutcomes; ++i) json.Field(kNames[i], counts_[i].load());
  json.Key("recent").BeginArray();
  std::lock_guard lock(mutex_);
  for (const Difference& one : recent_) {
    json.BeginObject().Field("at_ms", one.at_ms).Field("request_id", one.request_id);
    json.Field("status", one.status).Field("mirrored_status", one.mirrored_status);
    if (!one.error.empty()) json.Field("error", one.error);
    json.Key("fields").BeginArray();
    for (const std::string& field : one.fields) json.Value(field);
    json.EndArray().EndObject();
  }
  json.EndArray().EndObject();
}

}  // namespace tessera
