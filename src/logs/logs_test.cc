#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "logs/bulk_format.h"
#include "logs/log_collector.h"
#include "logs/log_message.h"
#include "logs/log_shipper.h"
#include "logs/log_spool.h"
#include "logs/logs_config.h"
#include "telemetry/log_pipeline.h"
#include "telemetry/process_name.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/tessera-logs-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<GatheredLog> Records(std::uint64_t first, std::uint64_t count, std::size_t size = 20) {
  std::vector<GatheredLog> records;
  for (std::uint64_t i = first; i < first + count; ++i) {
    auto record = std::make_shared<v1::LogRecord>();
    record->set_number(i);
    record->set_epoch_us(1'700'000'000'000'000);
    record->set_time_us(1'700'000'000'000'000 + static_cast<std::int64_t>(i));
    record->set_level(v1::LOG_LEVEL_INFO);
    record->set_module("edge");
    record->set_process("root");
    record->set_pid(1);
    record->set_message(std::string(size, 'm'));
    records.push_back(std::move(record));
  }
  return records;
}

std::unique_ptr<LogSpool> OpenSpool(const std::string& folder, std::uint64_t bytes = 1 << 20) {
  auto spool = LogSpool::Open(folder, bytes);
  EXPECT_TRUE(spool.ok()) << spool.status();
  return *std::move(spool);
}

/// Takes all of it, in pieces of so many.
std::vector<v1::LogRecord> Empty(LogSpool& spool, std::size_t piece = 7) {
  std::vector<v1::LogRecord> all;
  while (true) {
    LogSpool::Batch batch = spool.Peek(piece, 1 << 20);
    if (batch.records.empty()) return all;
    all.insert(all.end(), batch.records.begin(), batch.records.end());
    spool.Done(batch);
  }
}

TEST(LogSpoolTest, GivesBackInOrderAcrossRestartsAndOnlyWhatIsNotDone) {
  const Folder folder;
  const std::string path = folder.path() + "/spool";
  {
    const auto spool = OpenSpool(path);
    EXPECT_EQ(spool->Append(Records(1, 100)), 0U);
    spool->Done(spool->Peek(30, 1 << 20));
    EXPECT_EQ(spool->records(), 70U);
    EXPECT_EQ(spool->Peek(5, 1 << 20).records[0].number(), 31U);
  }
  {
    const auto spool = OpenSpool(path);
    EXPECT_EQ(spool->records(), 70U);
    spool->Append(Records(101, 50));
    const auto all = Empty(*spool);
    ASSERT_EQ(all.size(), 120U);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].number(), 31 + i);
    EXPECT_EQ(spool->records(), 0U);
    EXPECT_LT(spool->bytes(), 100U);
  }
  EXPECT_EQ(OpenSpool(path)->records(), 0U);
}

TEST(LogSpoolTest, BeyondItsBoundItDropsCountsAndSaysSoInPlace) {
  const Folder folder;
  const std::string path = folder.path() + "/spool";
  std::uint64_t dropped = 0;
  {
    const auto spool = OpenSpool(path, 200'000);
    for (std::uint64_t i = 0; i < 40; ++i) dropped += spool->Append(Records(1 + i * 100, 100, 100));
    EXPECT_GT(dropped, 1000U);
    EXPECT_EQ(spool->dropped(), dropped);
    EXPECT_LE(spool->bytes(), 200'000U);
  }
  // The count is not lost with the process.
  const auto spool = OpenSpool(path, 200'000);
  const auto all = Empty(*spool);
  EXPECT_EQ(all.size(), 4000 - dropped);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].number(), 1 + i);
  spool->Append(Records(5000, 3));
  const auto later = Empty(*spool);
  ASSERT_EQ(later.size(), 4U);
  EXPECT_EQ(later[0].fields().at("records"), StrCat(dropped));
  EXPECT_EQ(later[1].number(), 5000U);
}

TEST(LogSpoolTest, AFrameThatWasCutByAKillIsGivenUpAndTheRestIsKept) {
  const Folder folder;
  const std::string path = folder.path() + "/spool";
  std::string last;
  {
    const auto spool = OpenSpool(path);
    spool->Append(Records(1, 10));
  }
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    if (entry.path().extension() == ".spool" && entry.file_size() > 0) last = entry.path();
  }
  std::filesystem::resize_file(last, std::filesystem::file_size(last) - 3);
  const auto spool = OpenSpool(path);
  spool->Append(Records(11, 2));
  const auto all = Empty(*spool);
  ASSERT_EQ(all.size(), 11U);
  EXPECT_EQ(all[8].number(), 9U);
  EXPECT_EQ(all[9].number(), 11U);
}

