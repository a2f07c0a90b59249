#include "otlp/otlp_message.h"

#include <array>
#include <chrono>
#include <utility>
#include <vector>

#include <opentelemetry/exporters/otlp/otlp_recordable.h>
#include <opentelemetry/exporters/otlp/otlp_recordable_utils.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>
#include <opentelemetry/sdk/instrumentationscope/instrumentation_scope.h>
#include <opentelemetry/sdk/resource/resource.h>

#include "base/str.h"
#include "traces/fragment.h"

namespace tessera {
namespace {

namespace api = opentelemetry;
namespace sdk = opentelemetry::sdk;
namespace otlp = opentelemetry::exporter::otlp;
namespace collector = opentelemetry::proto::collector::trace::v1;

template <std::size_t kSize>
std::array<std::uint8_t, kSize> Bytes(std::string_view hex) {
  std::array<std::uint8_t, kSize> bytes = {};
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i < kSize && 2 * i + 1 < hex.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(digit(hex[2 * i]) * 16 + digit(hex[2 * i + 1]));
  return bytes;
}

api::trace::SpanId SpanIdOf(std::string_view hex) {
  const auto bytes = Bytes<8>(hex);
  return api::trace::SpanId(api::nostd::span<const std::uint8_t, 8>(bytes.data(), 8));
}

api::trace::SpanKind KindOf(v1::SpanKind kind) {
  switch (kind) {
    case v1::SPAN_KIND_SERVER:
      return api::trace::SpanKind::kServer;
    case v1::SPAN_KIND_CLIENT:
      return api::trace::SpanKind::kClient;
    case v1::SPAN_KIND_PRODUCER:
      return api::trace::SpanKind::kProducer;
    case v1::SPAN_KIND_CONSUMER:
      return api::trace::SpanKind::kConsumer;
    default:
      return api::trace::SpanKind::kInternal;
  }
}

void SetAttribute(sdk::trace::Recordable& to, const v1::SpanAttribute& attribute) {
  const api::nostd::string_view key(attribute.key().data(), attribute.key().size());
  switch (attribute.value_case()) {
    case v1::SpanAttribute::kInteger:
      return to.SetAttribute(key, std::int64_t{attribute.integer()});
    case v1::SpanAttribute::kNumber:
      return to.SetAttribute(key, attribute.number());
    case v1::SpanAttribute::kFlag:
      return to.SetAttribute(key, attribute.flag());
    case v1::SpanAttribute::kText: {
      const api::nostd::string_view text(attribute.text().data(), attribute.text().size());
      // The one convention of ours whose value is a list.
      if (attribute.key() == "gen_ai.response.finish_reasons") {
        const api::nostd::string_view list[] = {text};
        return to.SetAttribute(key, api::nostd::span<const api::nostd::string_view>(list));
      }
      return to.SetAttribute(key, text);
    }
    case v1::SpanAttribute::VALUE_NOT_SET:
      return;
  }
}

}  // namespace

struct OtlpMessages::State {
  std::map<std::string, std::string> attributes;
  std::unique_ptr<sdk::instrumentationscope::InstrumentationScope> scope;
  std::map<std::string, sdk::resource::Resource> resources;  // by process

  const sdk::resource::Resource& ResourceOf(const v1::SpanFragment& fragment) {
    const auto found = resources.find(fragment.process());
    if (found != resources.end()) return found->second;
    sdk::resource::ResourceAttributes all;
    for (const auto& [key, value] : attributes) all.SetAttribute(key, value);
    all.SetAttribute("service.instance.id", fragment.process());
    all.SetAttribute("tessera.group", fragment.group());
    return resources.emplace(fragment.process(), sdk::resource::Resource::Create(all))
        .first->second;
  }

  std::unique_ptr<sdk::trace::Recordable> RecordableOf(const v1::SpanFragment& fragment,
                                                       const v1::Span& span,
                                                       const sdk::resource::Resource& resource) {
    auto record = std::make_unique<otlp::OtlpRecordable>();
    const auto bytes = Bytes<16>(fragment.trace_id());
    const api::trace::TraceId trace(api::nostd::span<const std::uint8_t, 16>(bytes.data(), 16));
    const api::trace::SpanContext context(
        trace, SpanIdOf(span.id()), api::trace::TraceFlags(api::trace::TraceFlags::kIsSampled),
        false, api::trace::TraceState::FromHeader(fragment.trace_state()));
    record->SetIdentity(context, SpanIdOf(span.parent_id()));
    record->SetTraceFlags(context.trace_flags());
    record->SetName(span.name());
    record->SetSpanKind(KindOf(span.kind()));
    const std::chrono::system_clock::time_point start{std::chrono::microseconds(span.start_us())};
    record->SetStartTime(api::common::SystemTimestamp(start));
    record->SetDuration(std::chrono::nanoseconds(span.duration_ns()));
    for (const v1::SpanAttribute& attribute : span.attributes()) SetAttribute(*record, attribute);
    if (span.unfinished()) record->SetAttribute("tessera.unfinished", true);
    if (span.error()) record->SetStatus(api::trace::StatusCode::kError, span.status());
    record->SetResource(resource);
    record->SetInstrumentationScope(*scope);
    return record;
  }
};

OtlpMessages::OtlpMessages(std::map<std::string, std::string> attributes, std::string version)
    : state_(std::make_unique<State>()) {
  state_->attributes = std::move(attributes);
  state_->scope = sdk::instrumentationscope::InstrumentationScope::Create("tessera", version);
}

OtlpMessages::~OtlpMessages() = default;

std::unique_ptr<google::protobuf::MessageLite> OtlpMessages::Request(
    std::span<const v1::SpanFragment> fragments) {
  // Processes come and go; the requests made before hold no resource of theirs.
  if (state_->resources.size() > 256) state_->resources.clear();
  std::vector<std::unique_ptr<sdk::trace::Recordable>> records;
  for (const v1::SpanFragment& fragment : fragments) {
    const sdk::resource::Resource& resource = state_->ResourceOf(fragment);
    for (const v1::Span& span : fragment.spans())
      records.push_back(state_->RecordableOf(fragment, span, resource));
  }
  auto request = std::make_unique<collector::ExportTraceServiceRequest>();
  otlp::OtlpRecordableUtils::PopulateRequest(
      api::nostd::span<std::unique_ptr<sdk::trace::Recordable>>(records.data(), records.size()),
      request.get());
  return request;
}

std::unique_ptr<google::protobuf::MessageLite> OtlpMessages::NewResponse() {
  return std::make_unique<collector::ExportTraceServiceResponse>();
}

std::uint64_t OtlpMessages::Rejected(const google::protobuf::MessageLite& response) {
  const auto* const typed = dynamic_cast<const collector::ExportTraceServiceResponse*>(&response);
  if (typed == nullptr) return 0;
  const std::int64_t rejected = typed->partial_success().rejected_spans();
  return rejected > 0 ? static_cast<std::uint64_t>(rejected) : 0;
}

}  // namespace tessera
