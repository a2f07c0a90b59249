#include "traces/slow_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "telemetry/trace_recorder.h"
#include "traces/critical_path.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::Pair;

v1::Span& Add(v1::SpanFragment& to, const char* id, const char* parent, const char* name,
              std::int64_t start_ms, std::int64_t ms, v1::SpanKind kind = v1::SPAN_KIND_INTERNAL) {
  v1::Span& span = *to.add_spans();
  span.set_id(id);
  span.set_parent_id(parent);
  span.set_name(name);
  span.set_kind(kind);
  span.set_start_us(1'700'000'000'000'000 + start_ms * 1000);
  span.set_duration_ns(ms * 1'000'000);
  return span;
}

std::vector<std::pair<std::string, double>> Parts(const v1::SpanFragment& of) {
  std::vector<std::pair<std::string, double>> parts;
  for (const PathPart& part : CriticalPath(of.spans(), of.spans(0)))
    parts.emplace_back(part.name, part.ms);
  return parts;
}

TEST(CriticalPathTest, WhatEndedLastWasWaitedForAndAModelIsSplitAtItsFirstToken) {
  v1::SpanFragment all;
  Add(all, "a", "caller", "POST /v1/chat/completions", 0, 1000, v1::SPAN_KIND_SERVER);
  Add(all, "b", "a", "tessera.v1.Orchestration/Run", 10, 980, v1::SPAN_KIND_CLIENT);
  Add(all, "c", "b", "tessera.v1.Orchestration/Run", 15, 970, v1::SPAN_KIND_SERVER);
  // Side by side: the shorter one is hidden behind the longer.
  Add(all, "d", "c", "sqlite search", 20, 100, v1::SPAN_KIND_CLIENT);
  Add(all, "e", "c", "embeddings", 20, 60, v1::SPAN_KIND_CLIENT);
  v1::SpanAttribute& first =
      *Add(all, "f", "c", "chat", 120, 860, v1::SPAN_KIND_CLIENT).add_attributes();
  first.set_key("gen_ai.server.time_to_first_token");
  first.set_number(0.4);
  Add(all, "g", "nobody", "job", 0, 5000);  // of the same trace, not waited for
  EXPECT_THAT(Parts(all), ElementsAre(Pair("model decode", 460), Pair("model first token", 400),
                                      Pair("sqlite search", 100), Pair("edge", 20),
                                      Pair("call orchestration", 10), Pair("orchestration", 10)));
}

TEST(CriticalPathTest, ASpanThatIsItsOwnAncestorEnds) {
  v1::SpanFragment all;
  Add(all, "a", "b", "POST /x", 0, 10);
  Add(all, "b", "a", "step", 0, 10);
  EXPECT_THAT(Parts(all), testing::Not(testing::IsEmpty()));
}

class SlowTest : public testing::Test {
 protected:
  SlowTest() : before_(TraceRecorder::Process().options()) {
    TraceRecorder::Options options;
    options.on = true;
    options.tail.recent_per_second = 0;
    options.tail.rare_after = std::chrono::hours(1'000'000);
    options.tail.logged_after = std::chrono::seconds(2);
    options.tail.logged_routes = {{"POST /quick", std::chrono::milliseconds(100)},
                                  {"POST /never", std::chrono::milliseconds(0)}};
    options.tail.logged_per_second = 40;
    TraceRecorder::Process().Configure(options);
    TraceRecorder::Process().Take({}, 10'000);
  }
  ~SlowTest() override { TraceRecorder::Process().Configure(before_); }

  // What was too long of a request that took `ms`; 0: it was not.
  static std::int64_t Slow(std::string_view route, std::int64_t ms, std::int64_t item = -1,
                           std::int64_t text = -1) {
    const auto spans = TraceSpans::Make({.high = 1, .low = RandomId()}, false);
    spans->Begin(route, SpanKind::kServer, 0);
    if (item >= 0) spans->Set(0, kFirstItemAttribute, item);
    if (text >= 0) spans->Set(0, kFirstTextAttribute, text);
    TraceRecorder::Process().Finish(*spans, static_cast<std::uint64_t>(ms) * 1'000'000);
    for (const auto& [attribute, ignored] : spans->Read().attributes)
      if (attribute.key == kSlowAttribute) return attribute.integer;
    return 0;
  }

 private:
  const TraceRecorder::Options before_;
};

TEST_F(SlowTest, ALimitHoldsForTheRouteAndForTheFirstTextOfAStream) {
  EXPECT_EQ(Slow("POST /a", 1999), 0);
  EXPECT_EQ(Slow("POST /a", 2500), 2500);
  EXPECT_EQ(Slow("POST /quick", 150), 150);
  EXPECT_EQ(Slow("POST /never", 99'000), 0);
  EXPECT_EQ(Slow("POST /a", 99'000, 10, 1900), 0);
  EXPECT_EQ(Slow("POST /a", 99'000, 10, 2100), 2100);
  EXPECT_EQ(Slow("POST /a", 99'000, 2200), 2200);
}

TEST_F(SlowTest, AStormIsCountedNotWritten) {
  int marked = 0;
  for (int i = 0; i < 1000; ++i) marked += Slow("POST /a", 3000) != 0;
  EXPECT_GE(marked, 30);   // other tests may have used some of the second
  EXPECT_LE(marked, 120);  // a second may end meanwhile
}

}  // namespace
}  // namespace tessera
