// The edge against nginx, same bytes, same run: requests a second, processor time a request, and
// what an event of a stream costs against bare send() calls. Load comes from wrk. Every server has
// one worker and is a process of its own, so that its processor time can be read by itself.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/json_writer.h"
#include "edge/edge.h"
#include "net/sse.h"
#include "net/test_client.h"
#include "runtime/thread_pool.h"

namespace tessera {
namespace {

constexpr int kRounds = 3;
constexpr int kSeconds = 3;
constexpr int kEvents = 1000;

std::string Body() {
  std::string body = R"({"id":"chatcmpl-1","object":"chat.completion","choices":[{"content":")";
  body.resize(1024 - 4, 'x');
  return body + "\"}]}";
}

class Events final : public Stream<std::string> {
 public:
  Task<Result<std::optional<std::string>>> Next(Ctx) override {
    if (++sent_ > kEvents) co_return std::nullopt;
    co_return SseEvent(R"({"choices":[{"delta":{"content":"token"}}]})");
  }

 private:
  int sent_ = 0;
};

Task<Result<HttpReply>> ServeBody() {
  static const std::string body = Body();
  HttpReply reply;
  reply.headers.Add("content-type", "application/json");
  reply.body = SharedBody{body, nullptr};
  co_return reply;
}
Task<Result<HttpReply>> ServeEvents() {
  co_return HttpReply::EventStream(std::make_unique<Events>());
}

Route BenchRoute(std::string pattern, RouteHandler handler) {
  Route route;
  route.pattern = std::move(pattern);
  route.scope = "bench";
  route.handler = std::move(handler);
  route.doc.summary = "bench";
  route.doc.reply_media_type = "";
  return route;
}

// The whole edge with one loop, its port written to `out`, until it is killed.
[[noreturn]] void RunEdge(const std::string& folder, int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  IoLoops loops(1);
  ThreadPool pool("bench", 1);
  EdgeConfig config;
  config.http = "127.0.0.1:0";
  EdgeParts parts;
  parts.data_folder = folder;
  parts.version = "bench";
  parts.loops = &loops;
  parts.blocking = &pool;
  parts.cpu = &pool;
  auto edge = Edge::Make(config, parts);
  CHECK(edge.ok());
  (*edge)->routes().Add(BenchRoute("/body", [](Ctx, HttpRequest) { return ServeBody(); }));
  (*edge)->routes().Add(BenchRoute("/events", [](Ctx, HttpRequest) { return ServeEvents(); }));
  CHECK((*edge)->Start().ok());
  const std::uint16_t port = (*edge)->server().port();
  CHECK(::write(out, &port, sizeof port) == sizeof port);
  while (true) ::pause();
}

// Sends the same events with one send() each: the least that a chunk can cost.
[[noreturn]] void RunBare(int out) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(::listen(listener, 64) == 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  const std::uint16_t port = ntohs(address.sin_port);
  CHECK(::write(out, &port, sizeof port) == sizeof port);
  const std::string event = SseEvent(R"({"choices":[{"delta":{"content":"token"}}]})");
  char head[16];
  std::snprintf(head, sizeof head, "%zx\r\n", event.size());
  const std::string chunk = StrCat(head, event, "\r\n");
  while (true) {
    const int client = ::accept(listener, nullptr, nullptr);
    const auto send = [client](std::string_view bytes) {
      return ::send(client, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0;
    };
    char request[4096];
    while (::recv(client, request, sizeof request, 0) > 0) {
      send(
          "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
          "transfer-encoding: chunked\r\n\r\n");
      for (int i = 0; i < kEvents; ++i) send(chunk);
      send("0\r\n\r\n");
    }
    ::close(client);
  }
}

/// A server as a child process; killed with this object.
class Child {
 public:
  template <class Run>
  explicit Child(Run run) {
    int ends[2];
    CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    pid_ = ::fork();
    if (pid_ == 0) run(ends[1]);
    ::close(ends[1]);
    if (::read(ends[0], &port_, sizeof port_) != sizeof port_) port_ = 0;
    ::close(ends[0]);
  }
  ~Child() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Child(const Child&) = delete;
  pid_t pid() const { return pid_; }
  std::uint16_t port() const { return port_; }

 private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;
};

// Output of a command; "" when it cannot be run.
std::string Run(const std::vector<std::string>& words) {
  int ends[2];
  CHECK(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], 1);
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string output;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::read(ends[0], buffer, sizeof buffer)) > 0) {
    output.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? std::string() : output;
}

