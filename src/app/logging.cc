#include "app/logging.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <unistd.h>

#include "absl/strings/str_split.h"
#include "app/root_process.h"
#include "app/telemetry.h"
#include "app/version.h"
#include "base/str.h"
#include "config/resolved_secrets.h"
#include "logs/bulk_sink.h"
#include "logs/log_message.h"
#include "otlp/otlp_logs.h"

extern char** environ;

namespace tessera {
namespace {

constexpr char kLevel[] = "TESSERA_LOG_LEVEL";
constexpr char kFormat[] = "TESSERA_LOG_FORMAT";

std::string Variable(const char* name) {
  const char* const value = ::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// "info", "edge=debug", "warning,edge=debug,services=info".
void ReadLevels(const std::string& text, LogLevels& levels) {
  for (const absl::string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::string_view one = Trim(StdView(part));
    const std::size_t equals = one.find('=');
    const bool has_module = equals != std::string_view::npos;
    const auto level = ParseLogLevel(has_module ? one.substr(equals + 1) : one);
    if (!level) {
      Log(LogLevel::kWarning, "a level of the log makes no sense and is left out", {{"text", one}});
    } else if (has_module) {
      levels.modules[std::string(one.substr(0, equals))] = *level;
    } else {
      levels.others = *level;
    }
  }
}

std::vector<std::string> KnownSecrets(const ConfigSnapshot& config) {
  std::vector<std::string> secrets = ResolvedSecrets();
  const OtlpConfig otlp = ReadTelemetry(config).otlp;
  for (const OtlpSignal signal : kOtlpSignals) {
    for (const auto& [name, value] : otlp.Target(signal).headers) secrets.push_back(value.Reveal());
  }
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    if (HoldsSecret(line.substr(0, equals), line.substr(equals + 1)))
      secrets.emplace_back(line.substr(equals + 1));
  }
  return secrets;
}

}  // namespace

void ChooseLog(const std::string& level, const std::string& format) {
  if (!level.empty()) ::setenv(kLevel, level.c_str(), 1);
  if (!format.empty()) ::setenv(kFormat, format.c_str(), 1);
}

std::shared_ptr<const Redactor> RedactorOf(const ConfigSnapshot& config) {
  return std::make_shared<const Redactor>(KnownSecrets(config),
                                          config.Get<LogsConfig>("logs").Redaction());
}

LogFormat FormatOfLog(const ConfigSnapshot& config) {
  const std::string chosen = Variable(kFormat);
  if (chosen == "json") return LogFormat::kJson;
  return chosen == "text" ? LogFormat::kText : config.Get<LogsConfig>("logs").format;
}

std::unique_ptr<LogRun> BeginLog(const ConfigSnapshot& config, const v1::GroupBootstrap* told) {
  const auto& logs = config.Get<LogsConfig>("logs");
  LogLevels levels = logs.Levels();
  ReadLevels(Variable(kLevel), levels);
  if (told != nullptr && told->has_log_levels()) levels = FromMessage(told->log_levels());
  SetLogLevels(std::move(levels));
  SetLogStorm(logs.Storm());

  LogPipeline::Options options;
  if (logs.output == LogOutputChoice::kStdout) options.fd = STDOUT_FILENO;
  if (logs.output == LogOutputChoice::kNone) options.fd = -1;
  options.format = FormatOfLog(config);
  options.origin = {.service = ReadTelemetry(config).service_name,
                    .version = kVersion,
                    .node = "",
                    .pid = ::getpid()};
  options.queue_bytes = logs.queue_max.count;
  options.output_bytes = logs.queue_max.count;
  options.ring_bytes = logs.kept_max.count;
  options.redactor = RedactorOf(config);
  return std::make_unique<LogRun>(std::move(options));
}

PlatformLogs::PlatformLogs(const ConfigSnapshot& config, std::string data)
    : config_(config.Get<LogsConfig>("logs")),
      telemetry_(ReadTelemetry(config)),
      data_(std::move(data)) {}

Result<std::unique_ptr<PlatformLogs>> PlatformLogs::Start(const ConfigSnapshot& config,
                                                          const std::string& data, bool sends) {
  std::unique_ptr<PlatformLogs> logs(new PlatformLogs(config, data));
  if (sends) TRY(logs->StartSinks());
  LogCollector::Parts parts;
  parts.bytes_max = logs->config_.kept_max.count;
  parts.sink = [all = logs.get()](const std::vector<GatheredLog>& records) {
    std::lock_guard lock(all->sending_);
    for (const auto& shipper : all->shippers_) shipper->Add(records);
  };
  logs->collector_ = std::make_unique<LogCollector>(std::move(parts));
  logs->logs_ = std::make_unique<LocalLogs>(*logs->collector_, logs->waiting_);
  return logs;
}

// The last records are sent before what sends them goes.
PlatformLogs::~PlatformLogs() {
  if (collector_) collector_->Stop();
}

void PlatformLogs::BeginSending() {
  std::lock_guard lock(sending_);
  const Status started = StartSinks();
  if (!started.ok())
    Log(LogLevel::kError, "records of the log go to no sink", {{"reason", started.ToString()}});
}

void PlatformLogs::EndSending() {
  logs_->EndTails();
  std::lock_guard lock(sending_);
  shippers_.clear();
}

Status PlatformLogs::StartSinks() {
  const LogsConfig& config = config_;
  const auto start = [&](const LogSinkConfig& sending, std::unique_ptr<LogSink> sink) -> Status {
    TRY(std::unique_ptr<LogSpool> spool,
        LogSpool::Open(StrCat(data_, "/outbound/logs-", sink->name()), sending.spool_max.count));
    const LogShipper::Options options{.batch_records = sending.batch_max,
                                      .delay = sending.delay,
                                      .retry_min = sending.retry_min,
                                      .retry_max = sending.retry_max};
    shippers_.push_back(std::make_unique<LogShipper>(std::move(spool), std::move(sink), options));
    return absl::OkStatus();
  };
  OtlpTarget target = telemetry_.otlp.Target(OtlpSignal::kLogs);
  if (!target.url.empty()) {
    target.timeout = std::min(target.timeout, config.otlp.timeout);
    TRY(auto transport, MakeOtlpTransport(OtlpSignal::kLogs, target, loops_));
    TRY(start(config.otlp,
              std::make_unique<OtlpLogSink>(std::move(transport), telemetry_.Resource(kVersion))));
  }
  const LogElasticsearchConfig& elastic = config.elasticsearch;
  if (!elastic.url.empty()) {
    BulkSink::Options options{.url = elastic.url,
                              .data_stream = elastic.data_stream,
                              .user = elastic.user,
                              .password = elastic.password,
                              .api_key = elastic.api_key,
                              .gzip = elastic.gzip,
                              .ca_file = elastic.ca_file,
                              .timeout = elastic.sending.timeout,
                              .service = telemetry_.service_name,
                              .version = kVersion};
    TRY(start(elastic.sending, std::make_unique<BulkSink>(std::move(options), loops_)));
  }
  return absl::OkStatus();
}

PlatformLogs::Following::Following(PlatformLogs& logs, RootProcess& root) : logs_(logs) {
  logs_.collector_->SetOthers([&root](Ctx ctx, TakeLogsQuestion question) {
    return root.TakeLogs(std::move(ctx), std::move(question));
  });
}

PlatformLogs::Following::~Following() { logs_.collector_->SetOthers({}); }

}  // namespace tessera
