#include "edge/prometheus_routes.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "net/uri.h"

namespace tessera {
namespace {

using Handle = Task<Result<HttpReply>>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kRoot = "/admin/v1/prometheus/api/v1";
constexpr double kSecondsMax = 1e11;  // far beyond any clock, and whole in milliseconds
constexpr std::int64_t kSeriesPast = 86'400'000;

/// Of the query and of a posted form; the first value of a name counts.
class Parameters {
 public:
  static Result<Parameters> Read(const HttpRequest& request) {
    Parameters all;
    TRY(all.pairs_, ParseQuery(request.query));
    TRY(Pairs form, ParseQuery(request.body));
    std::move(form.begin(), form.end(), std::back_inserter(all.pairs_));
    return all;
  }

  std::optional<std::string> Get(std::string_view name) const {
    const auto found = std::ranges::find(pairs_, name, &Pairs::value_type::first);
    if (found == pairs_.end() || found->second.empty()) return std::nullopt;
    return found->second;
  }

  std::vector<std::string> All(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : pairs_) {
      if (key == name) values.push_back(value);
    }
    return values;
  }

  /// Seconds since 1970 or a time of RFC 3339, in milliseconds.
  Result<std::int64_t> Time(std::string_view name, std::optional<std::int64_t> otherwise) const {
    const auto text = Get(name);
    if (!text && otherwise) return *otherwise;
    const auto seconds = Number(text.value_or(""));
    if (seconds && std::fabs(*seconds) <= kSecondsMax)
      return static_cast<std::int64_t>(std::llround(*seconds * 1000));
    absl::Time time;
    std::string error;
    if (text && !seconds && absl::ParseTime(absl::RFC3339_full, *text, &time, &error))
      return absl::ToUnixMillis(time);
    return Invalid(name, StrCat("cannot parse \"", text.value_or("").substr(0, 60),
                                "\" to a valid timestamp"));
  }

  /// Seconds, or a duration such as 1m30s.
  Result<std::int64_t> Step() const {
    const std::string text = Get("step").value_or("");
    std::int64_t ms = 0;
    if (const auto seconds = Number(text)) {
      ms = *seconds <= kSecondsMax ? static_cast<std::int64_t>(std::llround(*seconds * 1000)) : 0;
    } else if (absl::Duration duration;
               text.find('-') == std::string::npos && absl::ParseDuration(text, &duration)) {
      ms = absl::ToInt64Milliseconds(duration);
    } else {
      return Invalid("step",
                     StrCat("cannot parse \"", text.substr(0, 60), "\" to a valid duration"));
    }
    if (ms > 0 && ms <= 366 * kSeriesPast) return ms;
    return Invalid("step",
                   "zero or negative query resolution step widths are not accepted. Try a "
                   "positive integer");
  }

 private:
  static std::optional<double> Number(std::string_view text) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number))
      return std::nullopt;
    return number;
  }
  static Status Invalid(std::string_view name, std::string_view why) {
    return absl::InvalidArgumentError(StrCat("invalid parameter \"", name, "\": ", why));
  }

  Pairs pairs_;
};

HttpReply ErrorReply(const Status& status) {
  int http = 500;
  std::string_view type = "internal";
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      http = 400;
      type = "bad_data";
      break;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kResourceExhausted:
      http = 422;
      type = "execution";
      break;
    case absl::StatusCode::kCancelled:
      http = 503;
      type = "canceled";
      break;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnavailable:
      http = 503;
      type = "timeout";
      break;
    default:
      break;
  }
  JsonWriter json;
  json.BeginObject().Field("status", "error").Field("errorType", type);
  json.Field("error", http == 500 ? "internal error" : StdView(status.message())).EndObject();
  return HttpReply::Json(http, json.Take());
}

// "1.5" without an exponent, as Go's 'f' writes it.
void WritePoint(JsonWriter& json, std::int64_t at_ms, double value) {
  char text[400];
  const auto end = std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed).ptr;
  json.BeginArray().Value(static_cast<double>(at_ms) / 1000);
  if (std::isnan(value)) {
    json.Value("NaN");
  } else if (std::isinf(value)) {
    json.Value(value > 0 ? "+Inf" : "-Inf");
  } else {
    json.Value(std::string_view(text, static_cast<std::size_t>(end - text)));
  }
  json.EndArray();
}

