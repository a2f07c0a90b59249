#include "model/thread_governor.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

/// Steps of one token that take `one` seconds with one thread, `all` with all; returns how many of
/// the last hundred ran with one.
int StepsWithOneThread(ThreadGovernor& governor, double one, double all, int steps) {
  int with_one = 0;
  for (int i = 0; i < steps; ++i) {
    const int threads = governor.Threads(1);
    if (i >= steps - 100 && threads == 1) ++with_one;
    governor.Report(1, threads == 1 ? one : all);
  }
  return with_one;
}

TEST(ThreadGovernorTest, FollowsWhicheverIsFaster) {
  ThreadGovernor governor(2);
  EXPECT_LE(StepsWithOneThread(governor, 0.010, 0.006, 400), 6);    // a quiet machine
  EXPECT_GE(StepsWithOneThread(governor, 0.012, 0.080, 2000), 94);  // an overloaded one
  EXPECT_LE(StepsWithOneThread(governor, 0.010, 0.006, 2000), 6);   // quiet again
}

TEST(ThreadGovernorTest, OneThreadIsNeverMoreThanOne) {
  ThreadGovernor governor(1);
  EXPECT_EQ(StepsWithOneThread(governor, 0.01, 0.01, 100), 100);
}

TEST(ThreadGovernorTest, PromptPiecesFitTheTimeAsked) {
  ThreadGovernor governor(1);
  for (int i = 0; i < 50; ++i) {
    governor.Threads(64);
    governor.Report(64, 0.064);  // a thousand tokens a second
  }
  EXPECT_NEAR(static_cast<double>(governor.PromptTokensIn(0.1)), 100, 5);
  EXPECT_EQ(governor.PromptTokensIn(0.0001), 16U);
}

}  // namespace
}  // namespace tessera
