// The running server; without one, the addresses that it would take.
#include <cerrno>
#include <cstring>
#include <ctime>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "app/api_caller.h"
#include "app/doctor.h"
#include "app/terminal.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "base/task.h"
#include "edge/edge.h"

namespace tessera {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);
constexpr std::int64_t kClockSkewMaxMs = 30'000;
constexpr std::uint64_t kRestartsUsual = 3;
constexpr std::uint64_t kHealthMax = 64 << 10;  // bytes

// Why the address cannot be taken; empty: it can.
std::string WhyNotFree(const ListenAddress& listen) {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  auto* four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, listen.address.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(listen.port);
    size = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, listen.address.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(listen.port);
    size = sizeof(sockaddr_in6);
  } else {
    return "is no address";
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool bound =
      ::bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0 && ::listen(fd, 1) == 0;
  const int error = errno;
  ::close(fd);
  if (bound) return "";
  return error == EADDRINUSE ? "is taken by another program" : std::strerror(error);
}

void CheckAddress(std::string_view check, const std::string& text, std::string_view option,
                  Report& report) {
  const Result<ListenAddress> listen = ParseListenAddress(text);
  if (!listen.ok()) {
    report.Bad(check, std::string(listen.status().message()), "write HOST:PORT");
    return;
  }
  const std::string why = WhyNotFree(*listen);
  if (why.empty()) {
    report.Good(check, StrCat(text, " is free"));
  } else {
    report.Bad(check, StrCat(text, " ", why),
               StrCat("end that program, or start with ", option, " HOST:PORT"));
  }
}

void CheckAddresses(const ConfigSnapshot& config, Report& report) {
  const EdgeConfig& edge = config.Get<EdgeConfig>("server");
  report.Good("server", "none runs on this data folder");
  CheckAddress("http address", edge.http, "--http", report);
  if (!edge.grpc.empty()) CheckAddress("grpc address", edge.grpc, "--grpc", report);
}

void CheckClockAgainst(const HttpHeaders& headers, Report& report) {
  absl::Time there;
  std::string error;
  const std::string date(headers.Get("Date"));
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", date, &there, &error)) return;
  const std::int64_t skew = std::abs(absl::ToUnixMillis(there) - WallMillis());
  if (skew <= kClockSkewMaxMs) return;
  report.Warning("clock of the server",
                 StrCat("differs from this machine's by ", HumanSeconds(double(skew) / 1000)),
                 "run a time service on both: certificates and sign-ins depend on it");
}

std::string TextOf(const JsonValue& object, std::string_view member) {
  const std::optional<JsonValue> value = object.Find(member);
  return std::string(value ? value->AsString().value_or("") : "");
}

std::vector<JsonValue> ListOf(const JsonValue& object, std::string_view member) {
  const std::optional<JsonValue> value = object.Find(member);
  return value ? value->Elements() : std::vector<JsonValue>();
}

void CheckVersion(const JsonValue& system, const std::string& own, Report& report) {
  const std::string running = TextOf(system, "version");
  if (running == own) {
    report.Good("version of the server", running);
  } else {
    report.Warning("version of the server", StrCat(running, ", this program is ", own),
                   "restart it with this program, or replace it (docs/topology.md)");
  }
}

void CheckProcess(const JsonValue& process, Report& report) {
  const std::string state = TextOf(process, "state");
  const std::optional<JsonValue> counted = process.Find("restarts");
  const std::uint64_t restarts = counted ? counted->AsUint().value_or(0) : 0;
  const std::string check = StrCat("process ", TextOf(process, "name"));
  const std::string seen = StrCat(state, ", ", restarts, " restarts");
  if (state == "restarting" || restarts > kRestartsUsual) {
    report.Warning(check, seen, "the log says why it ended");
  } else {
    report.Good(check, seen);
  }
}

// What /health/ready says is not good.
void CheckHealth(const Result<std::string>& body, Report& report) {
  if (!body.ok()) return;
  const Result<JsonDocument> document = JsonDocument::Parse(*body);
  if (!document.ok()) return;
  for (const JsonValue& check : ListOf(document->root(), "checks")) {
    const std::string name = StrCat("health: ", TextOf(check, "name"));
    const std::string status = TextOf(check, "status");
    if (status == "warning") report.Warning(name, TextOf(check, "reason"), "the log says more");
    if (status == "failed") report.Bad(name, TextOf(check, "reason"), "the log says more");
  }
}

class Visit {
 public:
  Visit(const Ctx& ctx, const Patient::Server& server)
      : ctx_(ctx), api_(server.url, server.base, server.key) {}

  Result<HttpClientReply> Send(const std::string& path) {
    return SyncWait(api_.Send(ctx_.WithTimeout(kPatience), api_.Request(HttpMethod::kGet, path)));
  }
  Result<JsonDocument> Get(const std::string& path) {
    TRY(std::string body,
        SyncWait(api_.Call(ctx_.WithTimeout(kPatience), HttpMethod::kGet, path, "")));
    return JsonDocument::Parse(std::move(body));
  }

 private:
  const Ctx& ctx_;
  ApiCaller api_;
};

}  // namespace

void CheckServer(const Ctx& ctx, const Patient& patient, Report& report) {
  if (!patient.server) {
    if (patient.config.ok() && !patient.data.empty()) CheckAddresses(*patient.config, report);
    return;
  }
  Visit visit(ctx, *patient.server);
  Result<HttpClientReply> ready = visit.Send("/health/ready");
  if (!ready.ok()) {
    report.Bad("server", std::string(ready.status().message()),
               absl::IsUnavailable(ready.status()) ? "look at its log, or start it: tessera up"
                                                   : "look at its log");
    return;
  }
  CheckClockAgainst(ready->headers, report);
  const bool is_ready = ready->status == 200;
  CheckHealth(SyncWait(ReadAll(ctx, std::move(ready->body), kHealthMax)), report);
  if (is_ready) {
    report.Good("server", StrCat(patient.server->base, " is ready"));
  } else {
    report.Bad("server", StrCat(patient.server->base, " answers, but is not ready"),
               "see what failed; its log says more");
  }
  const Result<JsonDocument> system = visit.Get("/api/v1/system");
  if (!system.ok()) {
    report.Bad("access", std::string(system.status().message()),
               "give a key with --key or TESSERA_KEY");
    return;
  }
  CheckVersion(system->root(), patient.version, report);
  const Result<JsonDocument> topology = visit.Get("/admin/v1/topology");
  if (!topology.ok()) return;  // the key may not see it
  for (const JsonValue& group : ListOf(topology->root(), "groups")) {
    for (const JsonValue& process : ListOf(group, "processes")) CheckProcess(process, report);
  }
}

}  // namespace tessera
