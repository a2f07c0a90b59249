#include <utility>

#include "remote/cluster_call.h"
#include "remote/retrier.h"
#include "runtime/timer.h"
#include "telemetry/trace.h"

namespace tessera {

using google::protobuf::MessageLite;

namespace {

/// Cancels what has not begun in time; harmless once it has.
class BeginLimit {
 public:
  BeginLimit(const Ctx& ctx, Duration limit) : cut_(std::make_shared<CancelSource>(ctx.cancel())) {
    timer_ = TimerQueue::Process().Arm(Now() + limit, [cut = cut_] {
      cut->Cancel(absl::DeadlineExceededError("the endpoint did not begin to answer in time"));
    });
  }
  ~BeginLimit() { Begun(); }
  BeginLimit(const BeginLimit&) = delete;
  void Begun() { TimerQueue::Process().Cancel(timer_); }
  CancelToken token() const { return cut_->token(); }

 private:
  const std::shared_ptr<CancelSource> cut_;
  TimerQueue::Key timer_;
};

struct Opened {
  std::unique_ptr<BeginLimit> limit;  ///< outlives the items, which use its token
  EndpointLease lease;
  SteadyTime entered;
  std::unique_ptr<RemoteItems> items;
  SpanScope span;
};

/// One stream of a call, over all its attempts.
struct StreamJob {
  StreamJob(std::shared_ptr<ClusterState> with, const MethodInfo* of, Ctx context)
      : state(std::move(with)), method(of), ctx(std::move(context)), retrier(*state, *method) {}
  const std::shared_ptr<ClusterState> state;
  const MethodInfo* const method;
  const Ctx ctx;
  Retrier retrier;
  Tried tried;
};

Task<Result<Opened>> Open(StreamJob* job, const MessageLite* request) {
  ClusterState& state = *job->state;
  const Duration limit = state.config.policy.retry.try_timeout;
  const std::uint64_t key = state.KeyOf(*job->method, job->ctx, *request);
  while (true) {
    Opened opened;
    opened.entered = Now();
    opened.lease = state.TryEnter(opened.entered, key, job->tried);
    if (!opened.lease) {
      CO_TRY(opened.lease, co_await state.Enter(job->ctx, key, &job->tried));
    }
    Ctx ctx = job->ctx;
    opened.span = SpanScope(ctx, job->method->full_name, SpanKind::kClient);
    opened.span.Set("server.address", opened.lease->address);
    if (limit > Duration::zero()) {
      opened.limit = std::make_unique<BeginLimit>(ctx, limit);
      ctx = ctx.WithCancel(opened.limit->token());
    }
    Status status;
    if (state.config.faults && state.config.faults->any()) [[unlikely]] {
      status = co_await MeetFaults(state.config.faults, job->method, ctx);
    }
    if (status.ok()) {
      Result<std::unique_ptr<RemoteItems>> items =
          co_await opened.lease->channel.OpenStream(job->method, ctx, request);
      status = items.status();
      if (items.ok()) opened.items = *std::move(items);
    }
    if (status.ok()) {
      if (opened.limit) opened.limit->Begun();
      co_return opened;
    }
    opened.span.End(status);
    const SteadyTime ended = Now();
    const bool cut =
        absl::IsDeadlineExceeded(status) && ended < job->ctx.deadline() && limit > Duration::zero();
    state.OnOutcome(opened.lease.endpoint(), Judge(status, ended - opened.entered, cut), ended);
    job->tried.Add(&*opened.lease);
    opened.lease.Release();
    if (state.closed) co_return ClusterState::Closed();
    const std::optional<Duration> pause = job->retrier.Next(status, cut, job->ctx, job->tried);
    if (!pause) co_return status;
    if (*pause > Duration::zero()) CO_TRY(co_await SleepFor(job->ctx, *pause));
  }
}

/// The items of one endpoint; until the first has come, those of another when it fails.
class ClusterItems final : public RemoteItems {
 public:
  /// `request` is null of a stream that must not be opened a second time.
  ClusterItems(std::unique_ptr<StreamJob> job, Opened opened, std::unique_ptr<MessageLite> request)
      : job_(std::move(job)), opened_(std::move(opened)), request_(std::move(request)) {}

  Task<Result<bool>> Next(Ctx ctx, MessageLite* item) override {
    while (true) {
      Result<bool> more = co_await opened_.items->Next(ctx, item);
      if (more.ok()) {
        request_.reset();
        if (!*more) End(absl::OkStatus());
        co_return more;
      }
      End(more.status());
      if (job_->state->closed) co_return ClusterState::Closed();
      if (!request_ || !ctx.Check().ok()) co_return more;
      const std::optional<Duration> pause =
          job_->retrier.Next(more.status(), false, job_->ctx, job_->tried);
      if (!pause) co_return more;
      if (*pause > Duration::zero()) CO_TRY(co_await SleepFor(ctx, *pause));
      CO_TRY(opened_, co_await Open(job_.get(), request_.get()));
    }
  }

 private:
  void End(const Status& status) {
    if (!opened_.lease) return;
    opened_.span.End(status);
    const SteadyTime now = Now();
    job_->state->OnOutcome(opened_.lease.endpoint(), Judge(status, now - opened_.entered, false),
                           now);
    job_->tried.Add(&*opened_.lease);
    opened_.lease.Release();
  }

  const std::unique_ptr<StreamJob> job_;
  Opened opened_;
  std::unique_ptr<MessageLite> request_;
};

}  // namespace

Task<Result<std::unique_ptr<RemoteItems>>> OpenClusterStream(std::shared_ptr<ClusterState> state,
                                                             const MethodInfo* method, Ctx ctx,
                                                             const MessageLite* request) {
  state->budget.Deposit(Now());
  auto job = std::make_unique<StreamJob>(std::move(state), method, std::move(ctx));
  CO_TRY(Opened opened, co_await Open(job.get(), request));
  std::unique_ptr<MessageLite> copy;
  if (method->idempotent) {
    copy.reset(request->New());
    copy->CheckTypeAndMergeFrom(*request);
  }
  std::unique_ptr<RemoteItems> items =
      std::make_unique<ClusterItems>(std::move(job), std::move(opened), std::move(copy));
  co_return items;
}

}  // namespace tessera
