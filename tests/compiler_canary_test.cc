// Coroutine shapes that some compilers get wrong without a warning (docs/adr/0001-compiler.md).
// When one of these fails, no other result of this build means anything.
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/task.h"

namespace tessera {
namespace {

constexpr const char* kLong = "long enough that it does not fit into the string itself";

// Counts its lives, so that a double destruction or a leak shows without a sanitizer.
struct Tracked {
  static inline int alive = 0;
  std::string text;

  Tracked(std::string value = "") : text(std::move(value)) { ++alive; }
  Tracked(const Tracked& other) : text(other.text) { ++alive; }
  Tracked(Tracked&& other) noexcept : text(std::move(other.text)) { ++alive; }
  Tracked& operator=(const Tracked&) = default;
  Tracked& operator=(Tracked&&) = default;
  ~Tracked() { --alive; }
};

struct Aggregate {
  Tracked a;
  Tracked b;
  int number = 0;
};

struct AggregateCtx {
  std::shared_ptr<int> token;
};

int Size(const Tracked& tracked) { return static_cast<int>(tracked.text.size()); }

Task<int> Number(int value) { co_return value; }
Task<Tracked> MakeTracked() { co_return Tracked(kLong); }
Task<int> TakeAggregate(Aggregate value) { co_return Size(value.a); }
Task<int> TakeReference(const Aggregate& value) { co_return Size(value.a); }
Task<int> TakeCtx(AggregateCtx ctx) { co_return static_cast<int>(ctx.token.use_count()); }
Task<int> TakeVector(std::vector<Tracked> values) { co_return static_cast<int>(values.size()); }
Task<int> TakeFunction(std::function<int()> function) { co_return function(); }
template <class Function>
Task<int> TakeCallable(Function function) {
  co_return function();
}

class CompilerCanary : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(Tracked::alive, 0); }
};

// The body of a coroutine without parameters and locals ran never where its first statement was
// this.
Task<int> AwaitInIf() {
  if (co_await Number(1)) co_return 1;
  co_return 0;
}
Task<int> AwaitInSwitch() {
  switch (co_await Number(1)) {
    case 1:
      co_return 1;
    default:
      co_return 0;
  }
}
struct Service {
  int value = 1;
  Task<int> Run() {
    if (co_await Number(value)) co_return 1;
    co_return 0;
  }
};

TEST_F(CompilerCanary, AwaitInConditionRunsTheBody) {
  Service service;
  EXPECT_EQ(SyncWait(AwaitInIf()), 1);
  EXPECT_EQ(SyncWait(AwaitInSwitch()), 1);
  EXPECT_EQ(SyncWait(service.Run()), 1);
}

Task<int> AggregateTemporary() {
  const int size = co_await TakeAggregate(Aggregate{Tracked(kLong), Tracked("b")});
  co_return size;
}
Task<int> DesignatedTemporary() {
  const int size = co_await TakeAggregate({.a = Tracked(kLong), .b = Tracked("b")});
  co_return size;
}
Task<int> TemporaryByReference() {
  const int size = co_await TakeReference(Aggregate{Tracked(kLong), Tracked("b")});
  co_return size;
}

TEST_F(CompilerCanary, AggregateTemporariesDieOnce) {
  const int size = static_cast<int>(std::string(kLong).size());
  EXPECT_EQ(SyncWait(AggregateTemporary()), size);
  EXPECT_EQ(SyncWait(DesignatedTemporary()), size);
  EXPECT_EQ(SyncWait(TemporaryByReference()), size);
}

Task<int> SharedPointerInAggregate() {
  const auto token = std::make_shared<int>(1);
  const int during = co_await TakeCtx(AggregateCtx{token});
  co_return during * 10 + static_cast<int>(token.use_count());
}

TEST_F(CompilerCanary, SharedPointerInAggregateIsCountedRight) {
  // One owner is left after the call; during it there are two, or three while the temporary lives.
  const int counts = SyncWait(SharedPointerInAggregate());
  EXPECT_TRUE(counts == 21 || counts == 31) << counts;
}

Task<int> LambdaTemporary() {
  const Tracked captured(kLong);
  const int direct = co_await TakeCallable([captured] { return Size(captured); });
  const int wrapped = co_await TakeFunction([captured] { return Size(captured); });
  co_return direct == wrapped ? direct : -1;
}

TEST_F(CompilerCanary, LambdaTemporariesDieOnce) {
  EXPECT_EQ(SyncWait(LambdaTemporary()), static_cast<int>(std::string(kLong).size()));
}

Task<int> AwaitInConditional(bool which) {
  const Tracked value = which ? co_await MakeTracked() : Tracked("x");
  co_return Size(value);
}

TEST_F(CompilerCanary, AwaitInConditionalOperatorDiesOnce) {
  EXPECT_EQ(SyncWait(AwaitInConditional(true)), static_cast<int>(std::string(kLong).size()));
  EXPECT_EQ(SyncWait(AwaitInConditional(false)), 1);
}

Task<int> BracedListArgument() {
  const int size = co_await TakeVector({Tracked(kLong), Tracked("y")});
  co_return size;
}

TEST_F(CompilerCanary, BracedListArgument) { EXPECT_EQ(SyncWait(BracedListArgument()), 2); }

Task<int64_t> ManyAwaits(int64_t count) {
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += co_await Number(1);
  co_return sum;
}

TEST_F(CompilerCanary, AMillionAwaitsThatFinishAtOnceNeedNoStack) {
  EXPECT_EQ(SyncWait(ManyAwaits(1'000'000)), 1'000'000);
}

Task<Result<int>> Fails() { co_return absl::NotFoundError("no such thing, said at some length"); }
Task<Result<int>> Propagates() {
  CO_TRY(const int first, co_await Fails());
  co_return first;
}

TEST_F(CompilerCanary, ErrorsPropagateThroughCoTry) {
  EXPECT_EQ(SyncWait(Propagates()).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tessera
