#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ids.h"
#include "base/str.h"
#include "store/test_folder.h"
#include "traces/local_traces.h"
#include "traces/trace_tree.h"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kNowMs = 1'700'000'000'000;

v1::SpanFragment Fragment(std::uint64_t id, bool root, const std::string& reason = "recent") {
  v1::SpanFragment fragment;
  fragment.set_trace_id(StrCat(Hex(7), Hex(id)));
  fragment.set_root(root);
  fragment.set_reason(root ? reason : "");
  fragment.set_group(root ? "root" : "models");
  fragment.set_process(root ? "root" : "models-0");
  v1::Span& span = *fragment.add_spans();
  span.set_id(Hex(id * 10 + (root ? 1 : 2)));
  if (!root) span.set_parent_id(Hex(id * 10 + 1));
  span.set_name(root ? "POST /v1/chat/completions" : "tessera.v1.Inference/Generate");
  span.set_start_us(kNowMs * 1000 + static_cast<std::int64_t>(id));
  span.set_duration_ns(5'000'000);
  span.set_error(reason == "error");
  if (root) {
    v1::SpanAttribute& request = *span.add_attributes();
    request.set_key("tessera.request_id");
    request.set_text(StrCat("request-", id));
    v1::SpanAttribute& status = *span.add_attributes();
    status.set_key("http.response.status_code");
    status.set_integer(reason == "error" ? 503 : 200);
  }
  return fragment;
}

class TraceStoreTest : public testing::Test {
 protected:
  std::unique_ptr<TraceStore> Open(TraceStore::Limits limits) {
    auto store = TraceStore::Open(path_, limits);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  TestFolder folder_;
  const std::string path_ = folder_.path() + "/traces.db";
};

TEST_F(TraceStoreTest, PartsOfOneTraceAreFoundTogetherByEitherId) {
  const auto store = Open({});
  // The part of another process comes first: its call ended first.
  ASSERT_TRUE(store->Write({Fragment(1, false)}, kNowMs).ok());
  ASSERT_TRUE(store->Write({Fragment(1, true)}, kNowMs).ok());
  const auto trace = store->Get(StrCat(Hex(7), Hex(1)));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->request_id(), "request-1");
  EXPECT_EQ(trace->route(), "POST /v1/chat/completions");
  EXPECT_EQ(trace->http_status(), 200);
  ASSERT_EQ(trace->spans_size(), 2);
  EXPECT_EQ(trace->spans(1).parent_id() == trace->spans(0).id() ||
                trace->spans(0).parent_id() == trace->spans(1).id(),
            true);
  EXPECT_EQ(trace->processes_size(), 2);
  EXPECT_EQ(store->Get("request-1")->trace_id(), trace->trace_id());
  EXPECT_TRUE(absl::IsNotFound(store->Get("request-2").status()));
  const std::string tree = TraceTree(*trace, true);
  EXPECT_THAT(tree, HasSubstr("└ tessera.v1.Inference/Generate  [models-0]")) << tree;
}

