#include "app/platform_profiles.h"

#include <memory>
#include <utility>

#include <unistd.h>

#include "runtime/when_all.h"
#include "tessera/v1/profiles_remote.tessera.h"

namespace tessera {
namespace {

bool Names(std::string_view target, const NamedProcess& one) {
  if (target.empty() || target == one.group || target == one.name) return true;
  return target == StrCat(one.group, "#", one.process->replica);
}

Status NoSuch(const std::string& target, const std::vector<NamedProcess>& all) {
  std::string names;
  for (const NamedProcess& one : all) StrAppend(&names, names.empty() ? "" : ", ", one.name);
  return absl::NotFoundError(
      StrCat("no process runs as \"", target.substr(0, 100), "\"; there are ", names));
}

}  // namespace

Task<Result<std::vector<v1::ProcessProfile>>> TakeProfilesOf(RootProcess* root, Ctx ctx,
                                                             v1::TakeProfileRequest request,
                                                             std::string target) {
  if (!root->has_control())
    co_return absl::UnavailableError("another gateway takes the place of this one; ask it");
  const std::vector<NamedProcess> all = co_await root->topology_here().Processes();
  std::vector<NamedProcess> asked;
  std::vector<std::unique_ptr<ProcessProfilesRemote>> remotes;
  std::vector<Task<Result<v1::ProcessProfile>>> asks;
  for (const NamedProcess& one : all) {
    const bool here = one.process->pid == ::getpid();
    if (!Names(target, one) || (!here && !one.process->channel)) continue;
    ProcessProfiles* profiles = &root->own_profiles();
    if (!here) {
      remotes.push_back(std::make_unique<ProcessProfilesRemote>(*one.process->channel));
      profiles = remotes.back().get();
    }
    root->audit().Write("profile_taken",
                        {{"caller", ctx.principal().id},
                         {"target", one.name},
                         {"kind", request.kind() == v1::PROFILE_KIND_HEAP ? "heap" : "cpu"},
                         {"seconds", request.seconds()}},
                        LogLevel::kInfo);
    asked.push_back(one);
    asks.push_back(profiles->TakeProfile(ctx, request));
  }
  if (asked.empty()) co_return NoSuch(target, all);
  std::vector<Result<v1::ProcessProfile>> told = co_await WhenAll(std::move(asks));
  std::vector<v1::ProcessProfile> profiles;
  for (std::size_t i = 0; i < told.size(); ++i) {
    // One that ended meanwhile takes nothing from the others.
    if (absl::IsUnavailable(told[i].status()) && asked.size() > 1) continue;
    CO_TRY(v1::ProcessProfile profile, std::move(told[i]));
    profile.set_process(asked[i].name);
    profile.set_group(asked[i].group);
    profiles.push_back(std::move(profile));
  }
  if (profiles.empty()) co_return absl::UnavailableError("the processes do not answer");
  co_return profiles;
}

}  // namespace tessera
