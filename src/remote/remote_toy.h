#pragma once
// The toy service behind the remote door, for tests and benchmarks.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/field_error.h"
#include "base/ids.h"
#include "net/http_error.h"
#include "net/io_loop.h"
#include "remote/channel.h"
#include "remote/server.h"
#include "rpc/route.h"
#include "runtime/thread_pool.h"
#include "runtime/timer.h"
#include "tessera/toy/toy_remote.tessera.h"
#include "tessera/toy/toy_rpc.tessera.h"

namespace tessera {

/// Items made as they are asked for.
class ToyItems final : public Stream<toy::TellItem> {
 public:
  ToyItems(toy::TellRequest request, std::atomic<int>& made, std::atomic<int>& open)
      : request_(std::move(request)), made_(made), open_(open) {
    ++open_;
  }
  ~ToyItems() override { --open_; }
  Task<Result<std::optional<toy::TellItem>>> Next(Ctx ctx) override {
    CO_TRY(ctx.Check());
    if (next_ == request_.count()) co_return std::nullopt;
    ++made_;
    toy::TellItem item;
    item.set_number(next_++);
    item.mutable_text()->assign(request_.text_bytes(), 'x');
    co_return item;
  }

 private:
  const toy::TellRequest request_;
  std::atomic<int>& made_;
  std::atomic<int>& open_;
  std::uint32_t next_ = 0;
};

/// What `text` asks for: "wait" until the call ends, "fail", "busy", "stats", "who", "seen" (how
/// often the Add of this id was executed); else it comes back.
class EchoToy final : public Toy {
 public:
  Task<Result<toy::AddReply>> Add(Ctx ctx, toy::AddRequest request) override {
    {
      std::lock_guard lock(mutex_);
      ++seen_[request.id()];
      ++adds;
    }
    return Reply(std::move(ctx), std::move(request));
  }
  Task<Result<toy::AddReply>> Ping(Ctx ctx, toy::AddRequest request) override {
    ++pings;
    return Reply(std::move(ctx), std::move(request));
  }
  Task<Result<StreamPtr<toy::TellItem>>> Tell(Ctx ctx, toy::TellRequest request) override {
    ++tells;
    if (request.count() == 13) co_return absl::NotFoundError("no such tale");
    StreamPtr<toy::TellItem> items = std::make_unique<ToyItems>(std::move(request), made, open);
    co_return items;
  }

  /// How often the Add of this id was executed.
  int Seen(std::uint64_t id) {
    std::lock_guard lock(mutex_);
    return seen_[id];
  }

  std::atomic<std::uint64_t> adds{0};
  std::atomic<int> pings{0}, tells{0}, made{0}, open{0}, waiting{0}, cancelled{0};

 private:
  Task<Result<toy::AddReply>> Reply(Ctx ctx, toy::AddRequest request);

  std::mutex mutex_;
  std::map<std::uint64_t, int> seen_;
};

inline Task<Result<toy::AddReply>> EchoToy::Reply(Ctx ctx, toy::AddRequest request) {
  toy::AddReply reply;
  reply.set_id(request.id());
  reply.set_text(std::move(*request.mutable_text()));
  if (reply.text() == "wait") {
    ++waiting;
    const Status ended = co_await SleepFor(ctx, std::chrono::seconds(60));
    --waiting;
    if (!ended.ok()) ++cancelled;
    CO_TRY(Status(ended));
  } else if (reply.text() == "fail") {
    co_return InvalidField("text", "must not be \"fail\" \xE2\x80\x93 100%");
  } else if (reply.text() == "busy") {
    co_return WithRetryAfter(absl::ResourceExhaustedError("come back"), 7);
  } else if (reply.text() == "stats") {
    reply.set_text(StrCat(waiting.load(), "|", cancelled.load(), "|", open.load()));
  } else if (reply.text() == "seen") {
    reply.set_text(StrCat(Seen(request.id())));
  } else if (reply.text() == "who") {
    const RequestInfo& info = ctx.info();
    std::string scopes;
    for (const std::string& scope : info.principal.scopes) StrAppend(&scopes, scope, ",");
    reply.set_text(StrCat(info.principal.id, "|", scopes, "|", info.tenant, "|", info.request_id,
                          "|", Hex(info.trace.high), Hex(info.trace.low), "|",
                          ctx.has_deadline() ? "deadline" : ""));
  }
  co_return reply;
}

}  // namespace tessera
