// The sending half of a connection.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "net/await_then.h"
#include "net/http_connection.h"
#include "runtime/thread_pool.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr std::size_t kJoinMax = 8 << 10;  // a body this small is sent together with its head
constexpr std::size_t kFilePiece = 256 << 10;
constexpr Duration kLingerTimeout = std::chrono::seconds(2);

// "Mon, 23 Nov 2026 12:00:00 GMT", formatted once a second and thread.
std::string_view HttpDate() {
  thread_local std::time_t formatted = 0;
  thread_local std::array<char, 32> text;
  const std::time_t now = std::time(nullptr);
  if (now != formatted) {
    std::tm utc = {};
    gmtime_r(&now, &utc);
    std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
    formatted = now;
  }
  return text.data();
}

bool HasNoBody(int status) { return status < 200 || status == 204 || status == 304; }

class File {
 public:
  explicit File(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  bool ok() const { return fd_ >= 0; }
  std::int64_t Read(char* out, std::size_t size, std::uint64_t offset) const {
    return ::pread(fd_, out, size, static_cast<off_t>(offset));
  }

 private:
  const int fd_;
};

}  // namespace

void HttpConnection::AppendHead(const HttpReply& reply, std::optional<std::uint64_t> size,
                                bool chunked, bool keep_alive) {
  out_.clear();
  StrAppend(&out_, "HTTP/1.1 ", reply.status, " ", ReasonPhrase(reply.status), "\r\n");
  out_.append("date: ").append(HttpDate()).append("\r\n");
  out_.append("x-request-id: ").append(request_id_).append("\r\n");
  out_.append(reply.headers.wire());
  if (chunked) out_.append("transfer-encoding: chunked\r\n");
  if (size && reply.status >= 200 && reply.status != 204) {
    if (reply.status != 304 || *size > 0) StrAppend(&out_, "content-length: ", *size, "\r\n");
  }
  if (!keep_alive) {
    out_.append("connection: close\r\n");
  } else if (!parser_.is_http11()) {
    out_.append("connection: keep-alive\r\n");
  }
  out_.append("\r\n");
}

Task<HttpConnection::Outcome> HttpConnection::SendReply(Ctx ctx, HttpReply reply, bool head_only,
                                                        bool keep_alive) {
  phase_ = Phase::kWriting;
  sent_bytes_ = 0;
  const bool no_body = head_only || HasNoBody(reply.status);
  Status sent;
  if (auto* pieces = std::get_if<StreamPtr<std::string>>(&reply.body)) {
    const bool chunked = parser_.is_http11() && !HasNoBody(reply.status);
    keep_alive = keep_alive && (chunked || no_body);
    AppendHead(reply, std::nullopt, chunked, keep_alive);
    if (no_body) {
      sent = co_await Write(out_);
    } else {
      sent = co_await SendStream(ctx, std::move(*pieces), chunked);
    }
    pieces->reset();
  } else if (auto* file = std::get_if<FileBody>(&reply.body)) {
    AppendHead(reply, file->size, false, keep_alive);
    sent = co_await Write(out_);
    if (sent.ok() && !no_body) sent = co_await SendFile(std::move(*file));
  } else {
    const auto* text = std::get_if<std::string>(&reply.body);
    const std::string_view bytes =
        text != nullptr ? std::string_view(*text) : std::get<SharedBody>(reply.body).bytes;
    AppendHead(reply, bytes.size(), false, keep_alive);
    if (no_body) {
      sent = co_await Write(out_);
    } else if (bytes.size() <= kJoinMax) {
      out_.append(bytes);
      sent = co_await Write(out_);
    } else {
      sent = co_await Write(out_, bytes);
    }
  }
  watching_ = false;
  if (!sent.ok() && cancel_) cancel_->Cancel(absl::CancelledError("the client left"));
  shared_.service.OnSent(ctx, reply.status, sent_bytes_, sent.ok());
  cancel_.reset();
  if (!sent.ok() || ended_) co_return Outcome::kClose;
  if (keep_alive) co_return Outcome::kKeepAlive;
  co_await Linger();
  co_return Outcome::kClose;
}

