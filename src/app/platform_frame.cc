#include "app/platform_frame.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "app/terminal.h"
#include "base/json_writer.h"
#include "monitoring/slo_words.h"
#include "net/uri.h"
#include "tessera/v1/monitoring.pb.h"
#include "tessera/v1/topology.pb.h"

namespace tessera {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kSeenMs = 30'000;  // rates are those of so long
constexpr std::int64_t kStepMs = 10'000;  // two readings at least
constexpr std::size_t kNameColumns = 44;

// A column's figures: what is asked of the history, and where they go.
struct Asked {
  FigureTable::Column column;
  std::string_view metric;
  std::string_view function;  // as the API has it
  std::string_view where = "";
  double quantile = 0;
};

const std::vector<Asked>& RouteColumns() {
  static const std::vector<Asked> columns = {
      {{"requests_per_second", "REQ/S", FigureUnit::kRate}, "tessera_http_requests_total", "rate"},
      {{"errors_per_second", "5XX/S", FigureUnit::kRate},
       "tessera_http_requests_total",
       "rate",
       "status=5xx"},
      {{"p50_s", "P50", FigureUnit::kSeconds}, "tessera_http_seconds", "quantile", "", 0.5},
      {{"p99_s", "P99", FigureUnit::kSeconds}, "tessera_http_seconds", "quantile", "", 0.99}};
  return columns;
}

const std::vector<Asked>& ProcessColumns() {
  static const std::vector<Asked> columns = {
      {{"cpu", "CPU", FigureUnit::kPercent}, "process_cpu_seconds_total", "rate"},
      {{"resident_bytes", "MEMORY", FigureUnit::kBytes}, "process_resident_memory_bytes", "value"},
      {{"threads", "THREADS", FigureUnit::kNumber}, "process_threads", "value"},
      {{"open_files", "FILES", FigureUnit::kNumber}, "process_open_fds", "value"}};
  return columns;
}

const std::vector<Asked>& ModelColumns() {
  static const std::vector<Asked> columns = {
      {{"tokens_per_second", "TOKENS/S", FigureUnit::kRate},
       "tessera_llm_completion_tokens_total",
       "rate"},
      {{"active", "ACTIVE", FigureUnit::kNumber}, "tessera_llm_active", "value"},
      {{"waiting", "WAITING", FigureUnit::kNumber}, "tessera_llm_waiting", "value"},
      {{"first_token_p50_s", "TTFT P50", FigureUnit::kSeconds},
       "tessera_llm_first_token_seconds",
       "quantile",
       "",
       0.5},
      {{"first_token_p99_s", "TTFT P99", FigureUnit::kSeconds},
       "tessera_llm_first_token_seconds",
       "quantile",
       "",
       0.99}};
  return columns;
}

Result<v1::QueryMetricsReply> Ask(AdminClient& client, const Asked& asked,
                                  const std::vector<std::string_view>& by) {
  const std::int64_t now = WallMillis();
  std::string path =
      StrCat("/admin/v1/metrics/query?name=", asked.metric, "&function=", asked.function,
             "&step_ms=", kStepMs, "&from_ms=", now - kSeenMs, "&to_ms=", now);
  if (asked.quantile > 0) StrAppend(&path, "&quantile=", asked.quantile);
  if (!asked.where.empty()) StrAppend(&path, "&where=", PercentEncode(asked.where));
  for (const std::string_view label : by) StrAppend(&path, "&by=", label);
  Result<v1::QueryMetricsReply> reply = client.Get<v1::QueryMetricsReply>(std::move(path));
  // Nobody has told of it yet.
  if (absl::IsNotFound(reply.status())) return v1::QueryMetricsReply();
  return reply;
}

double LastOf(const v1::MetricLine& line) {
  for (int i = line.values_size() - 1; i >= 0; --i)
    if (std::isfinite(line.values(i))) return line.values(i);
  return kUnknown;
}

std::string NameOf(const v1::MetricLine& line, const std::vector<std::string_view>& by) {
  std::string name;
  for (const std::string_view label : by) {
    const auto found = line.labels().find(std::string(label));
    if (found == line.labels().end() || found->second == name) continue;
    StrAppend(&name, name.empty() ? "" : " ", found->second);
  }
  return name;
}

Result<FigureTable> AskTable(AdminClient& client, std::string key, std::string title,
                             const std::vector<Asked>& columns,
                             const std::vector<std::string_view>& by) {
  FigureTable table{.key = std::move(key), .title = std::move(title), .columns = {}, .rows = {}};
  std::map<std::string, std::vector<double>> rows;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    table.columns.push_back(columns[i].column);
    TRY(const v1::QueryMetricsReply reply, Ask(client, columns[i], by));
    for (const v1::MetricLine& line : reply.lines()) {
      auto& figures = rows[NameOf(line, by)];
      figures.resize(columns.size(), kUnknown);
      figures[i] = LastOf(line);
    }
  }
  for (auto& [name, figures] : rows) table.rows.push_back({name, std::move(figures)});
  return table;
}

void Sort(FigureTable& table, std::size_t by) {
  if (by == 0) return;
  const std::size_t column = std::min(by, table.columns.size()) - 1;
  std::stable_sort(table.rows.begin(), table.rows.end(),
                   [column](const FigureRow& a, const FigureRow& b) {
                     const double left = a.figures[column];
                     const double right = b.figures[column];
                     return std::isnan(right) ? !std::isnan(left) : left > right;
                   });
}

