#include "services/retrieval/collection_index.h"

#include <algorithm>

namespace tessera {

CollectionIndex::CollectionIndex(std::uint32_t dimension, std::uint64_t built_at,
                                 LexicalWeights weights)
    : dimension_(dimension),
      built_at_(built_at),
      lexical_(weights),
      vectors_(dimension),
      slots_(1) {}

std::uint64_t CollectionIndex::RowBytes(std::uint32_t dimension, std::size_t terms) {
  return VectorRows::BytesPerRow(dimension) + terms * 12 + 32;
}

std::uint32_t CollectionIndex::SlotOf(std::int64_t document) {
  const auto [found, added] =
      slot_of_document_.try_emplace(document, static_cast<std::uint32_t>(slots_.size()));
  if (added) slots_.push_back({.document = document});
  return found->second;
}

void CollectionIndex::AddRows(std::int64_t document, std::vector<IndexRow> rows) {
  absl::MutexLock lock(&mutex_);
  const std::uint32_t slot = SlotOf(document);
  for (const IndexRow& row : rows) {
    lexical_.AddRow(slot, row.terms);
    if (dimension_ > 0) vectors_.Add(row.vector);
    chunk_of_row_.push_back(row.chunk);
    slot_of_row_.push_back(slot);
  }
  slots_[slot].rows += static_cast<std::uint32_t>(rows.size());
}

void CollectionIndex::DropRows(std::int64_t document, std::span<const std::int64_t> chunks) {
  absl::MutexLock lock(&mutex_);
  const std::uint32_t slot = SlotOf(document);
  for (std::size_t row = chunk_of_row_.size(); row-- > 0;) {
    if (slot_of_row_[row] != slot) continue;
    if (std::find(chunks.begin(), chunks.end(), chunk_of_row_[row]) == chunks.end()) continue;
    slot_of_row_[row] = 0;
    --slots_[slot].rows;
    ++dead_rows_;
  }
}

void CollectionIndex::Publish(std::int64_t document, std::uint64_t seq, std::string_view title) {
  absl::MutexLock lock(&mutex_);
  const std::uint32_t index = SlotOf(document);
  Slot& slot = slots_[index];
  slot.published = seq;
  if (!std::exchange(slot.titled, true)) lexical_.SetTitle(index, title);
}

void CollectionIndex::Unpublish(std::int64_t document) {
  absl::MutexLock lock(&mutex_);
  slots_[SlotOf(document)].published = kNever;
}

void CollectionIndex::Remove(std::int64_t document, std::uint64_t seq) {
  absl::MutexLock lock(&mutex_);
  Slot& slot = slots_[SlotOf(document)];
  if (slot.removed == kNever) dead_rows_ += slot.rows;
  slot.removed = seq;
}

std::vector<std::int64_t> CollectionIndex::RemoveOthers(
    const std::unordered_set<std::int64_t>& committed, std::uint64_t seq) {
  std::vector<std::int64_t> unpublished;
  absl::MutexLock lock(&mutex_);
  for (const std::int64_t document : committed) {
    const auto slot = slot_of_document_.find(document);
    if (slot == slot_of_document_.end() || slots_[slot->second].published == kNever)
      unpublished.push_back(document);
  }
  for (Slot& slot : slots_) {
    if (slot.published == kNever || slot.removed != kNever) continue;
    if (committed.contains(slot.document)) continue;
    slot.removed = seq;
    dead_rows_ += slot.rows;
  }
  return unpublished;
}

void CollectionIndex::Unremove(std::int64_t document) {
  absl::MutexLock lock(&mutex_);
  Slot& slot = slots_[SlotOf(document)];
  if (slot.removed != kNever) dead_rows_ -= slot.rows;
  slot.removed = kNever;
}

CollectionIndex::Size CollectionIndex::size() const {
  absl::ReaderMutexLock lock(&mutex_);
  return {chunk_of_row_.size(), dead_rows_, graph_rows_,
          (graph_ ? graph_->memory() : 0) + lexical_.memory() + vectors_.memory() +
              chunk_of_row_.capacity() * 12 + slots_.capacity() * (sizeof(Slot) + 48)};
}

std::vector<bool> CollectionIndex::VisibleSlots(std::uint64_t seq, const Question& question) const {
  std::vector<bool> visible(slots_.size());
  for (std::size_t i = 1; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.published > seq || slot.removed <= seq) continue;
    visible[i] = question.documents == nullptr || question.documents->contains(slot.document);
  }
  return visible;
}

