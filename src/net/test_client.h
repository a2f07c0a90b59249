#pragma once
// For tests: a blocking client that sends exactly the bytes it is given, on a real socket.

#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"

namespace tessera {

/// Every wait is bounded by ten seconds, so that a hung server fails a test instead of stopping it.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;

  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  bool connected() const { return connected_; }
  int fd() const { return fd_; }
  void ShrinkReceiveBuffer() {
    const int size = 256 << 10;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }

  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// One read; "" at the end of the stream or after ten seconds.
  std::string ReadSome(std::size_t size_max = 65536) {
    pollfd wait = {fd_, POLLIN, 0};
    if (::poll(&wait, 1, 10'000) <= 0) return {};
    std::string bytes(size_max, '\0');
    const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
  }
  /// Everything until the server closes.
  std::string ReadToEnd() {
    std::string all = std::exchange(left_, {});
    while (true) {
      const std::string piece = ReadSome();
      if (piece.empty()) return all;
      all.append(piece);
    }
  }
  /// Up to and with `mark`; what comes behind it is kept for the next read.
  std::string ReadUntil(std::string_view mark) {
    std::string all = std::exchange(left_, {});
    while (true) {
      const std::size_t at = all.find(mark);
      if (at != std::string::npos) {
        left_ = all.substr(at + mark.size());
        all.resize(at + mark.size());
        return all;
      }
      const std::string piece = ReadSome();
      if (piece.empty()) return all;
      all.append(piece);
    }
  }
  std::string ReadBytes(std::size_t count) {
    std::string all = std::exchange(left_, {});
    while (all.size() < count) {
      const std::string piece = ReadSome();
      if (piece.empty()) return all;
      all.append(piece);
    }
    left_ = all.substr(count);
    all.resize(count);
    return all;
  }
  /// One reply that has a Content-Length: head and body.
  std::string ReadReply() {
    std::string head = ReadUntil("\r\n\r\n");
    const std::size_t at = head.find("content-length: ");
    if (at == std::string::npos) return head;
    return head + ReadBytes(std::stoul(head.substr(at + 16)));
  }
  /// Sends and reads one reply.
  std::string Ask(std::string_view bytes) {
    if (!Send(bytes)) return {};
    return ReadReply();
  }

 private:
  int fd_;
  bool connected_ = false;
  std::string left_;
};

inline int StatusOf(std::string_view reply) {
  return reply.size() > 12 ? std::stoi(std::string(reply.substr(9, 3))) : 0;
}
inline std::string BodyOf(const std::string& reply) {
  const std::size_t at = reply.find("\r\n\r\n");
  return at == std::string::npos ? "" : reply.substr(at + 4);
}
/// Decodes a chunked body; "<broken>" when it does not end well.
inline std::string Dechunk(std::string_view body) {
  std::string out;
  while (true) {
    const std::size_t end = body.find("\r\n");
    if (end == std::string_view::npos) return "<broken>";
    const std::size_t size = std::stoul(std::string(body.substr(0, end)), nullptr, 16);
    body.remove_prefix(end + 2);
    if (body.size() < size + 2) return "<broken>";
    if (size == 0) return out;
    out.append(body.substr(0, size));
    body.remove_prefix(size + 2);
  }
}

}  // namespace tessera
