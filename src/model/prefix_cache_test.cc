#include "model/prefix_cache.h"

#include <numeric>

#include <gtest/gtest.h>

namespace tessera {
namespace {

std::vector<std::int32_t> Tokens(std::int32_t first, std::size_t count) {
  std::vector<std::int32_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

TEST(PrefixCacheTest, AConversationGoesOnInItsSlot) {
  std::vector<CachedSlot> slots(3);
  slots[1] = {Tokens(0, 100), false, 9};
  const SlotChoice choice = ChooseSlot(slots, Tokens(0, 120));
  EXPECT_EQ(choice.slot, 1);
  EXPECT_EQ(choice.keep, 100U);
  EXPECT_EQ(choice.donor, -1);
}

TEST(PrefixCacheTest, ASharedPrefixIsCopiedAndTheOtherConversationKept) {
  std::vector<CachedSlot> slots(2);
  slots[0] = {Tokens(0, 300), false, 5};
  std::vector<std::int32_t> prompt = Tokens(0, 60);
  prompt.push_back(9999);
  const SlotChoice choice = ChooseSlot(slots, prompt);
  EXPECT_EQ(choice.slot, 1);
  EXPECT_EQ(choice.donor, 0);
  EXPECT_EQ(choice.reused, 60U);
}

TEST(PrefixCacheTest, AShortSharedPrefixIsNotWorthACopy) {
  std::vector<CachedSlot> slots(2);
  slots[0] = {Tokens(0, 300), false, 5};
  std::vector<std::int32_t> prompt = Tokens(0, 10);
  prompt.push_back(9999);
  EXPECT_EQ(ChooseSlot(slots, prompt).donor, -1);
}

TEST(PrefixCacheTest, OneTokenIsAlwaysLeftToCompute) {
  std::vector<CachedSlot> slots(1);
  slots[0] = {Tokens(0, 50), false, 1};
  EXPECT_EQ(ChooseSlot(slots, Tokens(0, 50)).keep, 49U);
  EXPECT_EQ(ChooseSlot(slots, Tokens(0, 20)).keep, 19U);
}

TEST(PrefixCacheTest, BusySlotsAreNotTakenButMayGive) {
  std::vector<CachedSlot> slots(2);
  slots[0] = {Tokens(0, 100), true, 1};
  const SlotChoice choice = ChooseSlot(slots, Tokens(0, 120));
  EXPECT_EQ(choice.slot, 1);
  EXPECT_EQ(choice.donor, 0);
  slots[1].busy = true;
  EXPECT_EQ(ChooseSlot(slots, Tokens(0, 120)).slot, -1);
}

TEST(PrefixCacheTest, OtherwiseTheSlotUsedLongestAgo) {
  std::vector<CachedSlot> slots(3);
  slots[0] = {Tokens(0, 10), false, 7};
  slots[1] = {Tokens(100, 10), false, 3};
  slots[2] = {Tokens(200, 10), false, 8};
  EXPECT_EQ(ChooseSlot(slots, Tokens(500, 30)).slot, 1);
}

}  // namespace
}  // namespace tessera
