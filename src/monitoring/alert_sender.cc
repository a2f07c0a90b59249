#include "monitoring/alert_sender.h"

#include <algorithm>

#include "base/json_writer.h"
#include "base/str.h"
#include "base/task.h"
#include "net/named_server.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr std::uint64_t kReplyMax = 64 << 10;
constexpr std::size_t kQueueMax = 200;
constexpr std::string_view kAlertName = "TesseraSloBurn";

Counter& CountOf(const std::string& kind, std::string_view outcome) {
  return Metrics::Process().NewCounter("tessera_alert_notifications_total",
                                       "Messages about alerts, by what came of them.",
                                       {{"receiver", kind}, {"outcome", std::string(outcome)}});
}

/// Events, each once and in order.
class Webhook final : public AlertReceiver {
 public:
  Webhook(Options options, IoLoops& loops) : AlertReceiver(std::move(options), loops) { Start(); }
  ~Webhook() override { Stop(); }

 private:
  void Take(const AlertRecord& alert, bool fresh) override {
    if (!fresh) return;  // was told of by the earlier process
    if (queue_.size() == kQueueMax) {
      queue_.pop_front();
      CountDropped();
    }
    queue_.push_back(WebhookBody(alert));
  }
  std::string Next(SteadyTime) override {
    sending_ = queue_.empty() ? "" : queue_.front();
    return sending_;
  }
  void Done(SteadyTime) override {
    // It may have made room for a newer one meanwhile.
    if (!queue_.empty() && queue_.front() == sending_) queue_.pop_front();
  }
  void Clear() override { queue_.clear(); }
  SteadyTime Due() const override { return queue_.empty() ? SteadyTime::max() : SteadyTime::min(); }

  std::deque<std::string> queue_;
  std::string sending_;
};

/// What fires is told of again and again, what has ended until it was taken once.
class Alertmanager final : public AlertReceiver {
 public:
  Alertmanager(Options options, IoLoops& loops) : AlertReceiver(std::move(options), loops) {
    Start();
  }
  ~Alertmanager() override { Stop(); }

 private:
  void Take(const AlertRecord& alert, bool) override {
    alerts_.insert_or_assign({alert.slo, alert.severity}, alert);
    due_ = SteadyTime::min();
  }
  std::string Next(SteadyTime now) override {
    if (alerts_.empty() || now < due_) return "";
    sending_.clear();
    for (const auto& [key, alert] : alerts_) sending_.push_back(alert);
    const auto lasts = std::chrono::duration_cast<std::chrono::milliseconds>(4 * options_.resend);
    return AlertmanagerBody(sending_, options_.labels, WallMillis() + lasts.count());
  }
  void Done(SteadyTime now) override {
    for (const AlertRecord& sent : sending_) {
      const auto known = alerts_.find({sent.slo, sent.severity});
      if (known == alerts_.end()) continue;
      const bool changed = known->second.id != sent.id || known->second.until_ms != sent.until_ms;
      if (changed) return;  // due at once
      if (sent.until_ms != 0) alerts_.erase(known);
    }
    due_ = now + options_.resend;
  }
  void Clear() override { alerts_.clear(); }
  SteadyTime Due() const override { return alerts_.empty() ? SteadyTime::max() : due_; }

  std::map<std::pair<std::string, AlertSeverity>, AlertRecord> alerts_;  // of one objective two
  std::vector<AlertRecord> sending_;
  SteadyTime due_ = SteadyTime::min();
};

std::string TimeText(std::int64_t wall_ms) {
  char buffer[25];
  return std::string(Rfc3339(wall_ms, buffer));
}

}  // namespace

AlertReceiver::AlertReceiver(Options options, IoLoops& loops)
    : options_(std::move(options)),
      http_(NamedServerConfig(options_.config.url, options_.config.ca_file, options_.config.timeout,
                              kReplyMax),
            loops),
      sent_(CountOf(options_.kind, "sent")),
      failed_(CountOf(options_.kind, "failed")),
      refused_(CountOf(options_.kind, "refused")),
      dropped_(CountOf(options_.kind, "dropped")) {}

AlertReceiver::~AlertReceiver() = default;

void AlertReceiver::Start() {
  thread_ = std::thread([this] { Run(); });
}

void AlertReceiver::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  cancel_.Cancel(absl::CancelledError("the platform stops"));
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void AlertReceiver::Tell(const AlertRecord& alert, bool fresh) {
  {
    std::lock_guard lock(mutex_);
    Take(alert, fresh);
    fresh_ = true;
  }
  wake_.notify_all();
}

