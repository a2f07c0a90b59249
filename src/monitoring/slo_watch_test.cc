#include "monitoring/slo_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"
#include "store/test_folder.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr std::int64_t kStart = std::int64_t{1'700'000'000} * 1'000;

SloConfig OneHour() {
  return {.objectives =
              {{.name = "a", .target = 99, .window = std::chrono::hours(1), .routes = {"/x"}}},
          .resolve_after = std::chrono::seconds(20)};
}

// A platform of one process with a counter of requests.
class SloWatchTest : public testing::Test {
 protected:
  std::unique_ptr<SloWatch> Watch(const SloConfig& config = OneHour()) {
    auto store = SloStore::Open(folder_.path() + "/slos.db");
    EXPECT_TRUE(store.ok()) << store.status();
    return std::make_unique<SloWatch>(SloWatch::Parts{
        .config = config,
        .store = *std::move(store),
        .in_charge = [this] { return in_charge_; },
        .tell = [this](const AlertRecord& alert,
                       bool fresh) { (fresh ? told_ : goes_on_).push_back(alert); }});
  }
  void Read(SloWatch& watch) {
    const std::string text = StrCat(
        "# TYPE process_start_time_seconds gauge\n"
        "process_start_time_seconds{group=\"g\",instance=\"p\"} ",
        MetricNumber(static_cast<double>(started_ms_) / 1000),
        "\n# TYPE tessera_http_requests_total counter\n"
        "tessera_http_requests_total{group=\"g\",instance=\"p\",route=\"/x\",status=\"2xx\"} ",
        good_,
        "\ntessera_http_requests_total{group=\"g\",instance=\"p\",route=\"/x\",status=\"5xx\"} ",
        failed_, "\n");
    watch.Take(now_ms_, now_ms_ - kStart, ReadExposition(text));
  }
  void Run(SloWatch& watch, int readings, int good, int failed) {
    for (int i = 0; i < readings; ++i) {
      now_ms_ += 5'000;
      good_ += good;
      failed_ += failed;
      Read(watch);
    }
  }

  const TestFolder folder_;
  bool in_charge_ = true;
  std::vector<AlertRecord> told_;
  std::vector<AlertRecord> goes_on_;
  std::int64_t now_ms_ = kStart;
  std::int64_t started_ms_ = kStart - 1'000;
  int good_ = 0;
  int failed_ = 0;
};

