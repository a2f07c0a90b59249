#include "remote/wire_ctx.h"

#include <algorithm>

#include "base/ids.h"
#include "base/str.h"
#include "net/trace_context.h"
#include "remote/wire_status.h"

namespace tessera {
namespace {

constexpr std::string_view kPrincipal = "tessera-principal";
constexpr std::string_view kScopes = "tessera-scopes";
constexpr std::string_view kTenant = "tessera-tenant";

std::string JoinScopes(const std::vector<std::string>& scopes) {
  std::string joined;
  for (const std::string& scope : scopes) {
    if (!joined.empty()) joined.push_back(' ');
    joined.append(EncodeField(scope));
  }
  return joined;
}

std::vector<std::string> SplitScopes(std::string_view joined) {
  std::vector<std::string> scopes;
  while (!joined.empty()) {
    const std::size_t space = std::min(joined.find(' '), joined.size());
    if (space > 0) scopes.push_back(DecodeField(joined.substr(0, space)));
    joined.remove_prefix(std::min(space + 1, joined.size()));
  }
  return scopes;
}

}  // namespace

CallHeaders::CallHeaders(std::string_view method, const Ctx& ctx, const Options& options) {
  path_.reserve(method.size() + 1);
  path_.append("/").append(method);
  path_[path_.rfind('.')] = '/';
  Add(":method", "POST");
  Add(":scheme", options.scheme);
  Add(":path", path_);
  Add(":authority", options.authority);
  Add("content-type", "application/grpc");
  Add("te", "trailers");
  Add("grpc-accept-encoding", "identity,gzip");
  if (options.gzip) Add("grpc-encoding", "gzip");
  if (ctx.has_deadline()) {
    timeout_ = FormatTimeout(ctx.deadline() - Now());
    Add("grpc-timeout", timeout_, false);
  }
  const RequestInfo& info = ctx.info();
  if (info.trace.high != 0 || info.trace.low != 0) {
    trace_ = FormatTraceParent(info.trace, ctx.span_id() != 0 ? ctx.span_id() : RandomId());
    Add("traceparent", trace_, false);
    if (!info.trace_state.empty()) Add("tracestate", info.trace_state, false);
  }
  if (!info.baggage.empty()) Add("baggage", info.baggage, false);
  if (IsRequestId(info.request_id)) Add("x-request-id", info.request_id, false);
  if (!options.authorization.empty()) Add("authorization", options.authorization, false);
  for (std::size_t i = 0; i < std::min<std::size_t>(options.metadata.size(), 8); ++i)
    Add(options.metadata[i].first, options.metadata[i].second, false);
  if (!options.send_identity) return;
  if (!info.principal.id.empty()) {
    principal_ = EncodeField(info.principal.id);
    scopes_ = JoinScopes(info.principal.scopes);
    Add(kPrincipal, principal_);
    if (!scopes_.empty()) Add(kScopes, scopes_);
  }
  if (!info.tenant.empty()) {
    tenant_ = EncodeField(info.tenant);
    Add(kTenant, tenant_);
  }
}

void CallHeaders::Add(std::string_view name, std::string_view value, bool indexed) {
  fields_[count_++] = {name, value, indexed};
}

Result<CallerInfo> ReadCaller(const Http2Headers& headers, bool trusted) {
  CallerInfo caller;
  caller.info = std::make_shared<RequestInfo>();
  RequestInfo& info = *caller.info;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const std::string_view name = headers.name(i);
    const std::string_view value = headers.value(i);
    if (name == "grpc-timeout") {
      const std::optional<Duration> timeout = ParseTimeout(value);
      if (!timeout) return absl::InternalError("grpc-timeout is not a time");
      caller.deadline = Now() + *timeout;
    } else if (name == "traceparent") {
      if (const auto parent = ParseTraceParent(value)) {
        info.trace = parent->trace;
        caller.parent_span = parent->span_id;
      }
    } else if (name == "tracestate") {
      if (IsTraceState(value)) info.trace_state = value;
    } else if (name == "baggage") {
      if (IsBaggage(value)) info.baggage = value;
    } else if (name == "x-request-id") {
      if (IsRequestId(value)) info.request_id = value;
    } else if (name == "authorization") {
      caller.authorization = value;
    } else if (trusted && name == kPrincipal) {
      info.principal.id = DecodeField(value);
    } else if (trusted && name == kScopes) {
      info.principal.scopes = SplitScopes(value);
    } else if (trusted && name == kTenant) {
      info.tenant = DecodeField(value);
    }
  }
  return caller;
}

std::optional<Duration> ParseTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  std::int64_t number = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  switch (text.back()) {
    case 'H':
      // 11,415 years do not fit into nanoseconds; a year is as good as for ever.
      return std::chrono::hours(std::min<std::int64_t>(number, 24 * 365));
    case 'M':
      return std::chrono::minutes(std::min<std::int64_t>(number, 60 * 24 * 365));
    case 'S':
      return std::chrono::seconds(std::min<std::int64_t>(number, 3600 * 24 * 365));
    case 'm':
      return std::chrono::milliseconds(number);
    case 'u':
      return std::chrono::microseconds(number);
    case 'n':
      return std::chrono::nanoseconds(number);
    default:
      return std::nullopt;
  }
}

std::string FormatTimeout(Duration left) {
  using std::chrono::duration_cast;
  if (left <= Duration::zero()) return "1n";
  if (left < std::chrono::seconds(10)) {
    return StrCat(duration_cast<std::chrono::microseconds>(left).count() + 1, "u");
  }
  if (left < std::chrono::hours(24)) {
    return StrCat(duration_cast<std::chrono::milliseconds>(left).count(), "m");
  }
  return StrCat(std::min<std::int64_t>(duration_cast<std::chrono::seconds>(left).count(), 99999999),
                "S");
}

}  // namespace tessera
