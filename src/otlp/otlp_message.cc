#include "otlp/otlp_message.h"

#include <utility>
#include <vector>

#include <google/protobuf/arena.h>
#include <opentelemetry/proto/collector/trace/v1/trace_service.pb.h>

#include "base/hex.h"
#include "base/str.h"
#include "otlp/otlp_resource.h"

namespace tessera {
namespace {

namespace collector = opentelemetry::proto::collector::trace::v1;
namespace proto = opentelemetry::proto::trace::v1;
namespace common = opentelemetry::proto::common::v1;

constexpr std::size_t kBlock = 64 << 10;
constexpr std::uint32_t kSampledFlag = 1;

proto::Span::SpanKind KindOf(v1::SpanKind kind) {
  switch (kind) {
    case v1::SPAN_KIND_SERVER:
      return proto::Span::SPAN_KIND_SERVER;
    case v1::SPAN_KIND_CLIENT:
      return proto::Span::SPAN_KIND_CLIENT;
    case v1::SPAN_KIND_PRODUCER:
      return proto::Span::SPAN_KIND_PRODUCER;
    case v1::SPAN_KIND_CONSUMER:
      return proto::Span::SPAN_KIND_CONSUMER;
    default:
      return proto::Span::SPAN_KIND_INTERNAL;
  }
}

void SetValue(const v1::SpanAttribute& attribute, common::KeyValue& to) {
  to.set_key(attribute.key());
  common::AnyValue& value = *to.mutable_value();
  switch (attribute.value_case()) {
    case v1::SpanAttribute::kInteger:
      return value.set_int_value(attribute.integer());
    case v1::SpanAttribute::kNumber:
      return value.set_double_value(attribute.number());
    case v1::SpanAttribute::kFlag:
      return value.set_bool_value(attribute.flag());
    case v1::SpanAttribute::kText:
      // The one convention of ours whose value is a list.
      if (attribute.key() == "gen_ai.response.finish_reasons") {
        value.mutable_array_value()->add_values()->set_string_value(attribute.text());
      } else {
        value.set_string_value(attribute.text());
      }
      return;
    case v1::SpanAttribute::VALUE_NOT_SET:
      return;
  }
}

void FillSpan(const std::string& trace_id, const v1::SpanFragment& fragment, const v1::Span& span,
              proto::Span& to) {
  to.set_trace_id(trace_id);
  to.set_span_id(BytesOfHex(span.id()));
  if (!span.parent_id().empty()) to.set_parent_span_id(BytesOfHex(span.parent_id()));
  if (!fragment.trace_state().empty()) to.set_trace_state(fragment.trace_state());
  to.set_flags(kSampledFlag);
  to.set_name(span.name());
  to.set_kind(KindOf(span.kind()));
  const std::int64_t start_ns = span.start_us() * 1000;
  to.set_start_time_unix_nano(static_cast<std::uint64_t>(start_ns));
  to.set_end_time_unix_nano(static_cast<std::uint64_t>(start_ns + span.duration_ns()));
  for (const v1::SpanAttribute& attribute : span.attributes())
    SetValue(attribute, *to.add_attributes());
  if (span.unfinished()) {
    common::KeyValue& unfinished = *to.add_attributes();
    unfinished.set_key("tessera.unfinished");
    unfinished.mutable_value()->set_bool_value(true);
  }
  if (span.error()) {
    to.mutable_status()->set_code(proto::Status::STATUS_CODE_ERROR);
    to.mutable_status()->set_message(span.status());
  }
}

}  // namespace

struct OtlpMessages::State {
  State() : block(kBlock), arena(Options(block)) {}
  static google::protobuf::ArenaOptions Options(std::vector<char>& block) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block.data();
    options.initial_block_size = block.size();
    return options;
  }

  const opentelemetry::proto::resource::v1::Resource& ResourceOf(const v1::SpanFragment& fragment) {
    // Processes come and go.
    if (resources.size() > 256) resources.clear();
    auto [found, is_new] = resources.try_emplace(fragment.process());
    if (!is_new) return found->second;
    FillResource(attributes, fragment.process(), fragment.group(), &found->second);
    return found->second;
  }

  std::map<std::string, std::string> attributes;
  std::string version;
  std::map<std::string, opentelemetry::proto::resource::v1::Resource> resources;  // by process
  std::vector<char> block;
  google::protobuf::Arena arena;  // of the message that is being made
};

OtlpMessages::OtlpMessages(std::map<std::string, std::string> attributes, std::string version)
    : state_(std::make_unique<State>()) {
  state_->attributes = std::move(attributes);
  state_->version = std::move(version);
}

OtlpMessages::~OtlpMessages() = default;

void OtlpMessages::Append(const v1::SpanFragment& fragment, std::string* request) {
  auto* const message =
      google::protobuf::Arena::CreateMessage<collector::ExportTraceServiceRequest>(&state_->arena);
  proto::ResourceSpans& spans = *message->add_resource_spans();
  *spans.mutable_resource() = state_->ResourceOf(fragment);
  proto::ScopeSpans& scope = *spans.add_scope_spans();
  scope.mutable_scope()->set_name("tessera");
  scope.mutable_scope()->set_version(state_->version);
  const std::string trace_id = BytesOfHex(fragment.trace_id());
  scope.mutable_spans()->Reserve(fragment.spans_size());
  for (const v1::Span& span : fragment.spans())
    FillSpan(trace_id, fragment, span, *scope.add_spans());
  CHECK(message->AppendToString(request));
  state_->arena.Reset();
}

}  // namespace tessera