TEST(LogSpoolTest, WhatCameAfterAllWasDoneIsThereAfterARestart) {
  const Folder folder;
  const std::string path = folder.path() + "/spool";
  {
    const auto spool = OpenSpool(path);
    spool->Append(Records(1, 7));
    EXPECT_EQ(Empty(*spool, 100).size(), 7U);
    for (std::uint64_t i = 0; i < 100; ++i) spool->Append(Records(8 + 2 * i, 2));
  }
  const auto spool = OpenSpool(path);
  EXPECT_EQ(spool->records(), 200U);
  const auto all = Empty(*spool, 1000);
  ASSERT_EQ(all.size(), 200U);
  EXPECT_EQ(all[0].number(), 8U);
}

TEST(LogSpoolTest, ALongQueueUsesSegmentsAndTheirRoomComesBack) {
  const Folder folder;
  const auto spool = OpenSpool(folder.path() + "/spool", 400'000);
  std::uint64_t next = 1;
  std::uint64_t wanted = 1;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(spool->Append(Records(next, 200, 200)), 0U);
    next += 200;
    for (const v1::LogRecord& record : Empty(*spool, 64)) EXPECT_EQ(record.number(), wanted++);
  }
  EXPECT_EQ(wanted, next);
}

/// Does as it is told, and remembers what it took.
class ScriptedSink final : public LogSink {
 public:
  using Answer = std::function<Result<Reply>(std::size_t call, const std::vector<v1::LogRecord>&)>;
  struct Taken {
    std::mutex mutex;
    std::vector<std::uint64_t> numbers;
    std::size_t calls = 0;
  };
  ScriptedSink(Answer answer, Taken& taken) : answer_(std::move(answer)), taken_(taken) {}
  std::string_view name() const override { return "scripted"; }
  Task<Result<Reply>> Send(Ctx, std::vector<v1::LogRecord> records) override {
    std::lock_guard lock(taken_.mutex);
    Result<Reply> reply = answer_(taken_.calls++, records);
    if (!reply.ok()) co_return reply.status();
    const std::set<std::size_t> again(reply->again.begin(), reply->again.end());
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (!again.contains(i)) taken_.numbers.push_back(records[i].number());
    }
    co_return reply;
  }

 private:
  const Answer answer_;
  Taken& taken_;
};

LogShipper::Options Quick(std::size_t batch = 10) {
  return {.batch_records = batch,
          .delay = milliseconds(1),
          .retry_min = milliseconds(2),
          .retry_max = milliseconds(10),
          .last_try = milliseconds(200)};
}

TEST(LogShipperTest, ASinkThatFailsGetsAllInOrderOnceItIsBack) {
  const Folder folder;
  ScriptedSink::Taken taken;
  const auto answer = [](std::size_t call, const auto&) -> Result<LogSink::Reply> {
    if (call < 5 || call % 3 == 0) return absl::UnavailableError("away");
    return LogSink::Reply();
  };
  LogShipper shipper(OpenSpool(folder.path()), std::make_unique<ScriptedSink>(answer, taken),
                     Quick());
  for (std::uint64_t i = 0; i < 20; ++i) shipper.Add(Records(1 + i * 10, 10));
  ASSERT_TRUE(shipper.Flush(seconds(30)));
  ASSERT_EQ(taken.numbers.size(), 200U);
  for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(taken.numbers[i], i + 1);
}

