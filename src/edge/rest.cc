#include "edge/rest.h"

#include <algorithm>
#include <memory>

#include <google/protobuf/descriptor.h>

#include "base/json.h"
#include "base/str.h"
#include "edge/api_error.h"
#include "edge/proto_json.h"
#include "edge/stream_end.h"
#include "net/sse.h"
#include "net/uri.h"

namespace tessera {
namespace {

using google::protobuf::FieldDescriptor;

class EventStream final : public Stream<std::string> {
 public:
  explicit EventStream(StreamPtr<MessagePtr> items) : items_(std::move(items)) {}

  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    if (end_.reached()) co_return end_.Next();
    auto item = co_await items_->Next(ctx);
    if (!item.ok()) {
      end_.Told(item.status());
      co_return SseEvent(ErrorJson(ErrorShape::kProblem, item.status(), ctx.info(), ""), "error");
    }
    if (!*item) co_return std::nullopt;
    co_return SseEvent(MessageToJson(***item));
  }

 private:
  StreamPtr<MessagePtr> items_;
  StreamEnd end_;
};

/// Turns HTTP requests into calls of one method.
class RestDoor {
 public:
  explicit RestDoor(MethodBinding binding) : binding_(std::move(binding)) {}

  Task<Result<HttpReply>> Handle(Ctx ctx, HttpRequest request) const {
    CO_TRY(MessagePtr message, ReadRequest(request));
    if (binding_.call_stream) {
      CO_TRY(StreamPtr<MessagePtr> items,
             co_await binding_.call_stream(std::move(ctx), std::move(message)));
      co_return HttpReply::EventStream(EventsOf(std::move(items)));
    }
    CO_TRY(const MessagePtr reply, co_await binding_.call(std::move(ctx), std::move(message)));
    co_return HttpReply::Json(200, MessageToJson(*reply));
  }

 private:
  Result<MessagePtr> ReadRequest(const HttpRequest& request) const {
    MessagePtr message(binding_.request->New());
    const auto& type = *message->GetDescriptor();
    JsonErrors errors;
    if (!request.body.empty()) {
      TRY(const JsonDocument document, JsonDocument::Parse(request.body));
      ReadMessage(document.root(), "", errors, message.get());
    }
    TRY(const auto pairs, ParseQuery(request.query));
    for (const auto& [name, value] : pairs) {
      const FieldDescriptor* field = type.FindFieldByName(name);
      const bool in_path = !request.Param(name).empty();
      if (field == nullptr || in_path || field->is_map()) {
        errors.Add(name.substr(0, 80), StrCat("is not a known parameter", Hint(type, name)));
      } else {
        ReadField(value, *field, errors, message.get());
      }
    }
    for (const auto& [name, value] : request.params) {
      const FieldDescriptor* field = type.FindFieldByName(name);
      CHECK(field != nullptr);
      message->GetReflection()->ClearField(message.get(), field);
      ReadField(value, *field, errors, message.get());
    }
    TRY(errors.status());
    return message;
  }

  static std::string Hint(const google::protobuf::Descriptor& type, std::string_view name) {
    std::vector<std::string_view> known;
    known.reserve(static_cast<std::size_t>(type.field_count()));
    for (int i = 0; i < type.field_count(); ++i) known.push_back(type.field(i)->name());
    const std::string_view nearest = NearestName(name, known);
    return nearest.empty() ? std::string() : StrCat("; did you mean \"", nearest, "\"?");
  }

  const MethodBinding binding_;
};

// "Search" → "search", "ListCollections" → "list collections".
std::string Words(std::string_view name) {
  std::string words;
  for (const char c : name) {
    if (c >= 'A' && c <= 'Z' && !words.empty()) words.push_back(' ');
    words.push_back(ToLower(c));
  }
  return words;
}

std::string TagOf(std::string_view full_name) {
  const std::size_t method = full_name.rfind('.');
  const std::size_t service = full_name.rfind('.', method - 1);
  return ToLower(full_name.substr(service + 1, method - service - 1));
}

}  // namespace

StreamPtr<std::string> EventsOf(StreamPtr<MessagePtr> items) {
  return std::make_unique<EventStream>(std::move(items));
}

RouteHandler RestHandler(MethodBinding binding) {
  const auto method = std::make_shared<const RestDoor>(std::move(binding));
  return [method](Ctx ctx, HttpRequest request) {
    return method->Handle(std::move(ctx), std::move(request));
  };
}

void AddRestRoutes(const std::vector<MethodBinding>& bindings, HttpRoutes& routes) {
  for (const MethodBinding& binding : bindings) {
    const MethodInfo& info = *binding.info;
    if (info.path.empty()) continue;
    Route route;
    route.method = *ParseMethod(info.verb);
    route.pattern = info.path;
    route.scope = info.scope;
    route.open = info.scope.empty();
    route.body = route.method == HttpMethod::kPost ? BodyKind::kBuffered : BodyKind::kNone;
    if (!info.streaming) route.timeout = std::chrono::milliseconds(info.timeout_ms);
    route.handler = RestHandler(binding);
    // The comment in the .proto: its first sentence, and the rest.
    const std::string_view comment = info.doc;
    const std::size_t end = std::min(comment.find(". "), comment.size());
    route.doc.summary = comment.empty() ? Words(info.name) : std::string(comment.substr(0, end));
    if (end < comment.size()) route.doc.description = comment.substr(end + 2);
    route.doc.tag = TagOf(info.full_name);
    route.doc.request = binding.request->GetDescriptor();
    route.doc.reply = binding.reply->GetDescriptor();
    if (info.streaming) {
      route.doc.reply_media_type = "text/event-stream";
      route.doc.reply_may_stream = true;
    }
    routes.Add(std::move(route));
  }
}

}  // namespace tessera