TEST_F(SloWatchTest, AnAlertFiresAndEnds) {
  const auto watch = Watch();
  EXPECT_EQ(watch->Get("a")->state(), v1::SLO_STATE_NOT_ENOUGH_DATA);
  Run(*watch, 60, 100, 0);
  EXPECT_EQ(watch->Get("a")->state(), v1::SLO_STATE_MET);
  EXPECT_THAT(told_, SizeIs(0));
  Run(*watch, 6, 50, 50);
  ASSERT_THAT(told_, SizeIs(2));  // a page and a ticket
  EXPECT_EQ(told_[0].severity, AlertSeverity::kPage);
  EXPECT_THAT(told_[0].text, HasSubstr("requests failed in 1m"));
  EXPECT_THAT(watch->Firing(), SizeIs(2));
  v1::Slo slo = *watch->Get("a");
  EXPECT_EQ(slo.state(), v1::SLO_STATE_MISSED);  // 300 of 6,600 failed, 66 may
  EXPECT_EQ(slo.total(), 6'600);
  EXPECT_EQ(slo.good(), 6'300);
  EXPECT_NEAR(slo.budget_left(), 1 - 300.0 / 66, 1e-9);
  EXPECT_NEAR(slo.points(slo.points_size() - 1).budget_left(), slo.budget_left(), 1e-9);
  EXPECT_NEAR(slo.points(0).budget_left(), 1, 1e-9);
  std::string figures;
  watch->AppendFigures(figures);
  EXPECT_THAT(figures,
              HasSubstr("tessera_alert_firing{alert=\"SloBurn\",slo=\"a\",severity=\"page\"} 1"));
  EXPECT_THAT(figures, HasSubstr("tessera_slo_events{slo=\"a\",result=\"failed\"} 300"));
  // The short windows forget within 10 s; the alerts end 20 s after that.
  Run(*watch, 40, 100, 0);
  ASSERT_THAT(told_, SizeIs(4));
  EXPECT_EQ(told_[2].id, told_[0].id);
  EXPECT_GT(told_[2].until_ms, told_[2].since_ms);
  EXPECT_THAT(watch->Firing(), SizeIs(0));
  v1::ListAlertsRequest firing;
  firing.set_firing(true);
  EXPECT_EQ(watch->Alerts(firing).alerts_size(), 0);
  EXPECT_EQ(watch->Alerts({}).alerts_size(), 2);
  EXPECT_EQ(watch->Get("b").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SloWatchTest, GoesOnAfterARestart) {
  auto watch = Watch();
  Run(*watch, 60, 100, 0);
  Run(*watch, 6, 50, 50);
  const v1::Slo before = *watch->Get("a");
  watch.reset();
  good_ = failed_ = 0;
  now_ms_ += 60'000;
  started_ms_ = now_ms_ - 2'000;
  watch = Watch();
  told_.clear();
  Run(*watch, 1, 10, 0);
  const v1::Slo after = *watch->Get("a");
  EXPECT_EQ(after.total(), before.total() + 10);
  EXPECT_EQ(after.good(), before.good() + 10);
  EXPECT_THAT(watch->Firing(), SizeIs(2));
  EXPECT_THAT(goes_on_, SizeIs(2));
  EXPECT_THAT(told_, SizeIs(0));
  Run(*watch, 5, 10, 0);
  EXPECT_THAT(told_, SizeIs(2));
  EXPECT_THAT(watch->Firing(), SizeIs(0));
}

TEST_F(SloWatchTest, ASuccessorGoesOnAndThePredecessorIsSilent) {
  const auto old = Watch();
  Run(*old, 10, 100, 1);
  const auto fresh = Watch();
  Run(*fresh, 1, 100, 1);  // its first reading claims the file
  EXPECT_EQ(fresh->List().slos(0).total(), 11 * 101);
  Run(*old, 1, 100, 1);
  Run(*old, 1, 100, 1);
  Run(*fresh, 1, 100, 1);
  EXPECT_EQ(fresh->List().slos(0).total(), 14 * 101);
  in_charge_ = false;
  Run(*old, 1, 100, 1);
  std::string figures;
  old->AppendFigures(figures);
  EXPECT_EQ(figures, "");
}

TEST_F(SloWatchTest, WhatCountsSomethingElseBeginsAnew) {
  auto watch = Watch();
  Run(*watch, 10, 100, 0);
  watch.reset();
  SloConfig config = OneHour();
  config.objectives[0].target = 90;  // counts the same
  watch = Watch(config);
  Run(*watch, 1, 0, 0);
  EXPECT_EQ(watch->Get("a")->total(), 1'000);
  watch.reset();
  config.objectives[0].routes = {"/x", "/y"};
  watch = Watch(config);
  Run(*watch, 1, 0, 0);
  EXPECT_EQ(watch->Get("a")->total(), 0);
}

TEST_F(SloWatchTest, ADamagedFileIsBegunAnew) {
  auto watch = Watch();
  Run(*watch, 3, 100, 0);
  watch.reset();
  std::FILE* const file = std::fopen((folder_.path() + "/slos.db").c_str(), "wb");
  std::fputs("no database at all, but long enough to be looked at as one", file);
  std::fclose(file);
  std::remove((folder_.path() + "/slos.db-wal").c_str());
  watch = Watch();
  Run(*watch, 2, 100, 0);
  EXPECT_EQ(watch->Get("a")->total(), 500);  // all of a process that is so young
}

}  // namespace
}  // namespace tessera
