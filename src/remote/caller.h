#pragma once
// What a remote class calls: a contract served elsewhere, at one address or at several.

#include <memory>
#include <optional>
#include <utility>

#include <google/protobuf/message_lite.h>

#include "base/contract.h"
#include "base/stream.h"

namespace tessera {

/// A stream of replies, before they are parsed.
class RemoteItems {
 public:
  virtual ~RemoteItems() = default;
  /// Parses the next message into `item`; false at the end.
  virtual Task<Result<bool>> Next(Ctx ctx, google::protobuf::MessageLite* item) = 0;
};

/// Sends calls to whoever serves them. The remote classes that the protoc plugin makes are rows
/// over it. Thread-safe. RemoteChannel is one address, Cluster several.
class RemoteCaller {
 public:
  virtual ~RemoteCaller() = default;

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

  /// What is pointed to lives until the task has ended.
  virtual Task<Status> Unary(const MethodInfo* method, Ctx ctx,
                             const google::protobuf::MessageLite* request,
                             google::protobuf::MessageLite* reply) = 0;
  /// Ends when the peer has begun to answer.
  virtual Task<Result<std::unique_ptr<RemoteItems>>> OpenStream(
      const MethodInfo* method, Ctx ctx, const google::protobuf::MessageLite* request) = 0;

 private:
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
};

/// What is known of a call that failed for want of the peer, beyond its status.
enum class CallFate {
  kAnswered,   ///< the peer answered, or nothing is known
  kUnreached,  ///< there was no connection to send it on
  kRefused,    ///< the peer said that it did nothing with it
  kLost,       ///< the connection ended while the peer had it
};

/// `status`, which is not OK, with its call's fate; never travels over the wire.
Status WithFate(Status status, CallFate fate);
CallFate FateOf(const Status& status);
/// It may be sent again, whatever it does.
inline bool WasNotSent(CallFate fate) {
  return fate == CallFate::kUnreached || fate == CallFate::kRefused;
}

}  // namespace tessera
