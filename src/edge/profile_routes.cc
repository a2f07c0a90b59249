#include "edge/profile_routes.h"

#include <charconv>
#include <chrono>
#include <memory>
#include <utility>

#include "base/str.h"
#include "net/uri.h"
#include "profiling/profile_file.h"
#include "runtime/thread_pool.h"

namespace tessera {
namespace {

constexpr std::uint32_t kSecondsDefault = 10;
constexpr std::uint32_t kSecondsMax = 60;
constexpr Duration kTimeout = std::chrono::seconds(kSecondsMax + 30);

/// What a query asks for.
struct Wanted {
  v1::TakeProfileRequest request;
  std::string target;
  ProfileFormat format = ProfileFormat::kPprof;
};

Result<Wanted> ReadWanted(v1::ProfileKind kind, const HttpRequest& http) {
  Wanted wanted;
  wanted.request.set_kind(kind);
  wanted.request.set_seconds(kSecondsDefault);
  TRY(const auto pairs, ParseQuery(http.query));
  for (const auto& [name, value] : pairs) {
    if (name == "seconds") {
      std::uint32_t seconds = 0;
      const char* const end = value.data() + value.size();
      const auto [at, error] = std::from_chars(value.data(), end, seconds);
      if (error != std::errc() || at != end || seconds == 0 || seconds > kSecondsMax)
        return absl::InvalidArgumentError(StrCat("seconds: a number from 1 to ", kSecondsMax));
      wanted.request.set_seconds(seconds);
    } else if (name == "group") {
      wanted.target = value;
    } else if (name == "format") {
      TRY(wanted.format, ParseProfileFormat(value));
    } else {
      return absl::InvalidArgumentError(
          StrCat("\"", name.substr(0, 40), "\" is none of seconds, group, format"));
    }
  }
  return wanted;
}

class ProfileRoutes {
 public:
  ProfileRoutes(TakeProfiles take, Executor& cpu) : take_(std::move(take)), cpu_(cpu) {}

  Task<Result<HttpReply>> Take(v1::ProfileKind kind, Ctx ctx, HttpRequest request) const {
    CO_TRY(Wanted wanted, ReadWanted(kind, request));
    CO_TRY(const std::vector<v1::ProcessProfile> profiles,
           co_await take_(std::move(ctx), wanted.request, wanted.target));
    const auto write = [&profiles, &wanted] { return ProfileFile(profiles, wanted.format); };
    std::string file = co_await RunOn(cpu_, write);
    if (wanted.format == ProfileFormat::kCollapsed) co_return HttpReply::Text(200, std::move(file));
    HttpReply reply = HttpReply::Text(200, std::move(file), "application/octet-stream");
    const std::string_view name = kind == v1::PROFILE_KIND_HEAP ? "heap" : "cpu";
    reply.headers.Add("content-disposition",
                      StrCat("attachment; filename=\"tessera-", name, ".pb.gz\""));
    co_return reply;
  }

 private:
  const TakeProfiles take_;
  Executor& cpu_;
};

}  // namespace

void AddProfileRoutes(TakeProfiles take, Executor& cpu, HttpRoutes& routes) {
  const auto self = std::make_shared<const ProfileRoutes>(std::move(take), cpu);
  const auto add = [&](std::string pattern, v1::ProfileKind kind, std::string summary) {
    Route route;
    route.pattern = std::move(pattern);
    route.scope = "admin";
    route.timeout = kTimeout;
    route.in_flight_max = 4;
    route.doc.summary = std::move(summary);
    route.doc.description =
        "Query: `seconds` (1 to 60, 10 unless it is given), `group` (a group of the topology, "
        "`name#replica`, or all processes), `format` (`pprof`, gzipped, or `collapsed`, a line a "
        "stack). 409 while another profile of one of the processes is taken.";
    route.doc.tag = "profiles";
    route.doc.reply_media_type = "";
    route.handler = [self, kind](Ctx ctx, HttpRequest request) {
      return self->Take(kind, std::move(ctx), std::move(request));
    };
    routes.Add(std::move(route));
  };
  add("/admin/v1/profiles/cpu", v1::PROFILE_KIND_CPU, "where processes spend processor time");
  add("/admin/v1/profiles/heap", v1::PROFILE_KIND_HEAP,
      "what is allocated meanwhile, and what of it is still held in the end");
}

}  // namespace tessera