TEST_F(TraceStoreTest, IsSearchedByWhatATraceSays) {
  const auto store = Open({});
  ASSERT_TRUE(
      store->Write({Fragment(1, true), Fragment(2, true, "error"), Fragment(2, false)}, kNowMs)
          .ok());
  const auto count = [&](const v1::ListTracesRequest& request) {
    const auto reply = store->List(request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? reply->traces_size() : -1;
  };
  v1::ListTracesRequest request;
  EXPECT_EQ(count(request), 2);
  request.set_error(true);
  EXPECT_EQ(count(request), 1);
  request.Clear();
  request.set_http_status(5);
  EXPECT_EQ(count(request), 1);
  request.set_http_status(404);
  EXPECT_EQ(count(request), 0);
  request.Clear();
  request.set_route("chat/comp");
  EXPECT_EQ(count(request), 2);
  request.set_route("%");
  EXPECT_EQ(count(request), 0);
  request.Clear();
  request.set_text("inference generate");
  EXPECT_EQ(count(request), 1);
  request.set_text("\"OR NEAR( *");
  EXPECT_EQ(count(request), 0);
  request.Clear();
  request.set_duration_ms_min(6);
  EXPECT_EQ(count(request), 0);
  request.Clear();
  request.set_since_ms(kNowMs + 1);
  EXPECT_EQ(count(request), 0);
  request.Clear();
  request.set_limit(1);
  EXPECT_EQ(count(request), 1);
}

TEST_F(TraceStoreTest, StaysWithinItsSizeAndKeepsFailedOnesLonger) {
  const auto store = Open({.bytes_max = 400'000, .error_part = 0.25});
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    ASSERT_TRUE(store->Write({Fragment(i, true, i % 50 == 0 ? "error" : "recent")}, kNowMs).ok());
    ASSERT_LE(store->bytes(), 400'000u);
  }
  EXPECT_GT(store->evicted(), 1000u);
  EXPECT_TRUE(store->Get("request-3000").ok());
  EXPECT_TRUE(store->Get("request-50").ok());  // it failed
  EXPECT_FALSE(store->Get("request-51").ok());
  v1::ListTracesRequest old;
  old.set_limit(1000);
  EXPECT_GT(store->List(old)->traces_size(), 100);
  EXPECT_LT(std::filesystem::file_size(path_), 4'000'000u);
}

TEST_F(TraceStoreTest, ForgetsWhatIsTooOldAndBeginsADamagedFileAnew) {
  {
    const auto store = Open({.age_max_s = 3600});
    ASSERT_TRUE(store->Write({Fragment(1, true)}, kNowMs).ok());
    EXPECT_TRUE(store->Get("request-1").ok());
    ASSERT_TRUE(store->Write({}, kNowMs + 3700 * 1000).ok());
    EXPECT_FALSE(store->Get("request-1").ok());
  }
  std::filesystem::resize_file(path_, 0);
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
  FILE* const file = std::fopen(path_.c_str(), "w");
  std::fputs("this is no database, though it is long enough to be looked at as one", file);
  std::fclose(file);
  EXPECT_TRUE(Open({})->Write({Fragment(1, true)}, kNowMs).ok());
}

TEST(TraceAdmissionTest, AllPartsOfATraceOrNone) {
  TraceAdmission admission({.sampled = 1, .errors = 1, .others = 1});
  const SteadyTime now = Now();
  EXPECT_TRUE(admission.Add(Fragment(1, false), now).empty());  // waits for its beginning
  EXPECT_EQ(admission.Add(Fragment(1, true, "sampled"), now).size(), 2u);
  EXPECT_EQ(admission.Add(Fragment(1, false), now).size(), 1u);
  EXPECT_TRUE(admission.Add(Fragment(2, false), now).empty());
  EXPECT_TRUE(admission.Add(Fragment(2, true, "sampled"), now).empty());  // the quota is used up
  EXPECT_TRUE(admission.Add(Fragment(2, false), now).empty());
  EXPECT_EQ(admission.Add(Fragment(3, true, "error"), now).size(), 1u);  // has its own
  EXPECT_EQ(admission.Add(Fragment(4, true, "sampled"), now + std::chrono::seconds(2)).size(), 1u);
  EXPECT_TRUE(admission.Add(Fragment(5, false), now).empty());
  EXPECT_TRUE(admission.Late(now + std::chrono::seconds(60)).empty());
  EXPECT_EQ(admission.Late(now + std::chrono::minutes(3)).size(), 1u);
}

TEST(FragmentTest, SaysThingsByOpenTelemetrysNames) {
  const auto spans = TraceSpans::Make({.high = 1, .low = 2, .sampled = true}, false);
  spans->Begin("POST /v1/chat/completions", SpanKind::kServer, 7);
  const std::uint32_t call =
      spans->Begin("tessera.v1.Inference.Embed", SpanKind::kClient, spans->IdOf(0));
  spans->Set(call, "server.address", "unix:/x");
  spans->End(call, absl::StatusCode::kUnavailable);
  const v1::SpanFragment fragment = ToFragment(*spans, TraceReason::kSampled);
  ASSERT_EQ(fragment.spans_size(), 2);
  EXPECT_EQ(fragment.trace_id(), "00000000000000010000000000000002");
  EXPECT_EQ(fragment.spans(0).parent_id(), Hex(7));
  EXPECT_TRUE(fragment.spans(0).unfinished());
  EXPECT_EQ(FindAttribute(fragment.spans(0), "http.route")->text(), "/v1/chat/completions");
  EXPECT_EQ(FindAttribute(fragment.spans(0), "http.request.method")->text(), "POST");
  EXPECT_EQ(fragment.spans(1).name(), "tessera.v1.Inference/Embed");
  EXPECT_EQ(fragment.spans(1).parent_id(), fragment.spans(0).id());
  EXPECT_EQ(FindAttribute(fragment.spans(1), "rpc.service")->text(), "tessera.v1.Inference");
  EXPECT_EQ(FindAttribute(fragment.spans(1), "rpc.grpc.status_code")->integer(), 14);
  EXPECT_EQ(fragment.spans(1).status(), "UNAVAILABLE");
  EXPECT_TRUE(fragment.spans(1).error());
  EXPECT_EQ(ParseTraceId(fragment.trace_id())->low, 2u);
}

}  // namespace
}  // namespace tessera