std::string FigureText(double value, FigureUnit unit) {
  if (std::isnan(value)) return "-";
  char text[32];
  switch (unit) {
    case FigureUnit::kNumber:
      return HumanCount(static_cast<std::uint64_t>(std::max(value, 0.0)));
    case FigureUnit::kBytes:
      return HumanBytes(static_cast<std::uint64_t>(std::max(value, 0.0)));
    case FigureUnit::kRate:
      std::snprintf(text, sizeof text, "%.1f", value);
      return text;
    case FigureUnit::kPercent:
      std::snprintf(text, sizeof text, "%.0f %%", value * 100);
      return text;
    case FigureUnit::kSeconds:
      std::snprintf(text, sizeof text, value < 1 ? "%.1f ms" : "%.2f s",
                    value < 1 ? value * 1000 : value);
      return text;
  }
  return "";
}

// At most so many code points.
std::string Cut(std::string line, std::size_t columns) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if ((static_cast<unsigned char>(line[i]) & 0xC0) == 0x80) continue;
    if (seen++ < columns) continue;
    line.resize(i);
    break;
  }
  return line;
}

std::string Line(const std::string& name, std::size_t width, const std::vector<std::string>& cells,
                 std::size_t columns) {
  char text[64];
  std::snprintf(text, sizeof text, "%-*s", static_cast<int>(width), Printable(name, width).c_str());
  std::string line = text;
  for (const std::string& cell : cells) {
    std::snprintf(text, sizeof text, " %11s", cell.c_str());
    line += text;
  }
  return Cut(std::move(line), columns);
}

void AddTable(const FigureTable& table, std::size_t columns, std::size_t rows_max,
              std::vector<std::string>& lines) {
  std::size_t width = table.title.size();
  for (const FigureRow& row : table.rows) width = std::max(width, row.name.size());
  width = std::min(width, kNameColumns);
  std::vector<std::string> cells;
  for (const FigureTable::Column& column : table.columns) cells.push_back(column.title);
  lines.push_back("");
  lines.push_back(Line(table.title, width, cells, columns));
  for (const FigureRow& row : table.rows) {
    if (rows_max-- == 0) {
      lines.push_back("…");
      return;
    }
    cells.clear();
    for (std::size_t i = 0; i < row.figures.size(); ++i)
      cells.push_back(FigureText(row.figures[i], table.columns[i].unit));
    lines.push_back(Line(row.name, width, cells, columns));
  }
}

}  // namespace

Result<PlatformFrame> AskFrame(AdminClient& client, std::size_t by) {
  PlatformFrame frame;
  TRY(FigureTable all, AskTable(client, "platform", "PLATFORM", RouteColumns(), {}));
  for (FigureRow& row : all.rows) row.name = "all requests";
  TRY(FigureTable processes,
      AskTable(client, "processes", "PROCESS", ProcessColumns(), {"group", "instance"}));
  TRY(FigureTable routes, AskTable(client, "routes", "ROUTE", RouteColumns(), {"method", "route"}));
  TRY(FigureTable models, AskTable(client, "models", "MODEL", ModelColumns(), {"model"}));
  // A route that nobody asks for says nothing; nor does what looking costs.
  std::erase_if(routes.rows, [](const FigureRow& row) {
    return !(row.figures[0] > 0) || row.name == "GET /admin/v1/metrics/query";
  });
  for (FigureTable* const table : {&all, &processes, &routes, &models}) {
    Sort(*table, by);
    frame.tables.push_back(std::move(*table));
  }
  TRY(const auto alerts, client.Get<v1::ListAlertsReply>("/admin/v1/alerts?firing=true"));
  for (const v1::Alert& alert : alerts.alerts())
    frame.alerts.push_back(StrCat(alert.level() == v1::ALERT_LEVEL_PAGE ? "PAGE " : "ticket ",
                                  alert.slo(), ": ", alert.text()));
  return frame;
}

std::string FrameText(const PlatformFrame& frame, std::size_t columns, std::size_t lines_max) {
  // Shared fairly: each table may have a part of the lines that are left.
  const std::size_t heads = frame.tables.size() * 3 + frame.alerts.size();
  const std::size_t rows = lines_max == 0       ? std::numeric_limits<std::size_t>::max()
                           : lines_max <= heads ? 1
                                                : (lines_max - heads) / frame.tables.size();
  std::vector<std::string> lines;
  for (const std::string& alert : frame.alerts) lines.push_back(Cut(Printable(alert), columns));
  for (const FigureTable& table : frame.tables)
    if (!table.rows.empty()) AddTable(table, columns, rows, lines);
  if (lines_max > 0 && lines.size() > lines_max) lines.resize(lines_max);
  std::string text;
  for (const std::string& line : lines) StrAppend(&text, line, "\n");
  return text;
}

std::string FrameJson(const PlatformFrame& frame) {
  JsonWriter json;
  json.BeginObject();
  for (const FigureTable& table : frame.tables) {
    json.Key(table.key).BeginArray();
    for (const FigureRow& row : table.rows) {
      json.BeginObject().Field("name", row.name);
      for (std::size_t i = 0; i < row.figures.size(); ++i)
        json.Field(table.columns[i].key, row.figures[i]);
      json.EndObject();
    }
    json.EndArray();
  }
  json.Key("alerts").BeginArray();
  for (const std::string& alert : frame.alerts) json.Value(alert);
  json.EndArray().EndObject();
  return json.Take();
}

}  // namespace tessera