// Pieces that are ready at the same time go out together, with the head when it is the first time;
// what there is goes out as soon as the stream has to wait for the next.
Task<Status> HttpConnection::SendStream(Ctx ctx, StreamPtr<std::string> pieces, bool chunked) {
  Watch();  // between two pieces only a read can tell that the client has left
  while (true) {
    const auto send = [this] { SendSome(); };
    AwaitThen next(pieces->Next(ctx), send);
    Result<std::optional<std::string>> piece = co_await next;
    co_await SwitchTo(loop_);
    if (ended_) co_return absl::CancelledError("the client left");
    if (!piece.ok()) {
      // There is no way to say so in HTTP/1.1 but to end without the last chunk.
      if (piece.status().code() != absl::StatusCode::kCancelled) {
        Log(ctx, LogLevel::kWarning, "a reply stream was cut by an error",
            {{"error", std::string(StdView(piece.status().message()))}});
      }
      CO_TRY(co_await Write(out_));
      co_return piece.status();
    }
    if (!*piece) break;
    if (!(*piece)->empty()) CO_TRY(co_await AppendPiece(**std::move(piece), chunked));
  }
  if (chunked) out_.append("0\r\n\r\n");
  co_return co_await Write(out_);
}

// Behind what waits to be sent; a large one is sent at once, and not copied.
Task<Status> HttpConnection::AppendPiece(std::string piece, bool chunked) {
  if (chunked) {
    char size[20];
    const int digits = std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    out_.append(size, static_cast<std::size_t>(digits));
  }
  const std::string_view end = chunked ? "\r\n" : "";
  if (out_.size() + piece.size() <= kJoinMax) {
    out_.append(piece).append(end);
    co_return absl::OkStatus();
  }
  const Status sent = co_await Write(out_, piece, end);
  out_.clear();
  co_return sent;
}

void HttpConnection::SendSome() {
  const ssize_t sent =
      ::send(socket_.native_handle(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent <= 0) return;  // an error comes again when it is written
  sent_bytes_ += static_cast<std::uint64_t>(sent);
  out_.erase(0, static_cast<std::size_t>(sent));
}

Task<Status> HttpConnection::SendFile(FileBody file) {
  const auto open = [path = file.path] { return std::make_unique<File>(path); };
  const std::unique_ptr<File> opened = co_await RunOn(shared_.blocking, open);
  if (!opened->ok()) co_return absl::InternalError("a file to be sent cannot be opened");
  std::vector<char> buffer(std::min<std::uint64_t>(file.size, kFilePiece));
  std::uint64_t done = 0;
  while (done < file.size) {
    const std::size_t want = std::min<std::uint64_t>(file.size - done, buffer.size());
    const auto read = [&] { return opened->Read(buffer.data(), want, file.offset + done); };
    const std::int64_t got = co_await RunOn(shared_.blocking, read);
    if (got <= 0) co_return absl::DataLossError("a file became shorter while it was sent");
    CO_TRY(co_await Write(std::string_view(buffer.data(), static_cast<std::size_t>(got))));
    done += static_cast<std::uint64_t>(got);
  }
  co_return absl::OkStatus();
}

// The views stay valid until it returns: they point to what the awaiting coroutine holds. NOLINT
Task<Status> HttpConnection::Write(std::string_view first, std::string_view second,
                                   std::string_view third) {
  std::array<iovec, 3> parts;
  std::size_t count = 0;
  for (const std::string_view part : {first, second, third}) {
    if (!part.empty()) parts[count++] = {const_cast<char*>(part.data()), part.size()};
  }
  std::size_t at = 0;
  while (at < count) {
    msghdr message = {};
    message.msg_iov = parts.data() + at;
    message.msg_iovlen = count - at;
    ssize_t sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      SetDeadline(shared_.config.write_stall_timeout);
      const auto start = [this](auto done) {
        socket_.async_wait(TcpSocket::wait_write, std::move(done));
      };
      IoWait writable(start);
      const error_code error = co_await writable;
      deadline_ = SteadyTime::max();
      if (error || timed_out_ || ended_) co_return absl::CancelledError("the client left");
      continue;
    }
    if (sent < 0) co_return absl::CancelledError("the client left");
    sent_bytes_ += static_cast<std::uint64_t>(sent);
    while (at < count && static_cast<std::size_t>(sent) >= parts[at].iov_len) {
      sent -= static_cast<ssize_t>(parts[at++].iov_len);
    }
    if (at < count) {
      parts[at].iov_base = static_cast<char*>(parts[at].iov_base) + sent;
      parts[at].iov_len -= static_cast<std::size_t>(sent);
    }
  }
  co_return absl::OkStatus();
}

// A close with unread input becomes a reset, which can destroy the reply on its way: say that there
// is no more, then drop what still comes, for a short while.
Task<void> HttpConnection::Linger() {
  error_code ignored;
  socket_.shutdown(TcpSocket::shutdown_send, ignored);
  timed_out_ = false;
  std::uint64_t dropped = 0;
  SetDeadline(kLingerTimeout);
  while (dropped < (std::uint64_t{1} << 20)) {
    dropped += input().size();
    Consume(input().size());
    const bool more = co_await ReadMore();
    if (!more) break;
  }
  deadline_ = SteadyTime::max();
}

}  // namespace tessera
