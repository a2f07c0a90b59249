// Graphs of large collections, made in the background and kept in DATA/index. The file is only a
// short cut: what it lacks is added, what it has too much is skipped, and when it is damaged or
// lost the graph is made anew from the vectors.

#include <filesystem>
#include <set>
#include <unordered_map>

#include "base/ids.h"
#include "base/str.h"
#include "services/retrieval/local_retrieval.h"
#include "telemetry/log.h"

namespace tessera {

bool LocalRetrieval::WantsGraph(const CollectionIndex& index) const {
  if (index.dimension() == 0) return false;
  const CollectionIndex::Size size = index.size();
  const std::uint64_t beyond = size.rows - size.graph_rows;
  return beyond > std::max<std::uint64_t>(config_.exact_rows_max, size.graph_rows / 4);
}

void LocalRetrieval::WantGraphs() {
  bool any = false;
  {
    std::lock_guard lock(indexes_mutex_);
    for (const auto& [id, index] : indexes_) any |= WantsGraph(*index);
  }
  if (!any || graphs_coming_.exchange(true)) return;
  if (!background_.Spawn(graph_thread_, GrowGraphsSoon())) graphs_coming_ = false;
}

Task<void> LocalRetrieval::GrowGraphsSoon() {
  const Status grown = GrowGraphs();
  graphs_coming_ = false;
  if (!grown.ok() && !background_.token().cancelled())
    Log(LogLevel::kWarning, "making a graph of vectors failed", {{"why", grown.ToString()}});
  co_return;
}

Status LocalRetrieval::GrowGraphs() { return GrowGraphs(Graphs::kKeep); }

Status LocalRetrieval::GrowGraphs(Graphs how) {
  std::lock_guard growing(growing_mutex_);
  std::vector<std::pair<std::int64_t, IndexPtr>> wanted;
  {
    std::lock_guard lock(indexes_mutex_);
    for (const auto& [id, index] : indexes_)
      if (WantsGraph(*index)) wanted.emplace_back(id, index);
  }
  for (const auto& [id, index] : wanted) TRY(GrowGraph(id, *index, how));
  return absl::OkStatus();
}

// The name holds the embedder: links made for other vectors are of no use.
Result<std::string> LocalRetrieval::GraphPath(std::int64_t collection) {
  TRY(SqliteReaders::Lease db, readers_.Take());
  TRY(SqliteStatement row, db->Prepare("SELECT model, digest FROM collections WHERE id = ?"));
  row.Bind(collection);
  TRY(const bool found, row.Step());
  if (!found) return absl::NotFoundError("the collection is gone");
  TermId embedder = 0;
  ForEachTerm(StrCat(row.Text(0), "_", row.Text(1)),
              [&](TermId id, bool) { embedder = embedder * 31 + id; });
  return data_.Path(StrCat("index/", collection, "-", Hex(embedder), ".graph"));
}

// Graphs of collections and embedders that are no more.
void LocalRetrieval::RemoveStrayGraphs() {
  namespace fs = std::filesystem;
  std::set<std::string> wanted;
  {
    std::lock_guard lock(indexes_mutex_);
    for (const auto& [id, index] : indexes_)
      if (const auto path = GraphPath(id); path.ok()) wanted.insert({*path, *path + ".sum"});
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data_.Path("index"), error))
    if (!wanted.contains(entry.path().string())) fs::remove(entry.path(), error);
}

Status LocalRetrieval::GrowGraph(std::int64_t collection, CollectionIndex& index, Graphs how) {
  const std::vector<GraphRow> rows = index.RowsForGraph();
  if (rows.empty()) return absl::OkStatus();
  std::unordered_map<std::int64_t, const GraphRow*> by_key;
  for (const GraphRow& row : rows) by_key[row.key] = &row;
  const auto find = [&](std::int64_t key) -> std::optional<GraphRow> {
    const auto found = by_key.find(key);
    if (found == by_key.end()) return std::nullopt;
    return *found->second;
  };
  // Room for what the file has and the collection no longer.
  const std::size_t capacity = rows.size() * 5 / 4 + 64;
  TRY(const std::string path, GraphPath(collection));
  auto loaded = VectorGraph::Load(path, index.padded_dimension(), capacity, find);
  if (absl::IsDataLoss(loaded.status())) {
    Log(LogLevel::kWarning, "a graph file is made anew",
        {{"why", loaded.status().ToString()}, {"collection", collection}});
  }
  if (!loaded.ok() && how == Graphs::kLoad) return absl::OkStatus();
  std::unique_ptr<VectorGraph> graph;
  if (loaded.ok() && (*loaded)->size() <= rows.size() + rows.size() / 4) graph = *std::move(loaded);
  if (graph == nullptr) graph = std::make_unique<VectorGraph>(index.padded_dimension(), capacity);

  bool grown = false;
  const CancelToken token = background_.token();
  for (const GraphRow& row : rows) {
    if (graph->Contains(row.key)) continue;
    if (token.cancelled()) return token.status();
    if (how == Graphs::kKeep && !gate_.active()) return absl::OkStatus();
    if (graph->size() >= capacity) break;  // the rest is looked at one by one
    graph->Add(row);
    grown = true;
  }
  if (grown && how == Graphs::kKeep) {
    const Status saved = graph->Save(path);
    if (!saved.ok())
      Log(LogLevel::kWarning, "a graph file could not be kept", {{"why", saved.ToString()}});
  }
  index.SetGraph(std::move(graph), rows.back().row + 1);
  return absl::OkStatus();
}

}  // namespace tessera
