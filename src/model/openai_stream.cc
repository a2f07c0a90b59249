#include "model/openai_stream.h"

#include <utility>

#include "base/json.h"
#include "base/str.h"
#include "model/openai_call.h"
#include "net/sse.h"

namespace tessera {
namespace {

constexpr Duration kRestTimeout = std::chrono::milliseconds(100);

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

std::string Text(const JsonValue& object, std::string_view name) {
  const auto value = object.Find(name);
  return std::string(value ? value->AsString().value_or("") : "");
}

v1::FinishReason FinishReasonOf(std::string_view word) {
  if (word == "length") return v1::FINISH_REASON_LENGTH;
  if (word == "tool_calls" || word == "function_call") return v1::FINISH_REASON_TOOL_CALLS;
  if (word == "content_filter") return v1::FINISH_REASON_CONTENT_FILTER;
  return v1::FINISH_REASON_STOP;
}

// Pieces of calls in a stream, or whole ones, which have no index.
void ReadToolCalls(const JsonValue& holder, v1::GenerateEvent& event) {
  const auto calls = holder.Find("tool_calls");
  if (!calls) return;
  std::uint32_t place = 0;
  for (const JsonValue& item : calls->Elements()) {
    v1::ToolCall& call = *event.add_tool_calls();
    const auto index = item.Find("index");
    call.set_index(static_cast<std::uint32_t>(index ? index->AsUint().value_or(place) : place));
    ++place;
    call.set_id(Text(item, "id"));
    const auto function = item.Find("function");
    if (!function) continue;
    call.set_name(Text(*function, "name"));
    call.set_arguments(Text(*function, "arguments"));
  }
}

void ReadLogprob(const JsonValue& item, v1::TokenLogprob& out) {
  out.set_token(Text(item, "token"));
  const auto logprob = item.Find("logprob");
  out.set_logprob(static_cast<float>(logprob ? logprob->AsDouble().value_or(0) : 0));
  const auto bytes = item.Find("bytes");
  if (!bytes || !bytes->is_array()) {
    out.set_bytes(out.token());
    return;
  }
  for (const JsonValue& byte : bytes->Elements()) {
    out.mutable_bytes()->push_back(static_cast<char>(byte.AsUint().value_or(0)));
  }
}

void ReadLogprobs(const JsonValue& choice, v1::GenerateEvent& event) {
  const auto logprobs = choice.Find("logprobs");
  const auto content = logprobs ? logprobs->Find("content") : std::nullopt;
  if (!content) return;
  for (const JsonValue& item : content->Elements()) {
    v1::TokenLogprob& token = *event.add_logprobs();
    ReadLogprob(item, token);
    const auto top = item.Find("top_logprobs");
    if (!top) continue;
    for (const JsonValue& other : top->Elements()) ReadLogprob(other, *token.add_top());
  }
}

bool SaysSomething(const v1::GenerateEvent& event) {
  return !event.text().empty() || event.tool_calls_size() > 0 || event.logprobs_size() > 0;
}

/// Reads chunks (or one whole answer) and says what they mean; remembers finish reason and usage.
class ChunkReader {
 public:
  explicit ChunkReader(std::string name) : name_(std::move(name)) {}

  /// What one chunk brings, which may be nothing.
  Result<v1::GenerateEvent> Read(const std::string& json) {
    TRY(const JsonDocument document, JsonDocument::Parse(json));
    const JsonValue root = document.root();
    if (root.Find("error")) {
      return ModelServerError(
          absl::StatusCode::kUnavailable,
          StrCat("model ", name_, ": its server failed: ", UpstreamMessage(json)));
    }
    if (const auto usage = root.Find("usage"); usage && usage->is_object())
      ReadUsage(*usage, usage_);
    v1::GenerateEvent event;
    const auto choices = root.Find("choices");
    if (!choices || choices->Elements().empty()) return event;
    const JsonValue choice = choices->Elements().front();
    if (const auto reason = choice.Find("finish_reason"); reason && reason->is_string())
      finish_ = FinishReasonOf(*reason->AsString());
    event.set_text(Text(choice, "text"));
    for (const char* holder : {"delta", "message"}) {
      const auto object = choice.Find(holder);
      if (!object) continue;
      event.set_text(Text(*object, "content"));
      ReadToolCalls(*object, event);
    }
    ReadLogprobs(choice, event);
    return event;
  }

  /// The server has said that this was all. Some do not say why; but one that said nothing failed.
  void Done(bool said_something) {
    if (!finished() && said_something) finish_ = v1::FINISH_REASON_STOP;
  }

  bool finished() const { return finish_ != v1::FINISH_REASON_UNSPECIFIED; }

  /// The last event, or the error that there is no proper end.
  Result<v1::GenerateEvent> End() const {
    if (!finished()) {
      return ModelServerError(
          absl::StatusCode::kUnavailable,
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
          chunks_.Done(named_);
          break;
        }
        CO_TRY(v1::GenerateEvent chunk, chunks_.Read(event->data));
        if (!SaysSomething(chunk)) continue;
        if (!std::exchange(named_, true)) chunk.set_model(name_);
        co_return chunk;
      }
      CO_TRY(std::optional<std::string> piece, co_await body_->Next(ctx));
      if (!piece) {
        ended_ = true;
      } else {
        CO_TRY(events_.Feed(*piece));
      }
    }
    if (last_sent_) {
      co_await ReadRest(std::move(ctx));
      co_return std::nullopt;
    }
    last_sent_ = true;
    CO_TRY(v1::GenerateEvent last, chunks_.End());
    if (!named_) last.set_model(name_);
    co_return last;
  }

 private:
  // A body that was read to its end leaves a connection that can be used again. What a server sends
  // behind the end of the answer is not waited for.
  Task<void> ReadRest(Ctx ctx) {
    if (!body_) co_return;
    const StreamPtr<std::string> body = std::move(body_);
    (void)co_await body->Next(ctx.WithTimeout(kRestTimeout));
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
  TRY(v1::GenerateEvent event, reader.Read(json));
  TRY(const v1::GenerateEvent end, reader.End());
  event.MergeFrom(end);
  event.set_model(std::move(name));
  return event;
}

}  // namespace tessera