TEST(LogShipperTest, OnlyItemsThatFailedAreSentAgainAndRejectedOnesAreCounted) {
  const Folder folder;
  ScriptedSink::Taken taken;
  const auto answer = [](std::size_t call, const auto& records) -> Result<LogSink::Reply> {
    LogSink::Reply reply;
    if (call == 0) {
      EXPECT_EQ(records.size(), 10U);
      reply.again = {2, 5};
      reply.rejected = 1;
      reply.reason = "mapper_parsing_exception";
    } else {
      EXPECT_EQ(records.size(), 2U);
      EXPECT_EQ(records[0].number(), 3U);
      EXPECT_EQ(records[1].number(), 6U);
    }
    return reply;
  };
  Counter& rejected = Metrics::Process().NewCounter("tessera_log_dropped_total", "",
                                                    {{"where", "scripted_rejected"}});
  const std::uint64_t before = rejected.value();
  {
    LogShipper shipper(OpenSpool(folder.path()), std::make_unique<ScriptedSink>(answer, taken),
                       Quick());
    shipper.Add(Records(1, 10));
    ASSERT_TRUE(shipper.Flush(seconds(30)));
  }
  EXPECT_EQ(taken.calls, 2U);
  EXPECT_EQ(rejected.value() - before, 1U);
}

TEST(LogShipperTest, TooMuchAtOnceIsHalvedAndPoisonIsLeftBehind) {
  const Folder folder;
  ScriptedSink::Taken taken;
  const auto answer = [](std::size_t, const auto& records) -> Result<LogSink::Reply> {
    if (records.size() > 3) return absl::OutOfRangeError("413");
    for (const v1::LogRecord& record : records) {
      if (record.number() == 5) return absl::InvalidArgumentError("400");
    }
    return LogSink::Reply();
  };
  LogShipper shipper(OpenSpool(folder.path()), std::make_unique<ScriptedSink>(answer, taken),
                     Quick(16));
  shipper.Add(Records(1, 16));
  ASSERT_TRUE(shipper.Flush(seconds(30)));
  EXPECT_GE(taken.numbers.size(), 13U);
  EXPECT_EQ(taken.numbers.back(), 16U);
}

TEST(LogShipperTest, WhatIsLeftAtTheEndGoesOutWithTheNextProcess) {
  const Folder folder;
  ScriptedSink::Taken taken;
  const auto away = [](std::size_t, const auto&) -> Result<LogSink::Reply> {
    return absl::UnavailableError("away");
  };
  {
    LogShipper shipper(OpenSpool(folder.path()), std::make_unique<ScriptedSink>(away, taken),
                       Quick());
    shipper.Add(Records(1, 30));
  }
  EXPECT_TRUE(taken.numbers.empty());
  const auto well = [](std::size_t, const auto&) -> Result<LogSink::Reply> {
    return LogSink::Reply();
  };
  LogShipper shipper(OpenSpool(folder.path()), std::make_unique<ScriptedSink>(well, taken),
                     Quick());
  ASSERT_TRUE(shipper.Flush(seconds(30)));
  EXPECT_EQ(taken.numbers.size(), 30U);
}

TEST(BulkFormatTest, EachItemHasItsOwnIdAndItsReplyIsReadByItem) {
  std::vector<v1::LogRecord> records;
  for (const GatheredLog& record : Records(1, 4)) records.push_back(*record);
  const std::string body = BulkRequest(records, "tessera", "1");
  EXPECT_EQ(std::count(body.begin(), body.end(), '\n'), 8);
  EXPECT_TRUE(body.starts_with(StrCat(R"({"create":{"_id":")", IdOf(records[0]), "\"}}\n{")));
  const auto reply = ReadBulkReply(
      R"({"errors":true,"items":[{"create":{"status":201}},{"create":{"status":409}},)"
      R"({"create":{"status":429,"error":{"type":"es_rejected_execution_exception"}}},)"
      R"({"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"no"}}}]})",
      4);
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->again, std::vector<std::size_t>{2});
  EXPECT_EQ(reply->rejected, 1U);
  for (const std::string_view garbage :
       {"", "hello", "{}", "[]", R"({"items":[]})", R"({"items":[1,2,3,4]})",
        R"({"items":[{"create":{}},{},{},{}]})"})
    EXPECT_FALSE(ReadBulkReply(std::string(garbage), 4).ok()) << garbage;
}