// Processor seconds of a process with all its threads, and of its children.
double CpuSeconds(pid_t pid) {
  double total = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const std::size_t close = text.rfind(')');
    if (close == std::string::npos) continue;
    std::istringstream fields(text.substr(close + 2));
    std::string state;
    long parent = 0;
    fields >> state >> parent;
    if (std::stol(name) != pid && parent != pid) continue;
    std::string skipped;
    for (int i = 0; i < 9; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    total += (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  return total;
}

struct Load {
  double per_second = 0;
  double cpu_us = 0;  ///< of the server, a request
};

Load Measure(pid_t server, std::uint16_t port, std::string_view path, std::string_view key,
             int connections) {
  const double before = CpuSeconds(server);
  const std::string output =
      Run({"wrk", "-t1", StrCat("-c", connections), StrCat("-d", kSeconds, "s"), "-H",
           StrCat("Authorization: Bearer ", key), StrCat("http://127.0.0.1:", port, path)});
  const double cpu = CpuSeconds(server) - before;
  const std::size_t at = output.find(" requests in ");
  if (at == std::string::npos || output.find("Non-2xx") != std::string::npos) return {};
  const double requests = std::stod(output.substr(output.rfind('\n', at) + 1));
  Load load;
  load.per_second = requests / kSeconds;
  load.cpu_us = cpu / requests * 1e6;
  return load;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

void Print(std::string_view name, double value, std::string_view unit, double baseline, double goal,
           bool smaller_is_better, std::string_view how) {
  JsonWriter json;
  json.BeginObject().Field("name", name).Field("value", value).Field("unit", unit);
  if (baseline > 0) {
    const double ratio = value / baseline;
    json.Field("baseline", baseline).Field("ratio", ratio);
    if (goal > 0) {
      json.Field("goal", StrCat(smaller_is_better ? "<= " : ">= ", goal));
      json.Field("met", smaller_is_better ? ratio <= goal : ratio >= goal);
    } else {
      json.Key("goal").Null().Key("met").Null();
    }
  } else {
    json.Key("baseline").Null().Key("ratio").Null().Key("goal").Null().Key("met").Null();
  }
  json.Field("how", how).EndObject();
  std::printf("%s\n", json.Take().c_str());
  std::fflush(stdout);
}

pid_t StartNginx(const std::string& folder, std::uint16_t port) {
  std::ofstream(folder + "/body") << Body();
  std::ofstream(folder + "/nginx.conf")
      << "daemon off; master_process off; worker_processes 1; pid " << folder
      << "/nginx.pid; error_log /dev/null;\nevents { worker_connections 1024; }\nhttp { access_log "
         "off; keepalive_requests 100000000; open_file_cache max=10; default_type "
         "application/json;\n server { listen 127.0.0.1:"
      << port << " reuseport; root " << folder << "; } }\n";
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, 1);
    ::dup2(null, 2);
    ::execlp("nginx", "nginx", "-c", (folder + "/nginx.conf").c_str(), nullptr);
    ::_exit(127);
  }
  // Until it listens, or has ended.
  for (int i = 0; i < 200; ++i) {
    if (::waitpid(pid, nullptr, WNOHANG) == pid) return 0;
    if (RawClient(port).connected()) return pid;
    ::poll(nullptr, 0, 20);
  }
  return 0;
}

// A port that was free a moment ago.
std::uint16_t FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

int Main() {
  char name[] = "/tmp/tessera-edge-bench-XXXXXX";
  CHECK(::mkdtemp(name) != nullptr);
  const std::string folder = name;
  const auto key = LoadOwnerKey(folder);
  CHECK(key.ok());
  {
    const Child edge([&](int out) { RunEdge(folder, out); });
    const std::uint16_t nginx_port = FreePort();
    const pid_t nginx = StartNginx(folder, nginx_port);
    std::vector<double> ours_rate, ours_cpu, their_rate, their_cpu;
    for (int i = 0; i < kRounds; ++i) {
      const Load ours = Measure(edge.pid(), edge.port(), "/body", key->text, 16);
      ours_rate.push_back(ours.per_second);
      ours_cpu.push_back(ours.cpu_us);
      if (nginx == 0) continue;
      const Load theirs = Measure(nginx, nginx_port, "/body", key->text, 16);
      their_rate.push_back(theirs.per_second);
      their_cpu.push_back(theirs.cpu_us);
    }
    constexpr std::string_view kHow =
        "1 KB GET, key checked, 16 connections, one worker, wrk, median of 3 rounds in turn with "
        "nginx serving the same file";
    Print("edge_requests_per_second", Median(ours_rate), "1/s", Median(their_rate), 0.77, false,
          kHow);
    Print("edge_cpu_per_request", Median(ours_cpu), "us", Median(their_cpu), 1.3, true, kHow);
    if (nginx > 0) {
      ::kill(nginx, SIGKILL);
      ::waitpid(nginx, nullptr, 0);
    }
    const Child bare([](int out) { RunBare(out); });
    std::vector<double> ours_event, bare_event;
    for (int i = 0; i < kRounds; ++i) {
      ours_event.push_back(Measure(edge.pid(), edge.port(), "/events", key->text, 1).cpu_us /
                           kEvents);
    }
    for (int i = 0; i < kRounds; ++i) {
      bare_event.push_back(Measure(bare.pid(), bare.port(), "/events", key->text, 1).cpu_us /
                           kEvents);
    }
    Print("edge_cpu_per_sse_event", Median(ours_event), "us", Median(bare_event), 0, true,
          "60-byte events, one chunk and one write each, one client, against a loop of bare send() "
          "calls of the same bytes");
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace
}  // namespace tessera

int main() { return tessera::Main(); }
