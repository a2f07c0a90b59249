#include "model/openai_stream.h"

#include <utility>

#include "base/json.h"
#include "base/str.h"
#include "model/openai_call.h"
#include "net/sse.h"

namespace tessera {
namespace {

std::uint32_t Figure(const JsonValue& usage, std::string_view name) {
  const auto value = usage.Find(name);
  return static_cast<std::uint32_t>(value ? value->AsUint().value_or(0) : 0);
}

void ReadUsage(const JsonValue& usage, v1::Usage& out) {
  out.set_prompt_tokens(Figure(usage, "prompt_tokens"));
  out.set_completion_tokens(Figure(usage, "completion_tokens"));
  if (const auto details = usage.Find("prompt_tokens_details"))
    out.set_cached_tokens(Figure(*details, "cached_tokens"));
}

/// Reads chunks (or one whole answer) and says what they mean; remembers finish reason and usage.
class ChunkReader {
 public:
  explicit ChunkReader(std::string name) : name_(std::move(name)) {}

  /// The text of one chunk, which may be empty.
  Result<std::string> Read(const std::string& json) {
    TRY(const JsonDocument document, JsonDocument::Parse(json));
    const JsonValue root = document.root();
    if (root.Find("error")) {
      return absl::UnavailableError(
          StrCat("model ", name_, ": its server failed: ", UpstreamMessage(json)));
    }
    if (const auto usage = root.Find("usage"); usage && usage->is_object())
      ReadUsage(*usage, usage_);
    const auto choices = root.Find("choices");
    if (!choices || choices->Elements().empty()) return std::string();
    const JsonValue choice = choices->Elements().front();
    if (const auto reason = choice.Find("finish_reason"); reason && reason->is_string()) {
      finish_ = *reason->AsString() == "length" ? v1::FINISH_REASON_LENGTH : v1::FINISH_REASON_STOP;
    }
    std::optional<JsonValue> text = choice.Find("text");
    for (const char* holder : {"delta", "message"}) {
      if (const auto object = choice.Find(holder)) text = object->Find("content");
    }
    if (!text || !text->is_string()) return std::string();
    return std::string(*text->AsString());
  }

  bool finished() const { return finish_ != v1::FINISH_REASON_UNSPECIFIED; }

  /// The last event, or the error that there is no proper end.
  Result<v1::GenerateEvent> End() const {
    if (!finished()) {
      return absl::UnavailableError(
          StrCat("model ", name_, ": its server ended the answer in the middle"));
    }
    v1::GenerateEvent event;
    event.set_finish_reason(finish_);
    *event.mutable_usage() = usage_;
    return event;
  }

 private:
  const std::string name_;
  v1::FinishReason finish_ = v1::FINISH_REASON_UNSPECIFIED;
  v1::Usage usage_;
};

class OpenAiStream final : public Stream<v1::GenerateEvent> {
 public:
  OpenAiStream(std::string name, StreamPtr<std::string> body)
      : name_(name), chunks_(std::move(name)), body_(std::move(body)) {}

  Task<Result<std::optional<v1::GenerateEvent>>> Next(Ctx ctx) override {
    while (!ended_) {
      if (std::optional<SseReader::Event> event = events_.Next()) {
        if (event->data == "[DONE]") {
          ended_ = true;
          break;
        }
        CO_TRY(std::string text, chunks_.Read(event->data));
        if (text.empty()) continue;
        co_return Named(std::move(text));
      }
      CO_TRY(std::optional<std::string> piece, co_await body_->Next(ctx));
      if (!piece) {
        ended_ = true;
      } else {
        CO_TRY(events_.Feed(*piece));
      }
    }
    if (last_sent_) co_return std::nullopt;
    last_sent_ = true;
    CO_TRY(v1::GenerateEvent last, chunks_.End());
    if (!named_) last.set_model(name_);
    co_return last;
  }

 private:
  v1::GenerateEvent Named(std::string text) {
    v1::GenerateEvent event;
    event.set_text(std::move(text));
    if (!std::exchange(named_, true)) event.set_model(name_);
    return event;
  }

  const std::string name_;
  ChunkReader chunks_;
  SseReader events_;
  StreamPtr<std::string> body_;
  bool named_ = false;
  bool ended_ = false;
  bool last_sent_ = false;
};

}  // namespace

StreamPtr<v1::GenerateEvent> ReadOpenAiStream(std::string name, StreamPtr<std::string> body) {
  return std::make_unique<OpenAiStream>(std::move(name), std::move(body));
}

Result<v1::GenerateEvent> ReadOpenAiAnswer(std::string name, const std::string& json) {
  ChunkReader reader(name);
  TRY(std::string text, reader.Read(json));
  TRY(v1::GenerateEvent event, reader.End());
  event.set_text(std::move(text));
  event.set_model(std::move(name));
  return event;
}

}  // namespace tessera
