#include "store/lexical_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace tessera {
namespace {

constexpr std::size_t kEntryBytes = 6;
constexpr std::size_t kHeaderBytes = 4;

template <class T>
T Clamped(std::size_t value) {
  return static_cast<T>(std::min<std::size_t>(value, std::numeric_limits<T>::max()));
}

float Idf(double documents, double with) {
  return static_cast<float>(std::log1p((documents - with + 0.5) / (with + 0.5)));
}

}  // namespace

TermCounts TermCounts::Of(std::string_view body, std::string_view heading) {
  struct Seen {
    TermId term;
    bool in_heading;
  };
  std::vector<Seen> seen;
  std::size_t body_length = 0;
  std::size_t heading_length = 0;
  ForEachTerm(body, [&](TermId term, bool compound) {
    seen.push_back({term, false});
    if (!compound) ++body_length;
  });
  ForEachTerm(heading, [&](TermId term, bool compound) {
    seen.push_back({term, true});
    if (!compound) ++heading_length;
  });
  std::sort(seen.begin(), seen.end(), [](Seen a, Seen b) { return a.term < b.term; });

  TermCounts counts;
  counts.body_length = Clamped<std::uint16_t>(body_length);
  counts.heading_length = Clamped<std::uint16_t>(heading_length);
  for (const Seen& one : seen) {
    if (counts.entries.empty() || counts.entries.back().term != one.term)
      counts.entries.push_back({one.term, 0, 0});
    std::uint8_t& count =
        one.in_heading ? counts.entries.back().heading : counts.entries.back().body;
    if (count < 255) ++count;
  }
  return counts;
}

std::string TermCounts::Encode() const {
  std::string bytes(kHeaderBytes + entries.size() * kEntryBytes, '\0');
  std::memcpy(bytes.data(), &body_length, 2);
  std::memcpy(bytes.data() + 2, &heading_length, 2);
  char* at = bytes.data() + kHeaderBytes;
  for (const Entry& entry : entries) {
    std::memcpy(at, &entry.term, 4);
    at[4] = static_cast<char>(entry.body);
    at[5] = static_cast<char>(entry.heading);
    at += kEntryBytes;
  }
  return bytes;
}

bool TermCounts::Decode(std::string_view bytes, TermCounts& counts) {
  counts.entries.clear();
  if (bytes.size() < kHeaderBytes || (bytes.size() - kHeaderBytes) % kEntryBytes != 0) return false;
  std::memcpy(&counts.body_length, bytes.data(), 2);
  std::memcpy(&counts.heading_length, bytes.data() + 2, 2);
  counts.entries.resize((bytes.size() - kHeaderBytes) / kEntryBytes);
  const char* at = bytes.data() + kHeaderBytes;
  for (Entry& entry : counts.entries) {
    std::memcpy(&entry.term, at, 4);
    entry.body = static_cast<std::uint8_t>(at[4]);
    entry.heading = static_cast<std::uint8_t>(at[5]);
    at += kEntryBytes;
  }
  return true;
}

void LexicalIndex::AddRow(std::uint32_t group, const TermCounts& counts) {
  const std::uint32_t row = rows();
  rows_.push_back({group, counts.body_length, counts.heading_length});
  body_total_ += counts.body_length;
  for (const TermCounts::Entry& entry : counts.entries) {
    auto& list = postings_[entry.term];
    if (list.empty()) memory_ += 64;  // a node of the map
    list.push_back({row, entry.body, entry.heading});
  }
  memory_ += sizeof(Row) + counts.entries.size() * sizeof(Posting) * 3 / 2;
}

void LexicalIndex::SetTitle(std::uint32_t group, std::string_view title) {
  std::vector<TermId> terms;
  ForEachTerm(title, [&](TermId term, bool) { terms.push_back(term); });
  std::sort(terms.begin(), terms.end());
  const auto length = Clamped<std::uint16_t>(terms.size());
  for (std::size_t i = 0; i < terms.size();) {
    std::size_t end = i;
    while (end < terms.size() && terms[end] == terms[i]) ++end;
    titles_[terms[i]].push_back({group, Clamped<std::uint16_t>(end - i), length});
    memory_ += 2 * sizeof(TitlePosting);
    i = end;
  }
  groups_ = std::max(groups_, group + 1);
  title_total_ += length;
}

void LexicalIndex::Score(std::span<const TermId> terms, std::vector<float>& scores) const {
  scores.assign(rows_.size(), 0.0f);
  if (rows_.empty()) return;
  const float average =
      std::max(1.0f, static_cast<float>(body_total_) / static_cast<float>(rows_.size()));
  const float scale = weights_.b / average;
  const float k1 = weights_.k1;
  for (const TermId term : terms) {
    const auto found = postings_.find(term);
    if (found == postings_.end()) continue;
    const float idf = Idf(rows(), static_cast<double>(found->second.size())) * (k1 + 1);
    for (const Posting& posting : found->second) {
      const float norm = 1 - weights_.b + scale * rows_[posting.row].body_length;
      const float count = posting.body / norm + weights_.heading * posting.heading;
      scores[posting.row] += idf * count / (k1 + count);
    }
  }
  if (weights_.title <= 0 || groups_ == 0) return;

  std::vector<float> groups(groups_, 0.0f);
  const float title_average =
      std::max(1.0f, static_cast<float>(title_total_) / static_cast<float>(groups_));
  bool any = false;
  for (const TermId term : terms) {
    const auto found = titles_.find(term);
    if (found == titles_.end()) continue;
    any = true;
    const float idf = Idf(groups_, static_cast<double>(found->second.size())) * weights_.title;
    for (const TitlePosting& posting : found->second) {
      const float norm = 1 - weights_.title_b + weights_.title_b * posting.length / title_average;
      const float count = posting.count / norm;
      groups[posting.group] += idf * count * (k1 + 1) / (k1 + count);
    }
  }
  if (!any) return;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    const std::uint32_t group = rows_[row].group;
    if (group < groups.size()) scores[row] += groups[group];
  }
}

float LexicalIndex::Most(std::span<const TermId> terms) const {
  float most = 0;
  for (const TermId term : terms) {
    const auto found = postings_.find(term);
    if (found != postings_.end())
      most += Idf(rows(), static_cast<double>(found->second.size())) * (weights_.k1 + 1);
  }
  return most;
}

}  // namespace tessera
