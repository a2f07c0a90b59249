#pragma once
// The caller's end of the remote door: a contract served elsewhere, called like a local one.

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <google/protobuf/message_lite.h>

#include "base/contract.h"
#include "base/stream.h"
#include "net/http2.h"
#include "net/io_loop.h"

namespace tessera {

struct RemoteChannelConfig {
  std::string address;  ///< see ParseStreamAddress()
  /// Principal, scopes and tenant go with each call: for peers of this platform only. Others are
  /// pinged every five minutes at most.
  bool send_identity = false;
  std::string authorization;                   ///< "Bearer …" for a foreign server; empty: none
  std::uint32_t message_bytes_max = 64 << 20;  ///< of one reply, compressed or not
  std::uint32_t gzip_bytes_min = 0;            ///< larger requests are compressed; 0: none
  Duration connect_timeout = std::chrono::seconds(5);
  Duration reconnect_after_max = std::chrono::seconds(2);  ///< the longest pause between attempts
  int attempts_max = 3;  ///< of a call that the peer refused before it did anything with it
  Http2Limits http2;
  /// For tests: each idempotent call is sent twice, and the second answer is the one given.
  bool repeat_idempotent = false;
};

/// A stream of replies, before they are parsed.
class RemoteItems {
 public:
  virtual ~RemoteItems() = default;
  /// Parses the next message into `item`; false at the end.
  virtual Task<Result<bool>> Next(Ctx ctx, google::protobuf::MessageLite* item) = 0;
};

/// A peer at one address. Calls made on one of `loops` use that loop's own connection and never
/// leave the loop; others are handed to a loop. Connects when first called, and again when the
/// connection is lost. Thread-safe. The remote classes that the protoc plugin makes are rows over
/// it.
class RemoteChannel {
 public:
  RemoteChannel(RemoteChannelConfig config, IoLoops& loops);
  /// Close() comes first.
  ~RemoteChannel();
  RemoteChannel(const RemoteChannel&) = delete;

  /// Ends every call with CANCELLED and every connection.
  Task<Status> Close();

  // NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): rows of static storage
  template <class Reply, class Request>
  Task<Result<Reply>> Call(const MethodInfo& method, Ctx ctx, Request request) {
    Reply reply;
    CO_TRY(co_await Unary(&method, std::move(ctx), &request, &reply));
    co_return reply;
  }

  template <class Item, class Request>
  Task<Result<StreamPtr<Item>>> CallStream(const MethodInfo& method, Ctx ctx, Request request) {
    CO_TRY(std::unique_ptr<RemoteItems> items,
           co_await OpenStream(&method, std::move(ctx), &request));
    StreamPtr<Item> stream = std::make_unique<ParsedItems<Item>>(std::move(items));
    co_return stream;
  }
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)

 private:
  struct State;

  template <class Item>
  class ParsedItems final : public Stream<Item> {
   public:
    explicit ParsedItems(std::unique_ptr<RemoteItems> items) : items_(std::move(items)) {}
    Task<Result<std::optional<Item>>> Next(Ctx ctx) override {
      std::optional<Item> item(std::in_place);
      CO_TRY(const bool more, co_await items_->Next(std::move(ctx), &*item));
      if (!more) item.reset();
      co_return item;
    }

   private:
    const std::unique_ptr<RemoteItems> items_;
  };

  // The pointed-to live in the awaiting coroutine.
  Task<Status> Unary(const MethodInfo* method, Ctx ctx,
                     const google::protobuf::MessageLite* request,
                     google::protobuf::MessageLite* reply);
  Task<Result<std::unique_ptr<RemoteItems>>> OpenStream(
      const MethodInfo* method, Ctx ctx, const google::protobuf::MessageLite* request);

  std::shared_ptr<State> state_;
};

}  // namespace tessera
