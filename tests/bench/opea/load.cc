// Load on a chat pipeline: closed loop, kept-alive connections, one thread, no library between it
// and the sockets, so that it costs little beside what it measures.
//
//   opea_load PORT CONNECTIONS SECONDS TOKENS [--stream] [--chain] [--key KEY]
//
// asks POST /v1/chatqna; with --chain the four back ends of PORT, one after the other, as a client
// that needs no orchestrator would. TOKENS is what each answer must hold. Prints one JSON object.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/status.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr double kWarmUpSeconds = 0.5;

/// Reads one HTTP/1.1 reply at a time; what comes is appended to `in`.
class ReplyReader {
 public:
  /// True when a whole reply is there; its body is in body(), decoded.
  bool Done() {
    if (head_ == 0 && !ReadHead()) return false;
    if (!chunked_) {
      if (in.size() < head_ + length_) return false;
      body_.assign(in, head_, length_);
      in.erase(0, head_ + length_);
      return true;
    }
    while (true) {
      const std::size_t line = in.find("\r\n", at_);
      if (line == std::string::npos) return false;
      const std::size_t size = std::strtoul(in.c_str() + at_, nullptr, 16);
      if (in.size() < line + 2 + size + 2) return false;
      body_.append(in, line + 2, size);
      at_ = line + 2 + size + 2;
      if (size > 0) continue;
      in.erase(0, at_);
      return true;
    }
  }
  void Next() {
    head_ = at_ = length_ = 0;
    chunked_ = false;
    body_.clear();
  }
  int status() const { return status_; }
  const std::string& body() const { return body_; }
  std::string in;

 private:
  bool ReadHead() {
    const std::size_t end = in.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    std::string head = in.substr(0, end);
    for (char& c : head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    status_ = std::atoi(head.c_str() + 9);
    chunked_ = head.find("transfer-encoding: chunked") != std::string::npos;
    const std::size_t length = head.find("content-length: ");
    if (length != std::string::npos)
      length_ = std::strtoul(head.c_str() + length + 16, nullptr, 10);
    head_ = at_ = end + 4;
    return true;
  }

  std::size_t head_ = 0, at_ = 0, length_ = 0;
  bool chunked_ = false;
  int status_ = 0;
  std::string body_;
};

struct Plan {
  std::uint16_t port = 0;
  int connections = 1;
  double seconds = 1;
  std::size_t tokens = 0;
  std::vector<std::string> requests;  ///< sent one after the other: one round
};

std::string Post(std::string_view path, std::string_view key, std::string_view body) {
  return StrCat("POST ", path, " HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n",
                key.empty() ? "" : StrCat("authorization: Bearer ", key, "\r\n"),
                "content-length: ", body.size(), "\r\n\r\n", body);
}

struct Connection {
  int fd = -1;
  std::size_t step = 0;
  SteadyTime begun;
  ReplyReader reply;
};

class Load {
 public:
  explicit Load(Plan plan) : plan_(std::move(plan)), connections_(plan_.connections) {}

  void Run() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (Connection& connection : connections_) Open(connection);
    const SteadyTime start = Now();
    counting_from_ = start + std::chrono::milliseconds(static_cast<int>(kWarmUpSeconds * 1000));
    const SteadyTime end =
        counting_from_ + std::chrono::microseconds(static_cast<std::int64_t>(plan_.seconds * 1e6));
    for (Connection& connection : connections_) Ask(connection, 0);
    epoll_event events[64];
    while (Now() < end) {
      const int ready = ::epoll_wait(epoll_, events, 64, 100);
      for (int i = 0; i < ready; ++i) Read(*static_cast<Connection*>(events[i].data.ptr));
    }
    for (Connection& connection : connections_) ::close(connection.fd);
  }

  void Print() {
    std::sort(micros_.begin(), micros_.end());
    JsonWriter json;
    json.BeginObject().Field("rounds", micros_.size()).Field("all_rounds", all_);
    json.Field("per_second", static_cast<double>(micros_.size()) / plan_.seconds);
    json.Field("p50_ms", At(0.50)).Field("p99_ms", At(0.99)).Field("errors", errors_);
    json.Field("wrong_tokens", wrong_tokens_).Field("said", said_).EndObject();
    std::printf("%s\n", json.Take().c_str());
  }

