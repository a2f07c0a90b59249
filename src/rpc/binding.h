#pragma once
// Methods as values: called with messages of any type, for the doors that are generic over
// descriptors (REST, gRPC).

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <google/protobuf/message.h>

#include "base/contract.h"
#include "base/stream.h"

namespace tessera {

using MessagePtr = std::unique_ptr<google::protobuf::Message>;

/// One method of one service. `request` and `reply` are default instances to make messages from;
/// exactly one of `call` and `call_stream` is set. A request of another type than `request`'s is a
/// broken invariant.
struct MethodBinding {
  const MethodInfo* info = nullptr;
  const google::protobuf::Message* request = nullptr;
  const google::protobuf::Message* reply = nullptr;
  std::function<Task<Result<MessagePtr>>(Ctx, MessagePtr)> call;
  std::function<Task<Result<StreamPtr<MessagePtr>>>(Ctx, MessagePtr)> call_stream;
};

namespace internal {

template <class Item>
class ErasedStream final : public Stream<MessagePtr> {
 public:
  explicit ErasedStream(StreamPtr<Item> stream) : stream_(std::move(stream)) {}
  Task<Result<std::optional<MessagePtr>>> Next(Ctx ctx) override {
    CO_TRY(std::optional<Item> item, co_await stream_->Next(std::move(ctx)));
    if (!item) co_return std::nullopt;
    MessagePtr message = std::make_unique<Item>(*std::move(item));
    co_return std::optional<MessagePtr>(std::move(message));
  }

 private:
  StreamPtr<Item> stream_;
};

template <class Request>
Request Unwrap(MessagePtr message) {
  auto* const request = dynamic_cast<Request*>(message.get());
  CHECK(request != nullptr);
  return std::move(*request);
}

template <class Request, auto kMethod, class Service, class Reply>
Task<Result<MessagePtr>> CallErased(Service* service, Ctx ctx, MessagePtr request) {
  CO_TRY(Reply reply,
         co_await (service->*kMethod)(std::move(ctx), Unwrap<Request>(std::move(request))));
  MessagePtr message = std::make_unique<Reply>(std::move(reply));
  co_return message;
}

template <class Request, auto kMethod, class Service, class Item>
Task<Result<StreamPtr<MessagePtr>>> CallStreamErased(Service* service, Ctx ctx,
                                                     MessagePtr request) {
  CO_TRY(StreamPtr<Item> stream,
         co_await (service->*kMethod)(std::move(ctx), Unwrap<Request>(std::move(request))));
  StreamPtr<MessagePtr> erased = std::make_unique<ErasedStream<Item>>(std::move(stream));
  co_return erased;
}

template <class Request, auto kMethod, class Service, class Reply>
void Fill(MethodBinding& binding, Service* service, Reply*) {
  binding.reply = &Reply::default_instance();
  binding.call = [service](Ctx ctx, MessagePtr request) {
    return CallErased<Request, kMethod, Service, Reply>(service, std::move(ctx),
                                                        std::move(request));
  };
}
template <class Request, auto kMethod, class Service, class Item>
void Fill(MethodBinding& binding, Service* service, StreamPtr<Item>*) {
  binding.reply = &Item::default_instance();
  binding.call_stream = [service](Ctx ctx, MessagePtr request) {
    return CallStreamErased<Request, kMethod, Service, Item>(service, std::move(ctx),
                                                             std::move(request));
  };
}

template <class Service, class Reply, class Request>
Reply* ReplyPointer(Task<Result<Reply>> (Service::*)(Ctx, Request)) {
  return nullptr;
}

}  // namespace internal

/// Used by the generated Bind(Service&). The service must outlive the binding.
template <class Request, auto kMethod, class Service>
MethodBinding Bind(Service& service, const MethodInfo& info) {
  MethodBinding binding;
  binding.info = &info;
  binding.request = &Request::default_instance();
  internal::Fill<Request, kMethod>(binding, &service, internal::ReplyPointer(kMethod));
  return binding;
}

}  // namespace tessera
