#include "flags/local_flags.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "base/field_error.h"
#include "flags/flags.h"
#include "runtime/timer.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr Duration kLook = std::chrono::milliseconds(2);
constexpr auto kPublishTimeout = std::chrono::seconds(10);
constexpr std::uint32_t kChangesDefault = 100;
constexpr std::uint32_t kChangesMax = 1000;
constexpr std::size_t kBytesMax = 3 << 20;  // of all flags: they travel as one message

Status NoFlag(std::string_view key) {
  return absl::NotFoundError(StrCat("there is no flag \"", key.substr(0, 200), "\""));
}

v1::FlagChange ChangeBy(const Ctx& ctx, const std::string& key) {
  v1::FlagChange change;
  change.set_at_ms(WallMillis());
  change.set_principal(ctx.principal().id);
  change.set_request_id(ctx.info().request_id);
  change.set_key(key);
  return change;
}

}  // namespace

void LocalFlags::Config::Describe(Fields<Config>& f) {
  f.Optional("headers", &Config::headers,
             "Names of request headers that rules of feature flags may ask for. A client can send "
             "any value: nothing that needs a permission may hang on one.");
}

Result<std::unique_ptr<LocalFlags>> LocalFlags::Open(Config config, const std::string& data,
                                                     Executor& blocking, bool goes_on) {
  for (const std::string& name : config.headers) {
    const std::string lower = ToLower(name);
    if (lower == "authorization" || lower == "cookie")
      return absl::InvalidArgumentError(
          StrCat("flags.headers: \"", name, "\" carries a secret, rules cannot ask for it"));
  }
  TRY(FlagStore store, FlagStore::Open(data));
  std::unique_ptr<LocalFlags> flags(new LocalFlags(std::move(config), std::move(store), blocking));
  TRY(auto all, FlagSet::Make(flags->All()));
  if (!goes_on) ForgetFlags();  // of another platform that this process served
  SetCurrentFlags(std::move(all));
  return flags;
}

LocalFlags::LocalFlags(Config config, FlagStore store, Executor& blocking)
    : config_(std::move(config)), blocking_(blocking), store_(std::move(store)) {}

v1::SetFlagsRequest LocalFlags::All() const {
  std::lock_guard lock(mutex_);
  return LockedAll();
}

v1::SetFlagsRequest LocalFlags::LockedAll() const {
  v1::SetFlagsRequest all;
  all.set_version(store_.version());
  for (const auto& [key, flag] : store_.flags()) *all.add_flags() = flag;
  for (const std::string& name : config_.headers) all.add_headers(name);
  return all;
}

Task<Result<v1::ListFlagsReply>> LocalFlags::ListFlags(Ctx, v1::ListFlagsRequest) {
  v1::SetFlagsRequest all = All();
  v1::ListFlagsReply reply;
  reply.set_version(all.version());
  reply.mutable_flags()->Swap(all.mutable_flags());
  co_return reply;
}

Task<Result<v1::Flag>> LocalFlags::GetFlag(Ctx, v1::GetFlagRequest request) {
  std::lock_guard lock(mutex_);
  const auto found = store_.flags().find(request.key());
  if (found == store_.flags().end()) co_return NoFlag(request.key());
  co_return found->second;
}

Status LocalFlags::CheckHeaders(const v1::Flag& flag) const {
  for (int i = 0; i < flag.rules_size(); ++i) {
    for (const auto& [name, value] : flag.rules(i).headers()) {
      const bool admitted =
          std::any_of(config_.headers.begin(), config_.headers.end(),
                      [&](const auto& one) { return EqualsIgnoreCase(one, name); });
      if (!admitted)
        return InvalidField(StrCat("flag.rules[", i, "].headers[\"", name, "\"]"),
                            "is not let through; the names in flags.headers of the configuration "
                            "are");
    }
  }
  return absl::OkStatus();
}

Result<v1::SetFlagsRequest> LocalFlags::Commit(v1::FlagChange& change,
                                               std::optional<std::uint64_t> if_version) {
  std::lock_guard lock(mutex_);
  const auto found = store_.flags().find(change.key());
  const bool known = found != store_.flags().end();
  const std::uint64_t version = known ? found->second.version() : 0;
  if (if_version && *if_version != version)
    return absl::FailedPreconditionError(StrCat("the flag \"", change.key(), "\" has version ",
                                                version, ", not ", *if_version,
                                                ": somebody else changed it"));
  if (!known && !change.has_after()) return NoFlag(change.key());
  if (!known && store_.flags().size() >= FlagSet::kFlagsMax)
    return absl::ResourceExhaustedError(StrCat("there are ", FlagSet::kFlagsMax, " flags already"));
  if (known) *change.mutable_before() = found->second;
  if (LockedAll().ByteSizeLong() + change.after().ByteSizeLong() > kBytesMax)
    return absl::ResourceExhaustedError("all flags together would be larger than 3 MB");
  TRY(store_.Commit(change));
  return LockedAll();
}

