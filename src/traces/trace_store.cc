#include "traces/trace_store.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <span>

#include "base/str.h"
#include "store/disposable.h"
#include "traces/fragment.h"

namespace tessera {
namespace {

constexpr std::uint32_t kListDefault = 50;
constexpr std::uint32_t kListMax = 1000;
constexpr std::uint64_t kRowBytes = 400;  // of a trace's row, its indexes and words, about
constexpr std::size_t kEvictAtOnce = 200;
constexpr std::uint64_t kRoomMadePart = 16;  // of the room, so that not each write makes some
constexpr std::size_t kWordsMax = 4 << 10;

constexpr SqliteMigration kMigrations[] = {{1, R"sql(
CREATE TABLE traces (
  id INTEGER PRIMARY KEY,
  trace_id TEXT NOT NULL UNIQUE,
  request_id TEXT NOT NULL DEFAULT '',
  route TEXT NOT NULL DEFAULT '',
  start_us INTEGER NOT NULL,
  duration_ns INTEGER NOT NULL,
  http_status INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  spans INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  rooted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX traces_by_start ON traces(start_us);
CREATE INDEX traces_by_request ON traces(request_id);
CREATE INDEX traces_by_route ON traces(route, start_us);
CREATE INDEX traces_by_failed ON traces(failed, start_us);
CREATE TABLE fragments (
  trace INTEGER NOT NULL REFERENCES traces(id) ON DELETE CASCADE,
  data BLOB NOT NULL
);
CREATE INDEX fragments_by_trace ON fragments(trace);
CREATE VIRTUAL TABLE words USING fts5(text, tokenize = "unicode61 remove_diacritics 2");
)sql"}};

std::string WordsOf(const v1::SpanFragment& fragment) {
  std::set<std::string_view> texts;
  for (const v1::Span& span : fragment.spans()) {
    texts.insert(span.name());
    if (!span.status().empty()) texts.insert(span.status());
    for (const v1::SpanAttribute& attribute : span.attributes()) {
      if (!attribute.text().empty()) texts.insert(attribute.text());
    }
  }
  std::string words;
  for (const std::string_view text : texts) {
    if (words.size() + text.size() > kWordsMax) break;
    StrAppend(&words, text, "\n");
  }
  return words;
}

// Every word of `text`, as FTS5 wants it: quoted, so that nothing in it is an operator.
std::string MatchOf(std::string_view text) {
  std::string match;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) {
      match += match.empty() ? "\"" : " \"";
      for (const char c : text.substr(0, end)) {
        if (c == '"') match += '"';
        match += c;
      }
      match += '"';
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return match;
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

v1::Trace RowOf(const SqliteStatement& row) {
  v1::Trace trace;
  trace.set_trace_id(std::string(row.Text(1)));
  trace.set_request_id(std::string(row.Text(2)));
  trace.set_route(std::string(row.Text(3)));
  trace.set_start_us(row.Int(4));
  trace.set_duration_ns(row.Int(5));
  trace.set_http_status(static_cast<int>(row.Int(6)));
  trace.set_error(row.Int(7) != 0);
  trace.set_reason(std::string(row.Text(8)));
  trace.set_span_count(static_cast<std::uint32_t>(row.Int(9)));
  return trace;
}

constexpr std::string_view kColumns =
    "id, trace_id, request_id, route, start_us, duration_ns, http_status, failed, reason, spans";

}  // namespace

Result<std::unique_ptr<TraceStore>> TraceStore::Open(const std::string& path, Limits limits) {
  const auto make =
      [limits](
          std::unique_ptr<SqliteConnection> connection) -> Result<std::unique_ptr<TraceStore>> {
    std::unique_ptr<TraceStore> store(new TraceStore(std::move(connection), limits));
    TRY(store->connection_->Script(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA synchronous = NORMAL;"));
    TRY(MigrateSqlite(*store->connection_, kMigrations));
    TRY(store->CountBytes());
    return store;
  };
  return OpenOrBeginAnew(path, {.mmap_bytes = 64 << 20},
                         "the file of kept traces is damaged and is begun anew", make);
}

Result<std::unique_ptr<TraceStore>> TraceStore::OpenReadOnly(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error))
    return absl::NotFoundError(StrCat("no traces were kept yet: there is no ", path));
  TRY(auto connection, SqliteConnection::Open(path, {.read_only = true, .create = false}));
  return std::unique_ptr<TraceStore>(new TraceStore(std::move(connection), {}));
}

Status TraceStore::CountBytes() {
  for (const int failed : {0, 1}) {
    TRY(const auto sum,
        connection_->QueryInt("SELECT sum(bytes) FROM traces WHERE failed = ?", failed));
    bytes_[failed] = static_cast<std::uint64_t>(sum.value_or(0));
  }
  return absl::OkStatus();
}

Status TraceStore::Write(const std::vector<v1::SpanFragment>& fragments, std::int64_t now_ms) {
  if (!fragments.empty()) {
    TRY(SqliteTransaction transaction, SqliteTransaction::Begin(*connection_));
    const auto before = std::make_pair(bytes_[0], bytes_[1]);
    for (const v1::SpanFragment& fragment : fragments) {
      const Status written = WriteOne(fragment);
      if (!written.ok()) {
        bytes_[0] = before.first;
        bytes_[1] = before.second;
        return written;
      }
    }
    TRY(transaction.Commit());
  }
  return MakeRoom(now_ms);
}

Status TraceStore::WriteOne(const v1::SpanFragment& fragment) {
  if (fragment.spans().empty()) return absl::OkStatus();
  const v1::Span& first = fragment.spans(0);
  const std::string data = fragment.SerializeAsString();
  const std::string words = WordsOf(fragment);
  bool failed = fragment.reason() == "error";
  for (const v1::Span& span : fragment.spans()) failed = failed || span.error();
  const v1::SpanAttribute* const status = FindAttribute(first, "http.response.status_code");
  const v1::SpanAttribute* const request = FindAttribute(first, "tessera.request_id");

  TRY(SqliteStatement find,
      connection_->Prepare("SELECT id, failed, bytes FROM traces WHERE trace_id = ?"));
  find.Bind(fragment.trace_id());
  TRY(const bool known, find.Step());
  std::int64_t id = known ? find.Int(0) : 0;
  const bool failed_before = known && find.Int(1) != 0;
  const auto bytes_before = static_cast<std::uint64_t>(known ? find.Int(2) : 0);
  find.Reset();
  const std::uint64_t bytes =
      bytes_before + data.size() + words.size() * 2 + (known ? 0 : kRowBytes);
  if (!known) {
    TRY(connection_->Run(
        "INSERT INTO traces (trace_id, route, start_us, duration_ns) VALUES (?, ?, ?, ?)",
        fragment.trace_id(), first.name(), first.start_us(), first.duration_ns()));
    id = connection_->LastRowId();
  }
  TRY(connection_->Run(
      "UPDATE traces SET spans = spans + ?, bytes = ?, failed = max(failed, ?) WHERE id = ?",
      fragment.spans_size(), bytes, failed, id));
  // What the trace's own first span says goes before what a part of it says.
  if (fragment.root())
    TRY(connection_->Run(
        "UPDATE traces SET route = ?, start_us = ?, duration_ns = ?, http_status = ?, request_id = "
        "?, reason = ?, rooted = 1 WHERE id = ? AND (rooted = 0 OR start_us > ?)",
        first.name(), first.start_us(), first.duration_ns(),
        status != nullptr ? status->integer() : 0,
        request != nullptr ? request->text() : std::string(), fragment.reason(), id,
        first.start_us()));
  TRY(connection_->Run("INSERT INTO fragments (trace, data) VALUES (?, ?)", id,
                       std::as_bytes(std::span(data))));
  if (known) {
    TRY(connection_->Run("UPDATE words SET text = text || ? WHERE rowid = ?", words, id));
  } else {
    TRY(connection_->Run("INSERT INTO words (rowid, text) VALUES (?, ?)", id, words));
  }
  bytes_[failed_before ? 1 : 0] -= bytes_before;
  bytes_[failed || failed_before ? 1 : 0] += bytes;
  return absl::OkStatus();
}

Status TraceStore::MakeRoom(std::int64_t now_ms) {
  const auto error_room =
      static_cast<std::uint64_t>(static_cast<double>(limits_.bytes_max) * limits_.error_part);
  const std::uint64_t room[2] = {limits_.bytes_max - error_room, error_room};
  const std::int64_t oldest_us = (now_ms - limits_.age_max_s * 1000) * 1000;
  const std::uint64_t evicted_before = evicted_;
  for (const int failed : {0, 1}) {
    bool more = true;
    while (more) {
      TRY(more, EvictSome(failed != 0, room[failed], oldest_us));
    }
  }
  if (evicted_ == evicted_before) return absl::OkStatus();
  return connection_->Script("PRAGMA incremental_vacuum(2000)");
}

// The oldest of one kind, down to a little below their room. True: there may be more to remove.
Result<bool> TraceStore::EvictSome(bool failed, std::uint64_t room, std::int64_t oldest_us) {
  std::uint64_t& bytes = bytes_[failed ? 1 : 0];
  const std::uint64_t wanted = bytes > room ? room - room / kRoomMadePart : bytes;
  TRY(SqliteStatement old,
      connection_->Prepare("SELECT id, bytes, start_us FROM traces WHERE failed = ? "
                           "ORDER BY start_us LIMIT ?"));
  old.Bind(failed, kEvictAtOnce);
  std::vector<std::int64_t> ids;
  std::uint64_t left = bytes;
  while (true) {
    TRY(const bool row, old.Step());
    if (!row || (left <= wanted && old.Int(2) >= oldest_us)) break;
    ids.push_back(old.Int(0));
    left -= std::min(left, static_cast<std::uint64_t>(old.Int(1)));
  }
  old.Reset();
  if (ids.empty()) return false;
  TRY(SqliteTransaction transaction, SqliteTransaction::Begin(*connection_));
  for (const std::int64_t id : ids) {
    TRY(connection_->Run("DELETE FROM words WHERE rowid = ?", id));
    TRY(connection_->Run("DELETE FROM fragments WHERE trace = ?", id));
    TRY(connection_->Run("DELETE FROM traces WHERE id = ?", id));
  }
  TRY(transaction.Commit());
  evicted_ += ids.size();
  bytes = left;
  return ids.size() == kEvictAtOnce;
}

Result<v1::ListTracesReply> TraceStore::List(const v1::ListTracesRequest& request) {
  std::string sql = StrCat("SELECT ", kColumns, " FROM traces WHERE 1");
  std::vector<std::pair<bool, std::string>> texts;  // false: a number
  const auto where = [&](std::string_view clause, bool is_text, std::string value) {
    StrAppend(&sql, " AND ", clause);
    texts.emplace_back(is_text, std::move(value));
  };
  if (!request.route().empty())
    where("route LIKE ? ESCAPE '\\'", true, StrCat("%", Escaped(request.route()), "%"));
  if (const int status = request.http_status(); status > 0 && status < 10) {
    StrAppend(&sql, " AND http_status BETWEEN ", status * 100, " AND ", status * 100 + 99);
  } else if (status != 0) {
    StrAppend(&sql, " AND http_status = ", status);
  }
  if (request.error()) sql += " AND failed = 1";
  if (request.duration_ms_min() != 0)
    StrAppend(&sql, " AND duration_ns >= ", request.duration_ms_min() * 1'000'000);
  if (request.duration_ms_max() != 0)
    StrAppend(&sql, " AND duration_ns <= ", request.duration_ms_max() * 1'000'000);
  if (request.since_ms() != 0) StrAppend(&sql, " AND start_us >= ", request.since_ms() * 1000);
  if (request.until_ms() != 0) StrAppend(&sql, " AND start_us < ", request.until_ms() * 1000);
  if (!request.request_id().empty()) where("request_id = ?", true, request.request_id());
  if (const std::string match = MatchOf(request.text()); !match.empty())
    where("id IN (SELECT rowid FROM words WHERE words MATCH ?)", true, match);
  const std::uint32_t limit =
      request.limit() == 0 ? kListDefault : std::min(request.limit(), kListMax);
  StrAppend(&sql, " ORDER BY start_us DESC LIMIT ", limit);
  TRY(SqliteStatement rows, connection_->Prepare(sql));
  int index = 0;
  for (const auto& [is_text, value] : texts) rows.BindOne(++index, value);
  v1::ListTracesReply reply;
  while (true) {
    TRY(const bool row, rows.Step());
    if (!row) return reply;
    *reply.add_traces() = RowOf(rows);
  }
}

Result<v1::Trace> TraceStore::Get(const std::string& id) {
  TRY(SqliteStatement find,
      connection_->Prepare(StrCat("SELECT ", kColumns,
                                  " FROM traces WHERE trace_id = ?1 OR request_id = ?1 "
                                  "ORDER BY start_us DESC LIMIT 1")));
  find.Bind(id);
  TRY(const bool found, find.Step());
  if (!found)
    return absl::NotFoundError(StrCat(
        "no trace is kept of \"", std::string_view(id).substr(0, 100),
        "\": it may be too old, not yet finished, or was not chosen (docs/observability.md)"));
  v1::Trace trace = RowOf(find);
  const std::int64_t row = find.Int(0);
  TRY(SqliteStatement parts,
      connection_->Prepare("SELECT data FROM fragments WHERE trace = ? ORDER BY rowid"));
  parts.Bind(row);
  std::set<std::string> seen;
  std::set<std::string> processes;
  while (true) {
    TRY(const bool more, parts.Step());
    if (!more) break;
    const auto data = parts.Blob(0);
    v1::SpanFragment fragment;
    if (!fragment.ParseFromArray(data.data(), static_cast<int>(data.size()))) continue;
    trace.set_dropped(trace.dropped() + fragment.dropped());
    processes.insert(fragment.process());
    for (v1::Span& span : *fragment.mutable_spans()) {
      if (!seen.insert(span.id()).second) continue;
      span.set_group(fragment.group());
      span.set_process(fragment.process());
      *trace.add_spans() = std::move(span);
    }
  }
  std::stable_sort(
      trace.mutable_spans()->begin(), trace.mutable_spans()->end(),
      [](const v1::Span& a, const v1::Span& b) { return a.start_us() < b.start_us(); });
  trace.set_span_count(static_cast<std::uint32_t>(trace.spans_size()));
  for (const std::string& process : processes) trace.add_processes(process);
  return trace;
}

Result<std::vector<std::string>> TraceStore::Routes() {
  TRY(SqliteStatement rows,
      connection_->Prepare("SELECT DISTINCT route FROM traces ORDER BY route LIMIT 1000"));
  std::vector<std::string> routes;
  while (true) {
    TRY(const bool row, rows.Step());
    if (!row) return routes;
    routes.emplace_back(rows.Text(0));
  }
}

}  // namespace tessera
