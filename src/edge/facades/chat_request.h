#pragma once
// The chat request that OpenAI and OPEA share, read from JSON.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "tessera/v1/orchestration.pb.h"

namespace tessera {

/// A chat as its caller asked for it.
struct ChatRequest {
  std::string model;
  std::vector<v1::Message> messages;
  v1::Sampling sampling;
  std::uint32_t max_tokens = 0;  ///< 0: as many as fit
  std::vector<std::string> stop;
  std::string json_schema;  ///< this and the next as GenerateRequest has them
  std::string tools;
  std::string tool_choice;
  std::optional<bool> parallel_tool_calls;
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;
  std::uint32_t n = 1;
  bool stream = false;
  bool include_usage = false;
  std::string user;

  // Of questions to documents.
  v1::AnswerMode answer_mode = v1::ANSWER_MODE_UNSPECIFIED;
  std::uint32_t passages_max = 0;
  std::string collection;
  std::string prompt_template;
  v1::SearchMode search_mode = v1::SEARCH_MODE_UNSPECIFIED;
  std::optional<float> mmr_lambda;
  std::optional<float> score_threshold;
};

/// Reads `messages`: a list of {role, content}, content a text or a list of text parts; a lone text
/// where `or_text`.
void ReadMessages(JsonFields& fields, bool or_text, JsonErrors& errors,
                  std::vector<v1::Message>* messages);
/// Reads temperature, top_p, seed, penalties and so on.
void ReadSampling(JsonFields& fields, v1::Sampling* sampling);

/// The body of POST /v1/chat/completions.
Result<ChatRequest> ReadOpenAiChat(std::string body);
/// The body of OPEA's megaservices (ChatCompletionRequest); `more` names what the service takes
/// besides, and those given are put into `parameters` as text.
Result<ChatRequest> ReadOpeaChat(std::string body, std::initializer_list<std::string_view> more,
                                 std::vector<std::pair<std::string, std::string>>* parameters);

/// A form of OPEA's as the JSON object that would say the same: numbers and flags ("32", "True") by
/// their looks, except in fields of text; empty fields are left out.
std::string OpeaFormJson(const std::vector<std::pair<std::string, std::string>>& fields);

/// One generation of it by a language model.
v1::GenerateRequest ToGenerate(const ChatRequest& chat);
/// One run of a graph for it.
v1::RunRequest ToRun(const ChatRequest& chat, std::string graph, std::string collection,
                     std::string model);

}  // namespace tessera
