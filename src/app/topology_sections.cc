#include "app/topology_sections.h"

#include <set>
#include <utility>

#include "base/ids.h"
#include "base/str.h"
#include "config/read.h"
#include "flags/flag_set.h"
#include "flags/flag_spec.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

/// A section as the struct that has it under that name; mistakes are told with their places.
template <Described C>
Result<C> ReadSection(std::string_view name, const YamlNodePtr& section) {
  C object;
  if (!section) return object;
  YamlNode root;
  root.kind = YamlNode::Kind::kMap;
  root.mark = section->mark;
  root.entries.push_back({std::string(name), section->mark, section});
  std::vector<Problem> problems;
  ReadStruct(root, SpecOf<C>(), "", &object, problems);
  if (!problems.empty())
    return absl::InvalidArgumentError(FormatProblems("topology", std::move(problems)));
  return object;
}

Result<std::vector<ProxyRouteConfig>> ReadRoutes(const TopologySpec& spec) {
  TRY(ProxyConfig config, ReadSection<ProxyConfig>("routes", spec.routes));
  return std::move(config.routes);
}

Result<std::vector<v1::Flag>> ReadFlags(const TopologySpec& spec) {
  TRY(const FlagsSection section, ReadSection<FlagsSection>("flags", spec.flags));
  std::vector<v1::Flag> flags;
  std::set<std::string> keys;
  for (const FlagSpec& flag : section.flags) {
    const std::string path = StrCat("flags[", flags.size(), "].");
    if (!keys.insert(flag.key).second)
      return absl::InvalidArgumentError(StrCat(path, "key: two flags are called ", flag.key));
    flags.push_back(flag.ToMessage());
    TRY(CompiledFlag::Make(flags.back(), path));
  }
  return flags;
}

/// Changes of flags name who made them.
Ctx TopologyCtx() {
  auto info = std::make_shared<RequestInfo>();
  info->request_id = Hex(RandomId());
  info->principal.id = "topology";
  info->principal.scopes = {"admin"};
  return Ctx(std::move(info), {});
}

}  // namespace

Status TopologySections::Check(const TopologySpec& wanted) {
  TRY(const std::vector<ProxyRouteConfig> routes, ReadRoutes(wanted));
  TRY(proxies_.Check(routes));
  return ReadFlags(wanted).status();
}

Task<void> TopologySections::Reached(TopologySpec spec, bool anew) {
  std::string written = spec.routes ? YamlLine(*spec.routes) : "";
  if (written != routes_) {  // else mirrors count on, connections stay
    const Result<std::vector<ProxyRouteConfig>> routes = ReadRoutes(spec);
    const Status followed = routes.ok() ? proxies_.Follow(*routes) : routes.status();
    if (followed.ok())
      routes_ = std::move(written);
    else
      Log(LogLevel::kError, "public routes do not follow the topology",
          {{"reason", followed.ToString()}});
  }
  if (!anew) co_return;
  Result<std::vector<v1::Flag>> flags = ReadFlags(spec);
  if (flags.ok()) co_await MakeMissing(*std::move(flags));
}

Task<void> TopologySections::MakeMissing(std::vector<v1::Flag> wanted) {
  for (v1::Flag& flag : wanted) {
    const std::string key = flag.key();
    v1::PutFlagRequest request;
    *request.mutable_flag() = std::move(flag);
    request.set_if_version(0);  // only if there is none
    const Result<v1::Flag> made = co_await flags_.PutFlag(TopologyCtx(), std::move(request));
    if (made.ok() || absl::IsAborted(made.status()) || absl::IsFailedPrecondition(made.status()))
      continue;
    Log(LogLevel::kError, "a feature flag of the topology was not made",
        {{"flag", key}, {"reason", made.status().ToString()}});
  }
}

}  // namespace tessera
