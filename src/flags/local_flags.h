#pragma once
// The contract Flags, in the process that was started.

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "config/fields.h"
#include "flags/flag_store.h"
#include "runtime/thread_pool.h"
#include "tessera/v1/flags.tessera.h"

namespace tessera {

/// Keeps the flags of a platform, and tells every process of it. Thread-safe.
class LocalFlags final : public Flags {
 public:
  /// Section `flags` of the configuration.
  struct Config {
    std::vector<std::string> headers = {"x-canary", "x-experiment"};
    static void Describe(Fields<Config>& f);
  };
  /// Returns when every process of the platform evaluates by these flags, or is no more.
  using Publish = std::function<Task<Status>(Ctx, v1::SetFlagsRequest)>;

  /// From then on this process evaluates by the flags of DATA/flags. `blocking` outlives it.
  /// `goes_on`: it evaluates by flags of this platform already.
  static Result<std::unique_ptr<LocalFlags>> Open(Config config, const std::string& data,
                                                  Executor& blocking, bool goes_on = false);

  /// Who tells the others; before the first change.
  void SetPublish(Publish publish) { publish_ = std::move(publish); }
  /// Another process is to keep the flags: from the return on changes wait here, and none is under
  /// way.
  Task<void> Hold();
  /// Ends that: what waits, and comes, is done by `successor`, or here when it is null.
  void GoOn(Flags* successor);
  /// What a process that starts is told.
  v1::SetFlagsRequest All() const;

  Task<Result<v1::ListFlagsReply>> ListFlags(Ctx ctx, v1::ListFlagsRequest request) override;
  Task<Result<v1::Flag>> GetFlag(Ctx ctx, v1::GetFlagRequest request) override;
  Task<Result<v1::Flag>> PutFlag(Ctx ctx, v1::PutFlagRequest request) override;
  Task<Result<v1::DeleteFlagReply>> DeleteFlag(Ctx ctx, v1::DeleteFlagRequest request) override;
  Task<Result<v1::FlagEvaluation>> EvaluateFlag(Ctx ctx, v1::EvaluateFlagRequest request) override;
  Task<Result<v1::ListFlagChangesReply>> ListFlagChanges(
      Ctx ctx, v1::ListFlagChangesRequest request) override;

 private:
  LocalFlags(Config config, FlagStore store, Executor& blocking);
  Status CheckHeaders(const v1::Flag& flag) const;
  v1::SetFlagsRequest LockedAll() const;
  Result<v1::SetFlagsRequest> Commit(v1::FlagChange& change,
                                     std::optional<std::uint64_t> if_version);
  Task<Status> Change(v1::FlagChange* change, std::optional<std::uint64_t> if_version);
  Task<Result<Flags*>> BeginChange(Ctx ctx);
  Task<Result<v1::Flag>> PutHere(Ctx ctx, v1::PutFlagRequest request);

  const Config config_;
  Executor& blocking_;
  Publish publish_;
  mutable std::mutex mutex_;
  FlagStore store_;  // under mutex_
  bool held_ = false;
  int changing_ = 0;
  Flags* successor_ = nullptr;
};

}  // namespace tessera