template <class Map>
void WriteLabels(JsonWriter& json, const Map& labels) {
  json.BeginObject();
  for (const auto& [name, value] : std::map<std::string, std::string>(labels.begin(), labels.end()))
    json.Field(name, value);
  json.EndObject();
}

void WriteData(JsonWriter& json, const v1::EvaluatePromqlReply& reply, std::int64_t at_ms) {
  json.BeginObject().Field("resultType", reply.type()).Key("result");
  if (reply.type() == "scalar") {
    WritePoint(json, at_ms, reply.rows_size() > 0 ? reply.rows(0).values(0) : 0);
  } else if (reply.type() == "string") {
    json.BeginArray().Value(static_cast<double>(at_ms) / 1000).Value(reply.text()).EndArray();
  } else {
    const bool vector = reply.type() == "vector";
    json.BeginArray();
    for (const v1::PromqlRow& row : reply.rows()) {
      json.BeginObject().Key("metric");
      WriteLabels(json, row.labels());
      json.Key(vector ? "value" : "values");
      if (!vector) json.BeginArray();
      for (int i = 0; i < row.values_size(); ++i) WritePoint(json, row.at_ms(i), row.values(i));
      if (!vector) json.EndArray();
      json.EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
}

class PrometheusRoutes {
 public:
  PrometheusRoutes(Monitoring& monitoring, std::string version)
      : monitoring_(monitoring), version_(std::move(version)) {}

  using Data = Task<Result<std::string>>;

  Data Query(Ctx ctx, HttpRequest request, bool over_range) const {
    CO_TRY(const Parameters asked, Parameters::Read(request));
    v1::EvaluatePromqlRequest evaluate;
    evaluate.set_query(asked.Get("query").value_or(""));
    std::int64_t at_ms = 0;
    if (over_range) {
      CO_TRY(const std::int64_t from_ms, asked.Time("start", std::nullopt));
      CO_TRY(at_ms, asked.Time("end", std::nullopt));
      CO_TRY(const std::int64_t step_ms, asked.Step());
      evaluate.set_from_ms(from_ms);
      evaluate.set_step_ms(step_ms);
    } else {
      CO_TRY(at_ms, asked.Time("time", WallMillis()));
    }
    evaluate.set_to_ms(at_ms);
    auto reply = co_await monitoring_.EvaluatePromql(std::move(ctx), std::move(evaluate));
    if (absl::IsInvalidArgument(reply.status()))
      co_return absl::InvalidArgumentError(
          StrCat("invalid parameter \"query\": ", StdView(reply.status().message())));
    if (!reply.ok()) co_return reply.status();
    JsonWriter json(1 << 14);
    WriteData(json, *reply, at_ms);
    co_return json.Take();
  }

  // Names of labels, or with `of` the values of one.
  Data Labels(Ctx ctx, HttpRequest request, std::string of) const {
    CO_TRY(Parameters asked, Parameters::Read(request));
    CO_TRY(const v1::ListSeriesReply reply, co_await Find(std::move(ctx), std::move(asked), false));
    std::set<std::string> found;
    for (const v1::SeriesLabels& series : reply.series()) {
      for (const auto& [name, value] : series.labels()) {
        if (of.empty() || name == of) found.insert(of.empty() ? name : value);
      }
    }
    JsonWriter json;
    json.BeginArray();
    for (const std::string& one : found) json.Value(one);
    json.EndArray();
    co_return json.Take();
  }

  Data Series(Ctx ctx, HttpRequest request) const {
    CO_TRY(Parameters asked, Parameters::Read(request));
    CO_TRY(const v1::ListSeriesReply reply, co_await Find(std::move(ctx), std::move(asked), true));
    JsonWriter json(1 << 14);
    json.BeginArray();
    for (const v1::SeriesLabels& series : reply.series()) WriteLabels(json, series.labels());
    json.EndArray();
    co_return json.Take();
  }

  Data Metadata(Ctx ctx, HttpRequest request) const {
    const std::string only = request.Query("metric").value_or("");
    CO_TRY(const v1::ListMetricsReply reply, co_await monitoring_.ListMetrics(std::move(ctx), {}));
    JsonWriter json(1 << 14);
    json.BeginObject();
    for (const v1::MetricInfo& metric : reply.metrics()) {
      if (!only.empty() && metric.name() != only) continue;
      json.Key(metric.name()).BeginArray().BeginObject();
      json.Field("type", metric.kind() == "untyped" ? "unknown" : metric.kind());
      json.Field("help", "").Field("unit", "").EndObject().EndArray();
    }
    json.EndObject();
    co_return json.Take();
  }

  // Grafana asks which Prometheus it speaks to: the one whose API this is a part of.
  Data BuildInfo() const {
    JsonWriter json;
    json.BeginObject().Field("version", "2.42.0").Field("revision", StrCat("tessera-", version_));
    json.Field("branch", "").Field("buildUser", "").Field("buildDate", "").Field("goVersion", "");
    json.EndObject();
    co_return json.Take();
  }

 private:
  Task<Result<v1::ListSeriesReply>> Find(Ctx ctx, Parameters asked, bool need_match) const {
    v1::ListSeriesRequest list;
    for (std::string& match : asked.All("match[]")) list.add_match(std::move(match));
    if (need_match && list.match().empty())
      co_return absl::InvalidArgumentError("no match[] parameter provided");
    const std::int64_t now_ms = WallMillis();
    CO_TRY(const std::int64_t from_ms, asked.Time("start", now_ms - kSeriesPast));
    CO_TRY(const std::int64_t to_ms, asked.Time("end", now_ms));
    list.set_from_ms(from_ms);
    list.set_to_ms(to_ms);
    co_return co_await monitoring_.ListSeries(std::move(ctx), std::move(list));
  }

  Monitoring& monitoring_;
  const std::string version_;
};

// In Prometheus' envelope, errors too.
Handle Enveloped(PrometheusRoutes::Data data) {
  const Result<std::string> found = co_await std::move(data);
  if (!found.ok()) co_return ErrorReply(found.status());
  co_return HttpReply::Json(200, StrCat("{\"status\":\"success\",\"data\":", *found, "}"));
}

using Asked = std::function<PrometheusRoutes::Data(Ctx, HttpRequest)>;

void Add(HttpRoutes& routes, std::string_view path, std::string summary, bool post, Asked ask) {
  Route route;
  route.pattern = StrCat(kRoot, path);
  route.scope = "metrics.read";
  route.doc.summary = StrCat("Prometheus: ", summary);
  route.doc.tag = "prometheus";
  route.handler = [ask = std::move(ask)](Ctx ctx, HttpRequest request) {
    return Enveloped(ask(std::move(ctx), std::move(request)));
  };
  routes.Add(route);
  if (!post) return;
  route.method = HttpMethod::kPost;
  route.body = BodyKind::kBuffered;
  route.body_max = 1 << 16;
  route.media_types = {"application/x-www-form-urlencoded"};
  route.doc.request_media_type = route.media_types[0];
  routes.Add(std::move(route));
}

}  // namespace

void AddPrometheusRoutes(Monitoring& monitoring, std::string version, HttpRoutes& routes) {
  const auto self = std::make_shared<const PrometheusRoutes>(monitoring, std::move(version));
  Add(routes, "/query", "an expression at one time", true, [self](Ctx ctx, HttpRequest request) {
    return self->Query(std::move(ctx), std::move(request), false);
  });
  Add(routes, "/query_range", "an expression over a range of time", true,
      [self](Ctx ctx, HttpRequest request) {
        return self->Query(std::move(ctx), std::move(request), true);
      });
  Add(routes, "/labels", "names of labels", true, [self](Ctx ctx, HttpRequest request) {
    return self->Labels(std::move(ctx), std::move(request), "");
  });
  Add(routes, "/label/{name}/values", "values of a label", false,
      [self](Ctx ctx, HttpRequest request) {
        std::string name(request.Param("name"));
        return self->Labels(std::move(ctx), std::move(request), std::move(name));
      });
  Add(routes, "/series", "series that fit", true, [self](Ctx ctx, HttpRequest request) {
    return self->Series(std::move(ctx), std::move(request));
  });
  Add(routes, "/metadata", "kinds of figures", false, [self](Ctx ctx, HttpRequest request) {
    return self->Metadata(std::move(ctx), std::move(request));
  });
  Add(routes, "/status/buildinfo", "whose API it is", false,
      [self](Ctx, HttpRequest) { return self->BuildInfo(); });
}

}  // namespace tessera