// Once it is on the disk it is told to all, whether the one who asked still waits or not.
Task<Status> LocalFlags::Change(v1::FlagChange* change, std::optional<std::uint64_t> if_version) {
  const auto commit = [this, change, if_version] { return Commit(*change, if_version); };
  CO_TRY(v1::SetFlagsRequest all, co_await RunOn(blocking_, commit));
  CO_TRY(auto set, FlagSet::Make(all));
  SetCurrentFlags(std::move(set));
  Log(LogLevel::kInfo, change->has_after() ? "a flag was changed" : "a flag was deleted",
      {{"flag", change->key()}, {"by", change->principal()}, {"version", change->version()}});
  if (!publish_) co_return absl::OkStatus();
  co_return co_await publish_(SystemCtx().WithTimeout(kPublishTimeout), std::move(all));
}

Task<void> LocalFlags::Hold() {
  while (true) {
    {
      std::lock_guard lock(mutex_);
      held_ = true;
      if (changing_ == 0) co_return;
    }
    const Status ignored = co_await SleepFor(Ctx(), kLook);
  }
}

void LocalFlags::GoOn(Flags* successor) {
  std::lock_guard lock(mutex_);
  held_ = false;
  successor_ = successor;
}

// Null: the change is to be made here, and to be counted out afterwards. Waits for milliseconds.
Task<Result<Flags*>> LocalFlags::BeginChange(Ctx ctx) {
  while (true) {
    {
      std::lock_guard lock(mutex_);
      if (successor_ != nullptr) co_return successor_;
      if (!held_) ++changing_;
      if (!held_) co_return nullptr;
    }
    CO_TRY(co_await SleepFor(ctx, kLook));
  }
}

Task<Result<v1::Flag>> LocalFlags::PutFlag(Ctx ctx, v1::PutFlagRequest request) {
  CO_TRY(Flags* const successor, co_await BeginChange(ctx));
  if (successor != nullptr) co_return co_await successor->PutFlag(ctx, std::move(request));
  Result<v1::Flag> flag = co_await PutHere(ctx, std::move(request));
  std::lock_guard lock(mutex_);
  --changing_;
  co_return flag;
}

Task<Result<v1::Flag>> LocalFlags::PutHere(Ctx ctx, v1::PutFlagRequest request) {
  CO_TRY(CheckHeaders(request.flag()));
  CO_TRY(const auto compiled, CompiledFlag::Make(request.flag(), "flag."));
  v1::FlagChange change = ChangeBy(ctx, request.flag().key());
  *change.mutable_after() = compiled->definition();
  change.mutable_after()->set_changed_ms(change.at_ms());
  change.mutable_after()->set_changed_by(change.principal());
  const auto if_version =
      request.has_if_version() ? std::optional<std::uint64_t>(request.if_version()) : std::nullopt;
  CO_TRY(co_await Change(&change, if_version));
  co_return change.after();
}

Task<Result<v1::DeleteFlagReply>> LocalFlags::DeleteFlag(Ctx ctx, v1::DeleteFlagRequest request) {
  CO_TRY(Flags* const successor, co_await BeginChange(ctx));
  if (successor != nullptr) co_return co_await successor->DeleteFlag(ctx, std::move(request));
  v1::FlagChange change = ChangeBy(ctx, request.key());
  const Status changed = co_await Change(&change, std::nullopt);
  std::lock_guard lock(mutex_);
  --changing_;
  if (!changed.ok()) co_return changed;
  co_return v1::DeleteFlagReply();
}

Task<Result<v1::FlagEvaluation>> LocalFlags::EvaluateFlag(Ctx, v1::EvaluateFlagRequest request) {
  std::vector<std::pair<std::string, std::string>> headers;
  for (const auto& [name, value] : request.headers()) headers.emplace_back(ToLower(name), value);
  const std::vector<std::string> scopes(request.scopes().begin(), request.scopes().end());
  FlagSubject subject{.targeting_key = request.targeting_key(),
                      .principal = request.principal(),
                      .tenant = request.tenant(),
                      .scopes = scopes,
                      .headers = headers};
  if (subject.targeting_key.empty()) subject.targeting_key = subject.principal;
  if (subject.targeting_key.empty()) subject.targeting_key = subject.tenant;
  const auto flags = CurrentFlags();
  const CompiledFlag* flag = flags->Find(request.key());
  if (flag == nullptr) co_return NoFlag(request.key());
  const FlagAnswer answer = flag->Evaluate(subject);
  v1::FlagEvaluation reply;
  reply.set_key(request.key());
  reply.set_type(flag->type());
  reply.set_reason(std::string(Name(answer.reason)));
  reply.set_error_code(std::string(Name(answer.error)));
  reply.set_rule(answer.rule);
  if (answer.variant != nullptr) {
    reply.set_variant(answer.variant->name);
    reply.set_value(answer.variant->text);
  }
  co_return reply;
}

Task<Result<v1::ListFlagChangesReply>> LocalFlags::ListFlagChanges(
    Ctx, v1::ListFlagChangesRequest request) {
  const std::uint32_t limit =
      request.limit() == 0 ? kChangesDefault : std::min(request.limit(), kChangesMax);
  v1::ListFlagChangesReply reply;
  std::lock_guard lock(mutex_);
  for (v1::FlagChange& change : store_.Changes(request.key(), limit))
    *reply.add_changes() = std::move(change);
  co_return reply;
}

}  // namespace tessera
