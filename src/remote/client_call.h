#pragma once
// One call that goes out over the wire. Only for remote's own .cc files.

#include <coroutine>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "net/http2_stream.h"
#include "net/io_loop.h"
#include "remote/channel.h"
#include "remote/message_frame.h"
#include "runtime/waiter.h"

namespace tessera {

/// The status with which a stream that has ended, ended; nothing while it has not.
std::optional<Status> EndOf(Http2Stream& stream);
/// The peer did nothing with the call: it may be sent again.
bool WasRefused(const Http2Stream& stream);

/// A call with one reply. Lives on its connection's loop; the coroutine that makes it awaits it
/// there, and goes on where it came from.
class UnaryCall final : public Http2User {
 public:
  UnaryCall(std::uint32_t bytes_max, Executor* home, IoLoop& loop)
      : reader_(bytes_max), home_(home == &loop ? nullptr : home) {}

  void Start(Http2StreamPtr stream) { stream_ = std::move(stream); }
  void OnEvent() override;
  /// On the loop.
  void Cancel(const Status& reason);

  bool await_ready() const noexcept { return done_; }
  void await_suspend(std::coroutine_handle<> handle) { waiting_ = handle; }
  void await_resume() const noexcept {}

  const Status& status() const { return status_; }
  bool refused() const { return refused_; }
  const RawMessage& reply() const { return *reply_; }

 private:
  void Look();
  void Finish(Status status);

  MessageReader reader_;
  Executor* const home_;  ///< null: the loop itself
  Http2StreamPtr stream_;
  std::optional<RawMessage> reply_;
  Status status_;
  bool refused_ = false;
  bool done_ = false;
  std::coroutine_handle<> waiting_;
};

/// A call with a stream of replies. The loop fills a bounded queue; the reader takes from it on any
/// thread, and the peer may send more when the queue has room.
class StreamCall final : public Http2User, public std::enable_shared_from_this<StreamCall> {
 public:
  StreamCall(std::uint32_t bytes_max, IoLoop& loop, Ctx ctx)
      : loop_(loop), bytes_max_(bytes_max), reader_(bytes_max), ctx_(std::move(ctx)) {}

  /// On the loop, once.
  void Start(Http2StreamPtr stream);
  void OnEvent() override;
  /// From any thread.
  void Cancel(Status reason);

  /// OK when the peer has begun to answer; its error when it ended with one before.
  Task<Status> Begun(Ctx ctx);
  bool refused() const { return refused_; }
  Task<Result<bool>> Next(Ctx ctx, google::protobuf::MessageLite* item);

 private:
  void Fill();
  void CancelOnLoop(const Status& reason);
  void End(Status status);
  /// `ctx` without a deadline that the connection watches already.
  Ctx ForWait(const Ctx& ctx) const;

  IoLoop& loop_;
  const std::uint32_t bytes_max_;
  MessageReader reader_;
  const Ctx ctx_;
  Http2StreamPtr stream_;
  CancelCallback on_cancel_;
  std::mutex mutex_;
  std::deque<RawMessage> queue_;
  std::size_t queue_bytes_ = 0;
  bool starved_ = false;  ///< the queue was full while there was more
  bool begun_ = false;
  std::optional<Status> end_;
  std::optional<WaiterHandle> reader_waits_;
  bool refused_ = false;
};

/// The reader's handle: dropping it cancels the call.
class StreamReader final : public RemoteItems {
 public:
  explicit StreamReader(std::shared_ptr<StreamCall> call) : call_(std::move(call)) {}
  ~StreamReader() override { call_->Cancel(absl::CancelledError("the reader has gone")); }
  Task<Result<bool>> Next(Ctx ctx, google::protobuf::MessageLite* item) override {
    return call_->Next(std::move(ctx), item);
  }

 private:
  const std::shared_ptr<StreamCall> call_;
};

}  // namespace tessera
