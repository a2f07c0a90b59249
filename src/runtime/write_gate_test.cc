#include "runtime/write_gate.h"

#include <thread>

#include <gtest/gtest.h>

namespace tessera {
namespace {

using State = WriteGate::State;

Task<Result<bool>> Here(WriteGate* gate, Ctx ctx) {
  CO_TRY(const WriteGate::Pass pass, co_await gate->Enter(ctx));
  co_return pass.here();
}

TEST(WriteGateTest, HoldsUntilItIsDecidedWhoWrites) {
  WriteGate gate("store");
  Result<bool> waited = false;
  std::thread call([&] { waited = SyncWait(Here(&gate, Ctx())); });
  gate.Open();
  call.join();
  EXPECT_TRUE(*waited);
  ASSERT_TRUE(SyncWait(gate.Close(Ctx())).ok());
  EXPECT_EQ(gate.state(), State::kYielded);
  EXPECT_FALSE(gate.TryEnter().has_value());
  std::thread held([&] { waited = SyncWait(Here(&gate, Ctx())); });
  ASSERT_TRUE(gate.Forward().ok());
  held.join();
  EXPECT_FALSE(*waited);
}

TEST(WriteGateTest, ClosingWaitsForThoseInside) {
  WriteGate gate("store");
  gate.Open();
  std::optional<WriteGate::Pass> inside = gate.TryEnter();
  ASSERT_TRUE(inside.has_value());
  EXPECT_EQ(SyncWait(gate.Close(Ctx().WithTimeout(std::chrono::milliseconds(5)))).code(),
            absl::StatusCode::kDeadlineExceeded);
  Status closed = absl::UnknownError("not yet");
  std::thread closing([&] { closed = SyncWait(gate.Close(Ctx())); });
  inside.reset();
  closing.join();
  EXPECT_TRUE(closed.ok()) << closed;
}

TEST(WriteGateTest, AMoveThatIsCalledOffSaysSo) {
  WriteGate gate("store");
  gate.Open();
  const std::optional<WriteGate::Pass> inside = gate.TryEnter();
  Status closed;
  std::thread closing([&] { closed = SyncWait(gate.Close(Ctx())); });
  while (gate.active()) std::this_thread::yield();
  gate.Open();
  closing.join();
  EXPECT_EQ(closed.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(gate.Forward().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(WriteGateTest, WaitingIsBoundedInTimeAndNumber) {
  WriteGate gate("store", {.held = 1, .wait = std::chrono::milliseconds(20)});
  EXPECT_EQ(SyncWait(Here(&gate, Ctx())).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SyncWait(Here(&gate, Ctx().WithTimeout(std::chrono::milliseconds(1)))).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  ASSERT_TRUE(gate.Forward().code() == absl::StatusCode::kFailedPrecondition);  // a standby
  gate.Open();
  ASSERT_TRUE(SyncWait(gate.Close(Ctx())).ok());
  ASSERT_TRUE(gate.Forward().ok());
  const Result<WriteGate::Pass> one = SyncWait(gate.Enter(Ctx()));
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(SyncWait(Here(&gate, Ctx())).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(WriteGateTest, StoppedItRefusesWhatWaitsAndWhatComes) {
  WriteGate gate("store");
  Result<bool> waited = false;
  std::thread call([&] { waited = SyncWait(Here(&gate, Ctx())); });
  gate.Stop();
  call.join();
  EXPECT_EQ(waited.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(SyncWait(gate.TakeTurn(Ctx())).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(WriteGateTest, OneChangesItAtATime) {
  WriteGate gate("store");
  std::optional<WriteGate::Turn> first(*SyncWait(gate.TakeTurn(Ctx())));
  EXPECT_EQ(
      SyncWait(gate.TakeTurn(Ctx().WithTimeout(std::chrono::milliseconds(1)))).status().code(),
      absl::StatusCode::kDeadlineExceeded);
  Status second;
  std::thread next([&] { second = SyncWait(gate.TakeTurn(Ctx())).status(); });
  first.reset();
  next.join();
  EXPECT_TRUE(second.ok()) << second;
}

}  // namespace
}  // namespace tessera
