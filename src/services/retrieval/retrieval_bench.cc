// Search and start-up on made data: passages whose words follow Zipf's law and whose vectors lie in
// clusters (uniform random vectors would say nothing about recall). Figures of the real manual come
// from tests/quality.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <random>

#include "base/json_writer.h"
#include "base/str.h"
#include "services/retrieval/local_retrieval.h"
#include "store/test_folder.h"

namespace tessera {
namespace {

constexpr std::uint32_t kDimension = 384;
constexpr int kClusters = 200;
constexpr int kWords = 30'000;
constexpr int kChunksADocument = 10;

class Made {
 public:
  Made() : random_(42) {
    for (auto& centre : centres_) centre = Normal(1.0f);
    double total = 0;
    for (int i = 0; i < kWords; ++i) cumulative_.push_back(total += 1.0 / (i + 10));
  }
  std::vector<float> Vector() {
    std::vector<float> vector = centres_[random_() % kClusters];
    const std::vector<float> noise = Normal(0.7f);
    for (std::uint32_t i = 0; i < kDimension; ++i) vector[i] += noise[i];
    return vector;
  }
  std::string Text(int words) {
    std::string text;
    for (int i = 0; i < words; ++i) StrAppend(&text, i > 0 ? " " : "", "word", Word(), "q");
    return text;
  }

 private:
  std::vector<float> Normal(float deviation) {
    std::normal_distribution<float> normal(0, deviation);
    std::vector<float> vector(kDimension);
    for (float& value : vector) value = normal(random_);
    return vector;
  }
  int Word() {
    const double at = std::uniform_real_distribution<>(0, cumulative_.back())(random_);
    return static_cast<int>(std::lower_bound(cumulative_.begin(), cumulative_.end(), at) -
                            cumulative_.begin());
  }

  std::mt19937 random_;
  std::vector<float> centres_[kClusters];
  std::vector<double> cumulative_;
};

void Figure(const std::string& name, double value, const char* unit, double baseline, double ratio,
            const char* goal, bool met, const std::string& how) {
  JsonWriter json;
  json.BeginObject().Field("name", name).Field("value", value).Field("unit", unit);
  if (baseline > 0)
    json.Field("baseline", baseline).Field("ratio", ratio);
  else
    json.Key("baseline").Null().Key("ratio").Null();
  json.Field("goal", goal).Field("met", met).Field("how", how).EndObject();
  std::printf("%s\n", json.Take().c_str());
  std::fflush(stdout);
}

double Millis(SteadyTime since) {
  return std::chrono::duration<double, std::milli>(Now() - since).count();
}

double Quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(q * static_cast<double>(values.size())))];
}

template <class T>
T Must(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::exit(1);
  }
  return *std::move(result);
}

void AddDocument(LocalRetrieval& retrieval, Made& made, int number,
                 std::vector<std::vector<float>>& vectors) {
  v1::BeginDocumentRequest begin;
  begin.mutable_document()->set_collection("bench");
  begin.mutable_document()->set_name(StrCat("document-", number));
  begin.mutable_document()->set_title(made.Text(4));
  v1::AppendChunksRequest append;
  append.set_id(Must(SyncWait(retrieval.BeginDocument(Ctx(), begin))).id());
  for (std::uint32_t i = 0; i < kChunksADocument; ++i) {
    v1::Chunk& chunk = *append.add_chunks();
    chunk.set_ordinal(i);
    chunk.set_text(made.Text(120));
    vectors.push_back(made.Vector());
    chunk.mutable_vector()->Add(vectors.back().begin(), vectors.back().end());
  }
  Must(SyncWait(retrieval.AppendChunks(Ctx(), append)));
  v1::CommitDocumentRequest commit;
  commit.set_id(append.id());
  Must(SyncWait(retrieval.CommitDocument(Ctx(), commit)));
}

v1::SearchRequest Query(Made& made, v1::SearchMode mode) {
  v1::SearchRequest request;
  request.set_collection("bench");
  request.set_mode(mode);
  request.set_query(made.Text(7));
  const std::vector<float> vector = made.Vector();
  request.mutable_vector()->Add(vector.begin(), vector.end());
  return request;
}

// How many of the ten nearest by 32-bit brute force a vector search finds.
double Recall(LocalRetrieval& retrieval, Made& made,
              const std::vector<std::vector<float>>& vectors) {
  int found = 0;
  constexpr int kQueries = 100;
  for (int query = 0; query < kQueries; ++query) {
    const v1::SearchRequest request = Query(made, v1::SEARCH_MODE_VECTOR);
    std::vector<std::pair<double, std::size_t>> exact;
    for (std::size_t i = 0; i < vectors.size(); ++i) {
      double dot = 0;
      double square = 0;
      for (std::uint32_t d = 0; d < kDimension; ++d) {
        dot += static_cast<double>(vectors[i][d]) * request.vector(static_cast<int>(d));
        square += static_cast<double>(vectors[i][d]) * vectors[i][d];
      }
      exact.emplace_back(-dot / std::sqrt(square), i);
    }
    std::partial_sort(exact.begin(), exact.begin() + 10, exact.end());
    const auto reply = Must(SyncWait(retrieval.Search(Ctx(), request)));
    for (int i = 0; i < 10; ++i) {
      const std::size_t row = exact[static_cast<std::size_t>(i)].second;
      for (const v1::Hit& hit : reply.hits())
        found += hit.document().name() == StrCat("document-", row / kChunksADocument) &&
                 hit.chunk().ordinal() == row % kChunksADocument;
    }
  }
  return found / (10.0 * kQueries);
}