std::vector<GraphRow> CollectionIndex::RowsForGraph() const {
  absl::ReaderMutexLock lock(&mutex_);
  std::vector<GraphRow> rows;
  rows.reserve(vectors_.rows());
  for (std::uint32_t row = 0; row < vectors_.rows(); ++row) {
    const Slot& slot = slots_[slot_of_row_[row]];
    if (slot_of_row_[row] == 0 || slot.removed != kNever) continue;
    rows.push_back({chunk_of_row_[row], row, vectors_.BytesAt(row)});
  }
  return rows;
}

void CollectionIndex::SetGraph(std::unique_ptr<VectorGraph> graph, std::uint32_t rows) {
  absl::MutexLock lock(&mutex_);
  graph_ = std::move(graph);
  graph_rows_ = rows;
}

std::vector<Scored> CollectionIndex::Nearest(const VectorRows::Query& query, std::size_t k,
                                             const std::vector<bool>& visible,
                                             bool filtered) const {
  const auto wanted = [&](std::uint32_t row) { return bool{visible[slot_of_row_[row]]}; };
  if (graph_ == nullptr || filtered) return vectors_.Nearest(query, k, wanted);
  std::vector<Scored> nearest = vectors_.Nearest(query, k, wanted, graph_rows_);
  std::vector<Scored> found = graph_->Nearest({query.bytes.data(), query.scale}, 2 * k + 64);
  std::erase_if(found,
                [&](const Scored& one) { return one.row >= graph_rows_ || !wanted(one.row); });
  // Most of its neighbours are gone: rather look at all than miss some.
  if (found.size() < std::min<std::size_t>(k, graph_rows_ / 2))
    return vectors_.Nearest(query, k, wanted);
  for (Scored& one : found) one.score = vectors_.Cosine(query, one.row);
  nearest.insert(nearest.end(), found.begin(), found.end());
  std::sort(nearest.begin(), nearest.end());
  if (nearest.size() > k) nearest.resize(k);
  return nearest;
}

std::vector<Scored> CollectionIndex::BestByWords(const std::vector<float>& scores, std::size_t k,
                                                 const std::vector<bool>& visible) const {
  std::vector<Scored> best;  // a heap whose front is the worst
  best.reserve(k + 1);
  for (std::uint32_t row = 0; row < scores.size(); ++row) {
    const Scored scored{row, scores[row]};
    if (scored.score <= 0 || (best.size() >= k && !(scored < best.front()))) continue;
    if (!visible[slot_of_row_[row]]) continue;
    best.push_back(scored);
    std::push_heap(best.begin(), best.end());
    if (best.size() > k) {
      std::pop_heap(best.begin(), best.end());
      best.pop_back();
    }
  }
  std::sort(best.begin(), best.end());
  return best;
}

std::vector<Candidate> CollectionIndex::Search(std::uint64_t seq, const Question& question) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (chunk_of_row_.empty()) return {};
  const std::vector<bool> visible = VisibleSlots(seq, question);
  const bool has_vector = dimension_ > 0 && question.vector.size() == dimension_;

  static thread_local std::vector<float> scores;  // one number a row: kept between searches
  lexical_.Score(question.terms, scores);
  const float most = lexical_.Most(question.terms);
  std::vector<Scored> words;
  if (question.lexical) words = BestByWords(scores, question.fetch, visible);
  std::vector<Scored> nearest;
  VectorRows::Query query;
  if (has_vector) query = vectors_.Prepare(question.vector);
  if (has_vector && question.semantic) {
    nearest = Nearest(query, question.fetch, visible, question.documents != nullptr);
  }

  std::unordered_set<std::uint32_t> taken;
  std::vector<Candidate> candidates;
  candidates.reserve(words.size() + nearest.size());
  const auto add = [&](std::uint32_t row) {
    if (!taken.insert(row).second) return;
    Candidate& one = candidates.emplace_back();
    one.chunk = chunk_of_row_[row];
    const Slot& slot = slots_[slot_of_row_[row]];
    one.document = slot.document;
    one.alone = slot.rows == 1;
    one.bm25 = scores[row];
    one.coverage = most > 0 ? one.bm25 / most : 0.0f;
    if (has_vector) one.cosine = vectors_.Cosine(query, row);
    if (has_vector && question.with_vectors) {
      const std::span<const Half> halves = vectors_.Row(row);
      one.vector.assign(halves.begin(), halves.end());
    }
  };
  for (const Scored& one : words) add(one.row);
  for (const Scored& one : nearest) add(one.row);
  return candidates;
}

}  // namespace tessera