TEST(LogStoreTest, FindsByLevelModuleTraceTextAndSequence) {
  LogStore store(1 << 20);
  std::vector<v1::LogRecord> records(4);
  records[0].set_level(v1::LOG_LEVEL_DEBUG);
  records[1].set_level(v1::LOG_LEVEL_ERROR);
  records[1].set_module("services/retrieval");
  records[2].set_trace_id("4bf92f3577b34da6a3ce929d0e0e4736");
  records[2].set_level(v1::LOG_LEVEL_INFO);
  (*records[3].mutable_fields())["file"] = "Contract.PDF";
  records[3].set_level(v1::LOG_LEVEL_INFO);
  store.Add(records);
  const auto found = [&store](const auto& set) {
    v1::ListLogsRequest request;
    set(request);
    std::string numbers;
    const v1::ListLogsReply reply = store.List(request);
    for (const v1::LogRecord& record : reply.records()) StrAppend(&numbers, record.sequence());
    return numbers;
  };
  EXPECT_EQ(found([](auto&) {}), "1234");
  EXPECT_EQ(found([](auto& r) { r.set_level(v1::LOG_LEVEL_INFO); }), "234");
  EXPECT_EQ(found([](auto& r) { r.set_module("services"); }), "2");
  EXPECT_EQ(found([](auto& r) { r.set_module("serv"); }), "");
  EXPECT_EQ(found([](auto& r) { r.set_trace("4BF92F3577B34DA6A3CE929D0E0E4736"); }), "3");
  EXPECT_EQ(found([](auto& r) { r.set_text("contract"); }), "4");
  EXPECT_EQ(found([](auto& r) { r.set_after(2); }), "34");
  EXPECT_EQ(found([](auto& r) { r.set_limit(1); }), "4");
  EXPECT_EQ(found([](auto& r) {
              r.set_after(1);
              r.set_limit(2);
            }),
            "23");
}

Task<std::vector<TakenLogs>> AnswerAsChild(TakeLogsQuestion ask, std::mutex* mutex,
                                           LogLevels* levels) {
  const v1::TakeLogsRequest request = ask(42);
  {
    std::lock_guard lock(*mutex);
    *levels = FromMessage(request.levels());
  }
  std::vector<TakenLogs> all(1);
  all[0].name = "child-0";
  all[0].pid = 42;
  for (std::uint64_t i = request.after() + 1; i <= 3; ++i) {
    v1::LogRecord& record = *all[0].reply.add_records();
    record.set_number(i);
    record.set_message(StrCat(i));
  }
  co_return all;
}

TEST(LogCollectorTest, GathersItsOwnAndOthersOnceAndPushesLevels) {
  LogPipeline::Options options;
  options.fd = -1;
  SetProcessName({.group = "front", .process = "front"});
  LogPipeline::Process().Start(options);
  std::mutex mutex;
  LogLevels pushed;
  std::vector<std::string> messages;
  LogCollector::Parts parts;
  parts.sink = [&](const std::vector<GatheredLog>& records) {
    std::lock_guard lock(mutex);
    for (const GatheredLog& record : records)
      messages.push_back(StrCat(record->process(), ":", record->message()));
  };
  {
    LogCollector collector(std::move(parts));
    const auto others = [&](Ctx, TakeLogsQuestion question) {
      return AnswerAsChild(std::move(question), &mutex, &pushed);
    };
    collector.SetOthers(others);
    collector.SetLevel("edge", LogLevel::kDebug);
    Log(LogLevel::kWarning, "own");
    collector.Flush(seconds(10));
    collector.Flush(seconds(10));
    {
      std::lock_guard lock(mutex);
      EXPECT_EQ(pushed.modules["edge"], LogLevel::kDebug);
      EXPECT_EQ(CurrentLogLevels().modules["edge"], LogLevel::kDebug);
      for (const char* const wanted : {"front:own", "child-0:1", "child-0:2", "child-0:3"})
        EXPECT_EQ(std::count(messages.begin(), messages.end(), wanted), 1) << wanted;
    }
    collector.SetOthers({});
  }
  LogPipeline::Process().Stop();
  SetLogLevels({});
}

}  // namespace
}  // namespace tessera
