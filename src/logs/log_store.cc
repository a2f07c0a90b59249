#include "logs/log_store.h"

#include <algorithm>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::uint32_t kLimit = 200;
constexpr std::uint32_t kLimitMax = 10'000;
constexpr std::size_t kReplyBytesMax = 3 << 20;

bool Contains(std::string_view text, std::string_view part) {
  const auto same = [](char a, char b) { return ToLower(a) == ToLower(b); };
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
}

bool HasText(const v1::LogRecord& record, std::string_view part) {
  if (Contains(record.message(), part)) return true;
  return std::any_of(record.fields().begin(), record.fields().end(),
                     [part](const auto& field) { return Contains(field.second, part); });
}

bool IsBelow(std::string_view module, std::string_view wanted) {
  return module.starts_with(wanted) &&
         (module.size() == wanted.size() || module[wanted.size()] == '/');
}

}  // namespace

bool Matches(const v1::ListLogsRequest& wanted, const v1::LogRecord& record) {
  return record.level() >= wanted.level() &&
         (wanted.module().empty() || IsBelow(record.module(), wanted.module())) &&
         (wanted.trace().empty() || EqualsIgnoreCase(record.trace_id(), wanted.trace())) &&
         (wanted.request().empty() || record.request_id() == wanted.request()) &&
         (wanted.process().empty() || record.process() == wanted.process()) &&
         (wanted.text().empty() || HasText(record, wanted.text()));
}

std::vector<GatheredLog> LogStore::Add(std::vector<v1::LogRecord> records) {
  std::vector<GatheredLog> added;
  std::lock_guard lock(mutex_);
  for (v1::LogRecord& record : records) {
    record.set_sequence(++last_);
    bytes_ += record.SpaceUsedLong();
    records_.push_back(std::make_shared<const v1::LogRecord>(std::move(record)));
    added.push_back(records_.back());
  }
  while (bytes_ > bytes_max_ && records_.size() > 1) {
    bytes_ -= records_.front()->SpaceUsedLong();
    records_.pop_front();
  }
  return added;
}

v1::ListLogsReply LogStore::List(const v1::ListLogsRequest& request) const {
  const std::uint32_t limit = std::min(request.limit() == 0 ? kLimit : request.limit(), kLimitMax);
  std::deque<GatheredLog> records;
  v1::ListLogsReply reply;
  {
    std::lock_guard lock(mutex_);
    records = records_;
    reply.set_last(last_);
  }
  // What was counted by a gateway that is not there any more says nothing here.
  const std::uint64_t after = request.after() > reply.last() ? 0 : request.after();
  std::vector<GatheredLog> found;
  std::size_t bytes = 0;
  const auto take = [&](const GatheredLog& record) {
    if (!Matches(request, *record)) return true;
    bytes += record->ByteSizeLong();
    found.push_back(record);
    return found.size() < limit && bytes < kReplyBytesMax;
  };
  if (after > 0) {
    for (const GatheredLog& record : records) {
      if (record->sequence() <= after || take(record)) continue;
      reply.set_last(record->sequence());  // there may be more behind it
      break;
    }
  } else {
    for (auto at = records.rbegin(); at != records.rend() && take(*at); ++at) {
    }
    std::reverse(found.begin(), found.end());
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a->time_us() < b->time_us(); });
  }
  for (const GatheredLog& record : found) *reply.add_records() = *record;
  return reply;
}

}  // namespace tessera
