#include "remote/request_key.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "remote/plan.h"

namespace tessera {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// The last field of the path as text; of a list its first item.
std::string TextAt(const Message& root, const std::vector<std::string>& path) {
  const Message* message = &root;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(path[i]);
    if (field == nullptr) return {};
    const Reflection& reflection = *message->GetReflection();
    if (field->is_repeated() && reflection.FieldSize(*message, field) == 0) return {};
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      message = field->is_repeated() ? &reflection.GetRepeatedMessage(*message, field, 0)
                                     : &reflection.GetMessage(*message, field);
      continue;
    }
    if (i + 1 < path.size()) return {};
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      return field->is_repeated() ? reflection.GetRepeatedString(*message, field, 0)
                                  : reflection.GetString(*message, field);
    }
    if (field->is_repeated()) return {};
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT64:
        return std::to_string(reflection.GetInt64(*message, field));
      case FieldDescriptor::CPPTYPE_UINT64:
        return std::to_string(reflection.GetUInt64(*message, field));
      case FieldDescriptor::CPPTYPE_INT32:
        return std::to_string(reflection.GetInt32(*message, field));
      case FieldDescriptor::CPPTYPE_UINT32:
        return std::to_string(reflection.GetUInt32(*message, field));
      default:
        return {};
    }
  }
  return {};
}

}  // namespace

RequestKey::RequestKey(const BalanceConfig& config) : bytes_max_(config.hash_bytes_max) {
  if (config.policy != Balance::kHash || config.hash_key.empty()) return;
  if (config.hash_key == "principal") {
    from_ = From::kPrincipal;
  } else if (config.hash_key == "tenant") {
    from_ = From::kTenant;
  } else if (config.hash_key == "request_id") {
    from_ = From::kRequestId;
  } else {
    from_ = From::kField;
    std::string_view left = config.hash_key;
    while (!left.empty()) {
      const std::size_t dot = std::min(left.find('.'), left.size());
      path_.emplace_back(left.substr(0, dot));
      left.remove_prefix(std::min(dot + 1, left.size()));
    }
  }
}

std::uint64_t RequestKey::Of(const Ctx& ctx, const google::protobuf::MessageLite& request) const {
  std::string held;
  std::string_view text;
  switch (from_) {
    case From::kNothing:
      return 0;
    case From::kPrincipal:
      text = ctx.principal().id;
      break;
    case From::kTenant:
      text = ctx.info().tenant;
      break;
    case From::kRequestId:
      text = ctx.info().request_id;
      break;
    case From::kField:
      if (const auto* message = dynamic_cast<const Message*>(&request)) {
        held = TextAt(*message, path_);
        text = held;
      }
      break;
  }
  return text.empty() ? 0 : HashOf(text.substr(0, bytes_max_));
}

}  // namespace tessera
