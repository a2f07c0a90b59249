#pragma once
// OpenAI's objects, as JSON.

#include <string>
#include <string_view>
#include <vector>

#include "base/json_writer.h"
#include "edge/facades/answer.h"

namespace tessera {

/// "tool_calls", in pieces with their index, or whole without; nothing when there are none.
void WriteToolCalls(JsonWriter& json, const std::vector<v1::ToolCall>& calls, bool pieces);
/// "logprobs"; null when there are none.
void WriteLogprobs(JsonWriter& json, const std::vector<v1::TokenLogprob>& tokens);
/// "stop", "length" …; null before the end.
void WriteFinishReason(JsonWriter& json, v1::FinishReason reason);
/// Adds up what a reply took. Choices of one prompt count it once.
enum class Prompts { kOne, kSeveral };
void AddUsage(const v1::Usage& more, Prompts prompts, v1::Usage* sum);
void WriteUsage(JsonWriter& json, const v1::Usage& usage);
/// The list of url_citation annotations. `origin` is "http://host" of the request.
void WriteAnnotations(JsonWriter& json, const std::vector<v1::Citation>& citations,
                      std::string_view origin);
/// {"answer_mode", "nothing_found"} of an answer from documents.
void WriteAnswerNote(JsonWriter& json, const AnswerPiece& last);
/// Where a stream breaks: {"error": {message, type, code}}, which OpenAI's clients raise.
std::string StreamErrorJson(const Status& status);

/// "http://" and the Host that the client used.
std::string Origin(const HttpRequest& request);
/// Seconds since 1970.
std::int64_t UnixSeconds();

}  // namespace tessera