void AlertReceiver::Run() {
  Duration pause = Duration::zero();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const SteadyTime now = Now();
    std::string body = Next(now);
    if (!body.empty() && !options_.in_charge()) {
      Clear();
      body.clear();
    }
    if (body.empty()) {
      const SteadyTime due = Due();
      const auto awake = [this] { return stopping_ || std::exchange(fresh_, false); };
      if (due == SteadyTime::max()) {
        wake_.wait(lock, awake);
      } else {
        wake_.wait_until(lock, due, awake);
      }
      continue;
    }
    lock.unlock();
    const Outcome outcome = Send(body);
    lock.lock();
    if (outcome != Outcome::kAgain) {
      Done(Now());
      pause = Duration::zero();
      continue;
    }
    pause = std::clamp(pause * 2, options_.retry_min, options_.retry_max);
    wake_.wait_for(lock, pause, [this] { return stopping_; });
  }
}

AlertReceiver::Outcome AlertReceiver::Send(const std::string& body) {
  const Ctx ctx = SystemCtx(cancel_.token()).WithTimeout(options_.config.timeout);
  const Result<int> status = SyncWait(Post(ctx, body));
  if (status.ok() && *status >= 200 && *status < 300) {
    sent_.Add();
    return Outcome::kTaken;
  }
  const std::string reason =
      status.ok() ? StrCat("it answered ", *status) : status.status().ToString();
  const bool again = !status.ok() || *status >= 500 || *status == 408 || *status == 429;
  (again ? failed_ : refused_).Add();
  if (!cancel_.token().cancelled())
    Log(LogLevel::kWarning,
        again ? "an alert could not be told of; it is tried again" : "an alert was refused",
        {{"receiver", options_.kind}, {"reason", reason}});
  return again ? Outcome::kAgain : Outcome::kRefused;
}

Task<Result<int>> AlertReceiver::Post(Ctx ctx, std::string body) {
  HttpClientRequest request;
  request.method = HttpMethod::kPost;
  request.url = options_.config.url;
  request.headers.Add("content-type", "application/json");
  for (const auto& [name, value] : options_.config.headers)
    request.headers.Set(name, value.Reveal());
  request.body = std::move(body);
  CO_TRY(HttpClientReply reply, co_await http_.Send(ctx, std::move(request)));
  const int status = reply.status;
  const auto read = co_await ReadAll(ctx, std::move(reply.body), kReplyMax);
  co_return status;
}

AlertSender::AlertSender(const SloNotifyConfig& config, IoLoops& loops,
                         std::function<bool()> in_charge) {
  for (const AlertReceiverConfig& one : config.webhooks)
    receivers_.push_back(
        std::make_unique<Webhook>(AlertReceiver::Options{.kind = "webhook",
                                                         .config = one,
                                                         .labels = {},
                                                         .retry_max = config.retry_max,
                                                         .in_charge = in_charge},
                                  loops));
  for (AlertReceiverConfig one : config.alertmanagers) {
    while (one.url.ends_with('/')) one.url.pop_back();
    one.url += "/api/v2/alerts";
    receivers_.push_back(
        std::make_unique<Alertmanager>(AlertReceiver::Options{.kind = "alertmanager",
                                                              .config = std::move(one),
                                                              .labels = config.labels,
                                                              .resend = config.resend,
                                                              .retry_max = config.retry_max,
                                                              .in_charge = in_charge},
                                       loops));
  }
}

void AlertSender::Tell(const AlertRecord& alert, bool fresh) {
  for (const auto& receiver : receivers_) receiver->Tell(alert, fresh);
}

std::string WebhookBody(const AlertRecord& alert) {
  JsonWriter json;
  json.BeginObject().Field("version", 1);
  json.Field("event", alert.until_ms == 0 ? "firing" : "resolved");
  json.Key("alert").BeginObject().Field("id", alert.id).Field("name", kAlertName);
  json.Field("slo", alert.slo).Field("severity", Name(alert.severity));
  json.Field("since", TimeText(alert.since_ms));
  if (alert.until_ms != 0) json.Field("until", TimeText(alert.until_ms));
  json.Field("text", alert.text).EndObject().EndObject();
  return json.Take();
}

std::string AlertmanagerBody(const std::vector<AlertRecord>& alerts,
                             const std::map<std::string, std::string>& labels,
                             std::int64_t ends_ms) {
  JsonWriter json;
  json.BeginArray();
  for (const AlertRecord& alert : alerts) {
    json.BeginObject().Key("labels").BeginObject();
    for (const auto& [name, value] : labels) json.Field(name, value);
    json.Field("alertname", kAlertName).Field("slo", alert.slo);
    json.Field("severity", Name(alert.severity)).EndObject();
    json.Key("annotations").BeginObject();
    json.Field("summary", StrCat(alert.slo, " burns its error budget"));
    json.Field("description", alert.text).EndObject();
    json.Field("startsAt", TimeText(alert.since_ms));
    json.Field("endsAt", TimeText(alert.until_ms == 0 ? ends_ms : alert.until_ms)).EndObject();
  }
  json.EndArray();
  return json.Take();
}

}  // namespace tessera
