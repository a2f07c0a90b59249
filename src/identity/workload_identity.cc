#include "identity/workload_identity.h"

#include <algorithm>
#include <utility>

#include "identity/secret_files.h"
#include "runtime/thread_pool.h"
#include "runtime/timer.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

bool Same(const TlsIdentity& a, const TlsIdentity& b) {
  return a.certificates == b.certificates && a.key == b.key && a.trust == b.trust;
}

// Whatever of the three is new and whatever old: whether they fit is the context's to find out.
Result<TlsIdentity> ReadFiles(const IdentityFiles& files) {
  TlsIdentity identity;
  TRY(identity.certificates, ReadSmallFile(files.certificate));
  TRY(identity.key, ReadSmallFile(files.key));
  TRY(identity.trust, ReadSmallFile(files.trust));
  return identity;
}

void Note(const TlsContext& tls) {
  static Gauge& end =
      Metrics::Process().NewGauge("tessera_identity_expiry_timestamp_seconds",
                                  "When this process's certificate ends, seconds since 1970.");
  end.Set(tls.not_after_ms() / 1000);
}

}  // namespace

WorkloadIdentity::WorkloadIdentity(Source source, bool issues, std::shared_ptr<TlsContext> tls,
                                   TlsIdentity identity)
    : source_(std::move(source)),
      issues_(issues),
      tls_(std::move(tls)),
      current_(std::move(identity)) {
  Note(*tls_);
}

Result<std::unique_ptr<WorkloadIdentity>> WorkloadIdentity::Make(Source source, bool issues,
                                                                 const TlsIdentity& identity,
                                                                 TlsOptions options) {
  TRY(std::shared_ptr<TlsContext> tls, TlsContext::Make(identity, std::move(options)));
  // tidy: the constructor is private
  return std::unique_ptr<WorkloadIdentity>(
      new WorkloadIdentity(std::move(source), issues, std::move(tls), identity));
}

Result<std::unique_ptr<WorkloadIdentity>> WorkloadIdentity::FromAuthority(
    CertificateAuthority& authority, std::string spiffe_id, TlsOptions options) {
  Source source = [&authority, spiffe_id = std::move(spiffe_id)] {
    return authority.Issue(spiffe_id);
  };
  TRY(const TlsIdentity first, source());
  return Make(std::move(source), true, first, std::move(options));
}

Result<std::unique_ptr<WorkloadIdentity>> WorkloadIdentity::FromFiles(IdentityFiles files,
                                                                      TlsOptions options) {
  const std::string key = files.key;
  Source source = [files = std::move(files)] { return ReadFiles(files); };
  TRY(const TlsIdentity first, source());
  // Volumes of Kubernetes are like that unless told otherwise: no reason not to start.
  const Status kept = ReadKeyFile(key).status();
  if (!kept.ok()) Log(LogLevel::kWarning, "a private key is not private", {{"file", key}});
  return Make(std::move(source), false, first, std::move(options));
}

Result<std::unique_ptr<WorkloadIdentity>> WorkloadIdentity::FromBytes(const TlsIdentity& identity,
                                                                      TlsOptions options) {
  return Make(nullptr, false, identity, std::move(options));
}

Status WorkloadIdentity::Set(const TlsIdentity& identity) {
  std::lock_guard lock(mutex_);
  TRY(tls_->Renew(identity));
  current_ = identity;
  Note(*tls_);
  return absl::OkStatus();
}

Status WorkloadIdentity::Refresh() {
  if (!source_) return absl::OkStatus();
  std::lock_guard lock(mutex_);
  if (issues_) {
    TRY(const Duration wait, TimeToRenew(current_));
    if (wait > Duration::zero()) return absl::OkStatus();
  }
  TRY(TlsIdentity fresh, source_());
  if (Same(fresh, current_)) return absl::OkStatus();
  TRY(tls_->Renew(fresh));
  current_ = std::move(fresh);
  Note(*tls_);
  Log(LogLevel::kInfo, "renewed this process's certificate", {{"id", tls_->id()}});
  return absl::OkStatus();
}

void WorkloadIdentity::Start(Executor& disk, Duration interval) {
  scope_.Spawn(disk, Keep(&disk, interval));
}

Task<void> WorkloadIdentity::Keep(Executor* disk, Duration interval) {
  const Ctx ctx(nullptr, scope_.token());
  while (true) {
    const Status slept = co_await SleepFor(ctx, interval);
    if (!slept.ok()) break;
    co_await SwitchTo(*disk);
    const Status refreshed = Refresh();
    const std::string complaint(StdView(refreshed.message()));
    if (std::exchange(complaint_, complaint) != complaint && !refreshed.ok()) {
      Log(LogLevel::kWarning, "this process's certificate was not renewed; the old one stays",
          {{"reason", complaint}});
    }
  }
}

Task<Status> WorkloadIdentity::Stop() { co_return co_await scope_.Stop(Ctx()); }

Result<Duration> TimeToRenew(const TlsIdentity& identity) {
  TRY(const CertificateFacts facts, ReadFacts(identity.certificates));
  const std::int64_t middle = (facts.not_before_ms + facts.not_after_ms) / 2;
  return Duration(std::chrono::milliseconds(std::max<std::int64_t>(middle - WallMillis(), 0)));
}

}  // namespace tessera
