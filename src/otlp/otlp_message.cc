#include "otlp/otlp_message.h"

#include <string_view>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <opentelemetry/proto/trace/v1/trace.pb.h>

#include "base/hex.h"
#include "base/str.h"
#include "otlp/otlp_resource.h"

namespace tessera {
namespace {

namespace proto = opentelemetry::proto::trace::v1;
namespace common = opentelemetry::proto::common::v1;

constexpr std::string_view kList = "gen_ai.response.finish_reasons";
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
      if (std::string_view(attribute.key()) == kList) {
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
  // The bytes of a message with that resource and nothing else: the same for every fragment of a
  // process.
  const std::string& ResourceOf(const v1::SpanFragment& fragment) {
    constexpr std::size_t kProcessesMax = 256;  // they come and go
    if (resources.size() > kProcessesMax) resources.clear();
    auto [found, is_new] = resources.try_emplace(fragment.process());
    if (!is_new) return found->second;
    proto::ResourceSpans spans;
    FillResource(attributes, fragment.process(), fragment.group(), spans.mutable_resource());
    found->second = spans.SerializeAsString();
    return found->second;
  }

  std::map<std::string, std::string> attributes;
  std::map<std::string, std::string> resources;  // by process
  proto::ScopeSpans scope;  // filled anew for each fragment: what is cleared keeps its memory
};

OtlpMessages::OtlpMessages(std::map<std::string, std::string> attributes, std::string version)
    : state_(std::make_unique<State>()) {
  state_->attributes = std::move(attributes);
  state_->scope.mutable_scope()->set_name("tessera");
  state_->scope.mutable_scope()->set_version(std::move(version));
}

OtlpMessages::~OtlpMessages() = default;

// Messages of parts one after the other are one message, so only the spans are made anew.
void OtlpMessages::Append(const v1::SpanFragment& fragment, std::string* request) {
  using google::protobuf::io::CodedOutputStream;
  constexpr std::uint32_t kResourceSpansTag = 1 << 3 | 2;  // of ExportTraceServiceRequest
  constexpr std::uint32_t kScopeSpansTag = 2 << 3 | 2;     // of ResourceSpans
  proto::ScopeSpans& scope = state_->scope;
  scope.clear_spans();
  const std::string trace_id = BytesOfHex(fragment.trace_id());
  for (const v1::Span& span : fragment.spans())
    FillSpan(trace_id, fragment, span, *scope.add_spans());
  const std::string& resource = state_->ResourceOf(fragment);
  const auto scope_size = static_cast<std::uint32_t>(scope.ByteSizeLong());
  const std::size_t size =
      resource.size() + 1 + CodedOutputStream::VarintSize32(scope_size) + scope_size;
  google::protobuf::io::StringOutputStream bytes(request);
  CodedOutputStream out(&bytes);
  out.WriteTag(kResourceSpansTag);
  out.WriteVarint32(static_cast<std::uint32_t>(size));
  out.WriteString(resource);
  out.WriteTag(kScopeSpansTag);
  out.WriteVarint32(scope_size);
  scope.SerializeWithCachedSizes(&out);
  CHECK(!out.HadError());
}

}  // namespace tessera
