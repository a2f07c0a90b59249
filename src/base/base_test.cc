#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/ctx.h"
#include "base/ids.h"
#include "base/task.h"

namespace tessera {
namespace {

Task<int> Answer() { co_return 42; }

Task<int> SumOfMany(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await Answer() - 41;
  co_return sum;
}

Task<Result<std::string>> Shout(Result<std::string> text) {
  CO_TRY(std::string word, std::move(text));
  CO_TRY(absl::OkStatus());
  co_return word + "!";
}

TEST(TaskTest, AMillionAwaitsThatFinishAtOnceNeedNoStack) {
  EXPECT_EQ(SyncWait(SumOfMany(1'000'000)), 1'000'000);
}

TEST(TaskTest, CoTryUnpacksOrLeaves) {
  EXPECT_EQ(*SyncWait(Shout(std::string("hey"))), "hey!");
  EXPECT_EQ(SyncWait(Shout(absl::NotFoundError("no"))).status().message(), "no");
}

TEST(CancelTest, ChildIsCancelledWithItsParentAndCallbacksRunOnce) {
  CancelSource parent;
  CancelSource child(parent.token());
  int calls = 0;
  CancelCallback callback;
  child.token().OnCancel(callback, [&calls](const Status& reason) {
    EXPECT_EQ(reason.code(), absl::StatusCode::kUnavailable);
    ++calls;
  });
  parent.Cancel(absl::UnavailableError("stopping"));
  parent.Cancel(absl::CancelledError("late"));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(child.token().status().code(), absl::StatusCode::kUnavailable);
  CancelCallback late;
  child.token().OnCancel(late, [&calls](const Status&) { ++calls; });
  EXPECT_EQ(calls, 2);
}

TEST(CancelTest, ACallbackThatIsGoneIsNotCalled) {
  CancelSource source;
  bool called = false;
  {
    CancelCallback callback;
    source.token().OnCancel(callback, [&called](const Status&) { called = true; });
  }
  source.Cancel(absl::CancelledError("gone"));
  EXPECT_FALSE(called);
}

TEST(CtxTest, TheEarlierDeadlineHolds) {
  const Ctx ctx = Ctx().WithTimeout(std::chrono::hours(1));
  EXPECT_EQ(ctx.WithTimeout(std::chrono::hours(2)).deadline(), ctx.deadline());
  EXPECT_TRUE(ctx.Check().ok());
  EXPECT_EQ(ctx.WithDeadline(Now()).Check().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(IdsTest, AreLongAndDiffer) {
  EXPECT_EQ(NewId("vs_").size(), 27u);
  EXPECT_NE(NewId(""), NewId(""));
  EXPECT_EQ(Hex(0xab), "00000000000000ab");
}

}  // namespace
}  // namespace tessera
