#include "app/telemetry.h"

#include <utility>

#include <sys/statvfs.h>

#include "app/version.h"
#include "base/str.h"
#include "base/task.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {
constexpr Duration kFlushLimit = std::chrono::seconds(3);
// A platform in three processes tells of 5,000 before its first request; those that grow need 6 KB.
constexpr std::size_t kSeriesMax = 10'000;
}  // namespace

TelemetryConfig ReadTelemetry(const ConfigSnapshot& config, std::vector<std::string>* warnings) {
  const Environment environment = OwnEnvironment();
  std::vector<std::string> ignored;
  return WithOtelVariables(config.Get<TelemetryConfig>("telemetry"), environment,
                           warnings == nullptr ? &ignored : warnings);
}

TelemetryConfig RecordRequests(const ConfigSnapshot& config) {
  std::vector<std::string> warnings;
  TelemetryConfig telemetry = ReadTelemetry(config, &warnings);
  for (const std::string& warning : warnings)
    Log(LogLevel::kWarning, "a variable of OpenTelemetry makes no sense", {{"reason", warning}});
  TraceRecorder::Process().Configure(telemetry.RecorderOptions());
  return telemetry;
}

namespace {

// Of the first process alone: the others use the same folder.
void TellOfDisk(const std::string& data) {
  Metrics::Process().AddWriter([data](std::string& out) {
    struct statvfs disk = {};
    if (::statvfs(data.c_str(), &disk) != 0) return;
    const auto block = static_cast<double>(disk.f_frsize);
    const auto line = [&out](std::string_view name, std::string_view help, double value) {
      StrAppend(&out, "# HELP ", name, " ", help, "\n# TYPE ", name, " gauge\n", name, " ",
                MetricNumber(value), "\n");
    };
    line("tessera_data_free_bytes", "Room that is left where the data folder lies.",
         static_cast<double>(disk.f_bavail) * block);
    line("tessera_data_disk_bytes", "Size of the file system where the data folder lies.",
         static_cast<double>(disk.f_blocks) * block);
  });
}

// Without the file what was counted goes with the process, which is better than no alerts.
std::shared_ptr<SloWatch> WatchSlos(const SloConfig& config, const std::string& data,
                                    RootProcess& root, AlertSender& sender) {
  auto store = SloStore::Open(SloFile(data));
  if (!store.ok())
    Log(LogLevel::kWarning, "what objectives count will not outlive this process",
        {{"reason", store.status().ToString()}});
  auto watch = std::make_shared<SloWatch>(SloWatch::Parts{
      .config = config,
      .store = store.ok() ? *std::move(store) : nullptr,
      .in_charge = [&root] { return root.has_control(); },
      .tell = [&sender](const AlertRecord& alert, bool fresh) { sender.Tell(alert, fresh); }});
  Metrics::Process().AddWriter([watch = std::weak_ptr<SloWatch>(watch)](std::string& out) {
    if (const auto there = watch.lock()) there->AppendFigures(out);
  });
  return watch;
}

// Nothing where another process has the controller: that one sends.
Task<std::vector<FiguresOfProcess>> FiguresToSend(RootProcess* root, Ctx ctx) {
  std::vector<FiguresOfProcess> all;
  if (root->has_control()) all = co_await root->AskFigures(std::move(ctx));
  co_return all;
}

}  // namespace

PlatformTelemetry::PlatformTelemetry(const SloConfig& slos, const std::string& data,
                                     RootProcess& root)
    : sender_(slos.notify, root.host().loops(), [&root] { return root.has_control(); }),
      slos_(WatchSlos(slos, data, root, sender_)),
      figures_([&root](Ctx ctx) { return root.AskFigures(std::move(ctx)); },
               {.series_max = kSeriesMax}),
      monitoring_(figures_.history(), *slos_, root.host().cpu()) {
  TellOfDisk(data);
  figures_.Start(root.host().blocking(), [this](std::int64_t wall_ms, std::int64_t steady_ms,
                                                const std::vector<MetricFamily>& families) {
    slos_->Take(wall_ms, steady_ms, families);
  });
}

PlatformTelemetry::~PlatformTelemetry() {
  metrics_.reset();
  const Status stopped = SyncWait(figures_.Stop(SystemCtx().WithTimeout(kFlushLimit)));
  if (!stopped.ok())
    Log(LogLevel::kWarning, "the figures' history did not stop", {{"reason", stopped.ToString()}});
  if (collector_) collector_->Stop();
  if (exporter_) exporter_->Stop(kFlushLimit);
}

std::string SloFile(const std::string& data) { return data + "/slos.db"; }

std::string TraceFile(const std::string& data) { return data + "/traces.db"; }

Result<std::unique_ptr<PlatformTelemetry>> PlatformTelemetry::Start(const TelemetryConfig& config,
                                                                    const SloConfig& slos,
                                                                    const std::string& data,
                                                                    RootProcess& root) {
  std::unique_ptr<PlatformTelemetry> telemetry(new PlatformTelemetry(slos, data, root));
  if (TraceRecorder::Process().on()) {
    TraceCollector::Parts parts;
    parts.others = [&root](Ctx ctx, v1::TakeSpansRequest request) {
      return root.TakeSpans(std::move(ctx), std::move(request));
    };
    parts.collects = [&root] { return root.has_control(); };
    if (config.traces.store) {
      TRY(parts.store,
          TraceStore::Open(
              TraceFile(data),
              {.bytes_max = config.traces.store_bytes_max.count,
               .age_max_s = std::chrono::seconds(config.traces.store_age_max).count()}));
    }
    if (config.exports()) {
      TRY(auto transport,
          MakeOtlpTransport(OtlpSignal::kTraces, config.otlp.Target(OtlpSignal::kTraces),
                            root.host().loops()));
      telemetry->exporter_ = std::make_unique<OtlpExporter>(config, kVersion, std::move(transport));
      parts.take_sampled = [exporter = telemetry->exporter_.get()](
                               const v1::SpanFragment& fragment) { exporter->Add(fragment); };
    }
    parts.rates = {.sampled = config.traces.sampled_per_second,
                   .errors = config.traces.errors_per_second};
    telemetry->collector_ = std::make_unique<TraceCollector>(std::move(parts));
  }
  telemetry->traces_ = std::make_unique<LocalTraces>(TraceFile(data), telemetry->collector_.get(),
                                                     root.host().blocking());
  if (const OtlpTarget target = config.otlp.Target(OtlpSignal::kMetrics); !target.url.empty()) {
    TRY(auto transport, MakeOtlpTransport(OtlpSignal::kMetrics, target, root.host().loops()));
    telemetry->metrics_ = std::make_unique<OtlpMetricsExporter>(
        config, kVersion, std::move(transport),
        [&root](Ctx ctx) { return FiguresToSend(&root, std::move(ctx)); });
  }
  return telemetry;
}

}  // namespace tessera