void BenchSearch(LocalRetrieval& retrieval, Made& made, std::size_t chunks) {
  const std::string size = StrCat(chunks / 1000, "k passages");
  for (const auto& [mode, name] :
       {std::pair(v1::SEARCH_MODE_HYBRID, "hybrid"), std::pair(v1::SEARCH_MODE_BM25, "words"),
        std::pair(v1::SEARCH_MODE_VECTOR, "vector")}) {
    std::vector<double> times;
    for (int i = 0; i < 520; ++i) {
      const v1::SearchRequest request = Query(made, mode);
      const SteadyTime start = Now();
      Must(SyncWait(retrieval.Search(Ctx(), request)));
      if (i >= 20) times.push_back(Millis(start));
    }
    double total = 0;
    for (const double time : times) total += time;
    const double p50 = Quantile(times, 0.5);
    const double p99 = Quantile(times, 0.99);
    const std::string how = StrCat(size, " of 120 words, 384 numbers, 7-word queries, one client");
    Figure(StrCat("search ", name, " p50, ", size), p50, "ms", 0, 0, "<= 5", p50 <= 5, how);
    Figure(StrCat("search ", name, " p99, ", size), p99, "ms", 0, 0, "<= 25", p99 <= 25, how);
    Figure(StrCat("search ", name, " rate, ", size),
           1000.0 * static_cast<double>(times.size()) / total, "queries/s", 0, 0, "", true, how);
  }
}

// From the Yield of the one that writes to the Activate of the next, with some documents changed
// since that was opened. Gives back the one that writes at the end.
std::unique_ptr<LocalRetrieval> BenchHandover(std::unique_ptr<LocalRetrieval> active,
                                              const DataFolder& data, ThreadPool& pool, Made& made,
                                              const std::string& size) {
  constexpr int kRounds = 21;
  constexpr int kChanged = 5;
  std::vector<double> times;
  std::vector<double> opens;
  std::vector<std::vector<float>> ignored;
  for (int round = 0; round < kRounds; ++round) {
    const SteadyTime open = Now();
    auto next = Must(LocalRetrieval::OpenStandby({}, data, pool));
    opens.push_back(Millis(open));
    for (int i = 0; i < kChanged; ++i) AddDocument(*active, made, i, ignored);
    const SteadyTime start = Now();
    const Status yielded = SyncWait(active->Yield(Ctx()));
    const Status activated = SyncWait(next->Activate(Ctx()));
    times.push_back(Millis(start));
    if (!yielded.ok() || !activated.ok()) std::exit(1);
    (void)SyncWait(active->Stop(Ctx()));
    active = std::move(next);
  }
  const double p50 = Quantile(times, 0.5);
  const double most = Quantile(times, 1);
  const std::string how = StrCat(
      "both in one process; 5 documents of 10 passages replaced since "
      "the successor was opened; ",
      kRounds, " handovers");
  Figure(StrCat("handover p50, ", size), p50, "ms", 0, 0, "<= 50", p50 <= 50, how);
  Figure(StrCat("handover most, ", size), most, "ms", 0, 0, "<= 50", most <= 50, how);
  Figure(StrCat("standby opened p50, ", size), Quantile(opens, 0.5), "ms", 0, 0, "", true, how);
  return active;
}

void Run(int documents) {
  TestFolder folder;
  const DataFolder data = Must(DataFolder::Open(folder.Path("data")));
  ThreadPool pool("blocking", 2);
  auto retrieval = Must(LocalRetrieval::Open({}, data, pool));
  v1::CreateCollectionRequest create;
  create.set_name("bench");
  create.mutable_embedder()->set_dimension(kDimension);
  Must(SyncWait(retrieval->CreateCollection(Ctx(), create)));
  Made made;
  std::vector<std::vector<float>> vectors;
  const SteadyTime start = Now();
  for (int i = 0; i < documents; ++i) AddDocument(*retrieval, made, i, vectors);
  const double seconds = Millis(start) / 1000;
  const std::string size = StrCat(vectors.size() / 1000, "k passages");
  Figure(StrCat("store rate, ", size), static_cast<double>(vectors.size()) / seconds, "passages/s",
         0, 0, ">= 200", static_cast<double>(vectors.size()) / seconds >= 200,
         "documents of 10 passages, each committed with fsync, one writer");
  BenchSearch(*retrieval, made, vectors.size());
  const double recall = Recall(*retrieval, made, vectors);
  Figure(StrCat("vector recall@10, ", size), recall, "", 1, recall, ">= 0.95", recall >= 0.95,
         "against brute force in double precision, 100 queries, clustered vectors");
  retrieval = BenchHandover(std::move(retrieval), data, pool, made, size);
  (void)SyncWait(retrieval->Stop(Ctx()));
  retrieval.reset();
  const SteadyTime reopen = Now();
  retrieval = Must(LocalRetrieval::Open({}, data, pool));
  const double opened = Millis(reopen);
  Figure(StrCat("open, ", size), opened, "ms", 0, 0, "<= 2000", opened <= 2000,
         "database opened and the index made from it");
  (void)SyncWait(retrieval->Stop(Ctx()));
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc > 1) {
    tessera::Run(std::atoi(argv[1]) / 10);
    return 0;
  }
  tessera::Run(1'200);
  tessera::Run(10'000);
}
