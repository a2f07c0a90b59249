#include "store/vector_graph.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

// Its prefetches read one link beyond a list; its kernels are not used here.
#define NO_MANUAL_VECTORIZATION
#include <hnswlib/hnswlib.h>

#include "base/ids.h"
#include "base/str.h"
#include "store/data_folder.h"

namespace tessera {
namespace {

constexpr std::size_t kLinks = 16;
constexpr std::size_t kBuildBreadth = 200;
// Recall@10 of 0.98 on clustered vectors, where 200 gives 0.94 (docs: the bench of retrieval).
constexpr std::size_t kSearchBreadth = 400;

// What hnswlib keeps for an element instead of the numbers themselves.
struct Element {
  const std::int8_t* bytes;
  float scale;
  std::uint32_t row;
};
constexpr std::uint32_t kGone = UINT32_MAX;

float Distance(const void* a, const void* b, const void* dimension) {
  Element left;  // hnswlib does not align its elements
  Element right;
  std::memcpy(&left, a, sizeof left);
  std::memcpy(&right, b, sizeof right);
  const auto size = *static_cast<const std::size_t*>(dimension);
  return 1.0f -
         static_cast<float>(DotBytes(left.bytes, right.bytes, size)) * left.scale * right.scale;
}

class ElementSpace final : public hnswlib::SpaceInterface<float> {
 public:
  explicit ElementSpace(std::size_t dimension) : dimension_(dimension), zero_(dimension) {}
  size_t get_data_size() override { return sizeof(Element); }
  hnswlib::DISTFUNC<float> get_dist_func() override { return Distance; }
  void* get_dist_func_param() override { return &dimension_; }
  Element Zero() const { return {zero_.data(), 0, kGone}; }

 private:
  std::size_t dimension_;
  std::vector<std::int8_t> zero_;  // what elements that are gone point to
};

Result<std::string> SumOf(const std::string& path, std::uint32_t dimension) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(StrCat(path, ": cannot be read"));
  std::uint64_t sum = 0xcbf29ce484222325;
  std::uint64_t size = 0;
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
         file.gcount() > 0) {
    const auto count = static_cast<std::size_t>(file.gcount());
    for (std::size_t i = 0; i < count; i += 8) {  // FNV-1a by words
      std::uint64_t word = 0;
      std::memcpy(&word, buffer.data() + i, std::min<std::size_t>(8, count - i));
      sum = (sum ^ word) * 0x100000001b3;
    }
    size += count;
  }
  return StrCat("graph 1 ", dimension, " ", size, " ", sum, "\n");
}

}  // namespace

struct VectorGraph::Graph {
  explicit Graph(std::uint32_t dimension) : dimension(dimension), space(dimension) {}
  std::uint32_t dimension;
  ElementSpace space;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> links;
};

VectorGraph::VectorGraph(std::unique_ptr<Graph> graph) : graph_(std::move(graph)) {}

VectorGraph::VectorGraph(std::uint32_t dimension, std::size_t capacity)
    : graph_(std::make_unique<Graph>(dimension)) {
  graph_->links = std::make_unique<hnswlib::HierarchicalNSW<float>>(
      &graph_->space, std::max<std::size_t>(1, capacity), kLinks, kBuildBreadth);
  graph_->links->setEf(kSearchBreadth);
}

VectorGraph::~VectorGraph() = default;

bool VectorGraph::Contains(std::int64_t key) const {
  return graph_->links->label_lookup_.contains(static_cast<std::size_t>(key));
}

void VectorGraph::Add(const GraphRow& row) {
  const Element element{row.vector.bytes, row.vector.scale, row.row};
  graph_->links->addPoint(&element, static_cast<std::size_t>(row.key));
}

std::size_t VectorGraph::size() const { return graph_->links->cur_element_count; }

std::uint64_t VectorGraph::memory() const {
  return graph_->links->max_elements_ * (graph_->links->size_data_per_element_ + 64);
}

std::vector<Scored> VectorGraph::Nearest(ByteVector query, std::size_t k) const {
  const Element element{query.bytes, query.scale, kGone};
  const auto& links = *graph_->links;
  auto found = links.searchKnn(&element, k);
  std::vector<Scored> nearest;
  nearest.reserve(found.size());
  for (; !found.empty(); found.pop()) {
    const auto at = links.label_lookup_.find(found.top().second);
    Element one;
    std::memcpy(&one, links.getDataByInternalId(at->second), sizeof one);
    if (one.row != kGone) nearest.push_back({one.row, 1 - found.top().first});
  }
  return nearest;
}

Status VectorGraph::Save(const std::string& path) const {
  // A name of its own: at a handover, two may be at it for a moment.
  const std::string fresh = StrCat(path, ".", NewId("new-"));
  const std::string fresh_sum = fresh + ".sum";
  try {
    graph_->links->saveIndex(fresh);
  } catch (const std::exception& error) {
    return absl::UnavailableError(StrCat("write ", fresh, ": ", error.what()));
  }
  TRY(SyncFile(fresh));
  TRY(const std::string sum, SumOf(fresh, graph_->dimension));
  {
    std::ofstream file(fresh_sum);
    file << sum << std::flush;
    if (!file) return absl::UnavailableError(StrCat("write ", path, ".sum failed"));
  }
  TRY(SyncFile(fresh_sum));
  // Between the two renames they do not fit together, and Load says so.
  if (std::rename(fresh.c_str(), path.c_str()) != 0 ||
      std::rename(fresh_sum.c_str(), (path + ".sum").c_str()) != 0)
    return absl::UnavailableError(StrCat("rename ", fresh, " failed"));
  return SyncFolder(path.substr(0, path.rfind('/')));
}

Result<std::unique_ptr<VectorGraph>> VectorGraph::Load(
    const std::string& path, std::uint32_t dimension, std::size_t capacity,
    const std::function<std::optional<GraphRow>(std::int64_t key)>& find) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::NotFoundError(StrCat(path, ": none"));
  TRY(const std::string sum, SumOf(path, dimension));
  std::ifstream file(path + ".sum");
  const std::string wanted((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
  if (sum != wanted) return absl::DataLossError(StrCat(path, ": differs from its checksum"));

  auto graph = std::make_unique<Graph>(dimension);
  try {
    graph->links =
        std::make_unique<hnswlib::HierarchicalNSW<float>>(&graph->space, path, false, capacity);
  } catch (const std::exception& failure) {
    return absl::DataLossError(StrCat(path, ": ", failure.what()));
  }
  auto& links = *graph->links;
  links.setEf(kSearchBreadth);
  for (unsigned i = 0; i < links.cur_element_count; ++i) {
    const std::optional<GraphRow> row = find(static_cast<std::int64_t>(links.getExternalLabel(i)));
    const Element element =
        row ? Element{row->vector.bytes, row->vector.scale, row->row} : graph->space.Zero();
    std::memcpy(links.getDataByInternalId(i), &element, sizeof element);
    if (!row && !links.isMarkedDeleted(i)) links.markDeletedInternal(i);
  }
  return std::unique_ptr<VectorGraph>(new VectorGraph(std::move(graph)));
}

}  // namespace tessera
