// Filters against a plain evaluation of the same tree, on random documents and random trees.

#include "services/retrieval/filter.h"

#include <algorithm>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/str.h"
#include "services/retrieval/test_store.h"

namespace tessera {
namespace {

using Metadata = std::map<std::string, std::string>;

const std::vector<std::string> kKeys = {"colour", "year", "size", "missing"};
const std::vector<std::string> kValues = {"red", "blue", "7", "10", "2.5", "-3", "1e2", ""};

struct Dice {
  std::mt19937 random;
  std::size_t Roll(std::size_t sides) { return random() % sides; }
  const std::string& Of(const std::vector<std::string>& list) { return list[Roll(list.size())]; }
};

v1::Filter RandomFilter(Dice& dice, int depth) {
  v1::Filter filter;
  if (depth > 0 && dice.Roll(2) == 0) {
    filter.mutable_group()->set_any(dice.Roll(2) == 0);
    for (std::size_t i = dice.Roll(4); i > 0; --i)
      *filter.mutable_group()->add_filters() = RandomFilter(dice, depth - 1);
    return filter;
  }
  static const std::vector<std::string> kOps = {"eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"};
  v1::Filter::Comparison& comparison = *filter.mutable_comparison();
  comparison.set_key(dice.Roll(6) == 0 ? "name" : dice.Of(kKeys));
  comparison.set_op(dice.Of(kOps));
  comparison.set_numeric(comparison.key() != "name" && dice.Roll(3) == 0);
  const bool list = comparison.op() == "in" || comparison.op() == "nin";
  for (std::size_t i = list ? dice.Roll(4) : 1; i > 0; --i) {
    if (comparison.numeric())
      comparison.add_values(StrCat(static_cast<int>(dice.Roll(20)) - 5));
    else
      comparison.add_values(comparison.key() == "name" ? StrCat("d", dice.Roll(60))
                                                       : dice.Of(kValues));
  }
  return filter;
}

template <class T>
bool Compare(const T& left, const std::string& op, const T& right) {
  if (op == "gt") return left > right;
  if (op == "gte") return left >= right;
  if (op == "lt") return left < right;
  if (op == "lte") return left <= right;
  return left == right;
}

bool Fits(const v1::Filter& filter, const std::string& name, const Metadata& metadata) {
  if (filter.has_group()) {
    const auto& filters = filter.group().filters();
    const auto fits = [&](const v1::Filter& one) { return Fits(one, name, metadata); };
    return filter.group().any() ? std::any_of(filters.begin(), filters.end(), fits)
                                : std::all_of(filters.begin(), filters.end(), fits);
  }
  const v1::Filter::Comparison& comparison = filter.comparison();
  const bool negated = comparison.op() == "ne" || comparison.op() == "nin";
  const auto found = metadata.find(comparison.key());
  std::optional<std::string> value;
  if (comparison.key() == "name")
    value = name;
  else if (found != metadata.end())
    value = found->second;
  bool any = false;
  for (const std::string& wanted : comparison.values()) {
    if (!value) break;
    if (!comparison.numeric()) {
      any |= Compare(*value, comparison.op(), wanted);
    } else if (const auto number = AsNumber(*value)) {
      any |= Compare(*number, comparison.op(), *AsNumber(wanted));
    }
  }
  return any != negated;
}

TEST(FilterTest, AgreesWithPlainEvaluation) {
  Dice dice{std::mt19937(7)};
  TestStore store;
  store.MakeCollection("default", 4);
  std::map<std::string, Metadata> documents;
  for (int i = 0; i < 60; ++i) {
    Metadata metadata;
    for (const std::string& key : {"colour", "year", "size"})
      if (dice.Roll(4) > 0) metadata[key] = dice.Of(kValues);
    const std::string name = StrCat("d", i);
    documents[name] = metadata;
    store.Add("default", name, "1", {{"same words", {1, 0, 0, static_cast<float>(i) / 60}}},
              metadata);
  }
  int some = 0;
  for (int round = 0; round < 400; ++round) {
    const v1::Filter filter = RandomFilter(dice, 3);
    std::set<std::string> expected;
    for (const auto& [name, metadata] : documents)
      if (Fits(filter, name, metadata)) expected.insert(name);
    v1::SearchRequest request = store.Query("default", "words", {1, 0, 0, 0});
    *request.mutable_filter() = filter;
    request.set_limit(200);
    request.set_fetch(200);
    request.set_mode(static_cast<v1::SearchMode>(1 + round % 3));
    const auto reply = SyncWait(store->Search(Ctx(), request));
    ASSERT_TRUE(reply.ok()) << reply.status() << filter.DebugString();
    std::set<std::string> found;
    for (const v1::Hit& hit : reply->hits())
      EXPECT_TRUE(found.insert(hit.document().name()).second);
    ASSERT_EQ(found, expected) << filter.DebugString();
    some += !expected.empty() && expected.size() < documents.size();
  }
  EXPECT_GT(some, 100) << "the filters were all or nothing";
}

TEST(FilterTest, MistakesAreNamed) {
  const auto message = [](const std::string& key, const std::string& op,
                          std::vector<std::string> values, bool numeric) {
    v1::Filter filter;
    filter.mutable_comparison()->set_key(key);
    filter.mutable_comparison()->set_op(op);
    for (const std::string& value : values) filter.mutable_comparison()->add_values(value);
    filter.mutable_comparison()->set_numeric(numeric);
    const auto result = ToSql(filter);
    EXPECT_TRUE(absl::IsInvalidArgument(result.status()));
    return std::string(StdView(result.status().message()));
  };
  EXPECT_NE(message("k", "like", {"x"}, false).find("like"), std::string::npos);
  EXPECT_NE(message("k", "gt", {"ten"}, true).find("ten"), std::string::npos);
  EXPECT_NE(message("k", "eq", {}, false).find("values"), std::string::npos);
  EXPECT_NE(message("", "eq", {"x"}, false).find("key"), std::string::npos);
  v1::Filter deep;
  v1::Filter* at = &deep;
  for (int i = 0; i < 40; ++i) at = at->mutable_group()->add_filters();
  EXPECT_TRUE(absl::IsInvalidArgument(ToSql(deep).status()));
}

TEST(FilterTest, ManyConditionsAreRunOrRefused) {
  TestStore store;
  store.MakeCollection("default", 4);
  store.Add("default", "d", "1", {{"same words", {1, 0, 0, 0}}});
  for (const int count : {490, 510, 5000}) {
    v1::SearchRequest request = store.Query("default", "words", {1, 0, 0, 0});
    for (int i = 0; i < count; ++i) {
      v1::Filter::Comparison& comparison =
          *request.mutable_filter()->mutable_group()->add_filters()->mutable_comparison();
      comparison.set_key("name");
      comparison.set_op("eq");
      comparison.add_values("d");
    }
    const auto reply = SyncWait(store->Search(Ctx(), request));
    if (count < 500)
      EXPECT_EQ(reply.ok() ? reply->hits_size() : -1, 1) << reply.status();
    else
      EXPECT_TRUE(absl::IsInvalidArgument(reply.status())) << reply.status();
  }
}

}  // namespace
}  // namespace tessera