 private:
  void Open(Connection& connection) {
    connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(plan_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(::connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    const int on = 1;
    ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  void Ask(Connection& connection, std::size_t step) {
    connection.step = step;
    if (step == 0) connection.begun = Now();
    const std::string& request = plan_.requests[step];
    const ssize_t sent = ::send(connection.fd, request.data(), request.size(), MSG_NOSIGNAL);
    CHECK(sent == static_cast<ssize_t>(request.size()));
  }

  void Read(Connection& connection) {
    char bytes[65536];
    const ssize_t got = ::recv(connection.fd, bytes, sizeof bytes, 0);
    if (got <= 0) {  // cut: counts as an error, and another connection takes its place
      Fail("the connection was cut");
      ::close(connection.fd);
      connection.reply = ReplyReader();
      Open(connection);
      Ask(connection, 0);
      return;
    }
    connection.reply.in.append(bytes, static_cast<std::size_t>(got));
    if (!connection.reply.Done()) return;
    const bool last = connection.step + 1 == plan_.requests.size();
    if (connection.reply.status() != 200) {
      Fail(connection.reply.body());
    } else if (last) {
      Count(connection);
    }
    connection.reply.Next();
    Ask(connection, last ? 0 : connection.step + 1);
  }

  void Count(const Connection& connection) {
    ++all_;
    std::size_t tokens = 0;
    const std::string& body = connection.reply.body();
    for (std::size_t at = body.find(" tok"); at != std::string::npos;
         at = body.find(" tok", at + 1)) {
      ++tokens;
    }
    if (tokens != plan_.tokens) {
      ++wrong_tokens_;
      if (said_.empty()) said_ = body.substr(0, 400);
    }
    if (connection.begun < counting_from_) return;
    micros_.push_back(std::chrono::duration<double, std::micro>(Now() - connection.begun).count());
  }

  void Fail(const std::string& said) {
    ++errors_;
    if (said_.empty()) said_ = said.substr(0, 400);
  }

  double At(double part) const {
    if (micros_.empty()) return 0;
    return micros_[static_cast<std::size_t>(part * static_cast<double>(micros_.size() - 1))] / 1000;
  }

  const Plan plan_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  SteadyTime counting_from_;
  std::vector<double> micros_;
  std::uint64_t all_ = 0, errors_ = 0, wrong_tokens_ = 0;
  std::string said_;  ///< the first thing that was wrong
};

// What a pipeline's steps ask, and in their order.
std::vector<std::string> Chain(bool stream) {
  std::string vector = "[";
  for (int i = 0; i < 768; ++i)
    StrAppend(&vector, i > 0 ? "," : "", (i * 37 % 97) / 1000.0 - 0.04837);
  vector += "]";
  const std::string passage(390, 'x');
  return {Post("/embed", "", R"({"inputs":"What is greased?"})"),
          Post("/v1/retrieval", "",
               StrCat(R"({"text":"What is greased?","embedding":)", vector, R"(,"k":4})")),
          Post("/rerank", "",
               StrCat(R"({"query":"What is greased?","texts":[")", passage, R"(",")", passage,
                      R"(",")", passage, R"(",")", passage, R"("]})")),
          Post("/v1/chat/completions", "",
               StrCat(R"({"model":"m","stream":)", stream ? "true" : "false",
                      R"(,"messages":[{"role":"user","content":")", passage, R"("}]})"))};
}

int Main(int count, char** words) {
  if (count < 5) {
    std::fprintf(stderr,
                 "usage: opea_load PORT CONNECTIONS SECONDS TOKENS [--stream] [--chain] "
                 "[--key KEY]\n");
    return 2;
  }
  Plan plan;
  plan.port = static_cast<std::uint16_t>(std::atoi(words[1]));
  plan.connections = std::atoi(words[2]);
  plan.seconds = std::atof(words[3]);
  plan.tokens = static_cast<std::size_t>(std::atoi(words[4]));
  bool stream = false, chain = false;
  std::string key;
  for (int i = 5; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--stream") stream = true;
    if (word == "--chain") chain = true;
    if (word == "--key" && i + 1 < count) key = words[++i];
  }
  plan.requests =
      chain ? Chain(stream)
            : std::vector<std::string>{Post("/v1/chatqna", key,
                                            StrCat(R"({"messages":"What is greased?","stream":)",
                                                   stream ? "true" : "false", "}"))};
  Load load(std::move(plan));
  load.Run();
  load.Print();
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int count, char** words) { return tessera::Main(count, words); }
