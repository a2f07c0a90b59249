#include "edge/facades/chat_request.h"

#include <algorithm>
#include <utility>

#include "base/field_error.h"
#include "base/json_writer.h"

namespace tessera {
namespace {

constexpr std::size_t kMessagesMax = 2048;
constexpr std::int64_t kTokensMax = 1 << 20;
constexpr std::int64_t kChoicesMax = 16;
constexpr std::size_t kStopsMax = 16;
constexpr std::size_t kToolsMax = 128;
constexpr std::int64_t kTopLogprobsMax = 20;

std::string ReadContent(JsonFields& message, JsonErrors& errors) {
  const std::optional<JsonValue> content = message.Take("content");
  if (!content) return {};
  if (const auto text = content->AsString()) return std::string(*text);
  if (!content->is_array()) {
    message.Error("content",
                  "must be a string or a list of parts {\"type\": \"text\", \"text\": …}");
    return {};
  }
  std::string joined;
  std::size_t index = 0;
  for (const JsonValue& element : content->Elements()) {
    JsonFields part(element, message.At("content", index), errors);
    std::string type = "text";
    std::string text;
    part.String("type", &type);
    if (type == "text" || type == "input_text") {
      part.Require("text");
      if (part.String("text", &text)) StrAppend(&joined, joined.empty() ? "" : "\n", text);
      part.Finish();
    } else {
      part.Error("type",
                 StrCat("\"", type, "\" is not supported: this server's models read text only"));
    }
    ++index;
  }
  return joined;
}

void ReadToolCalls(JsonFields& message, JsonErrors& errors, v1::Message* out) {
  const auto calls = message.Take("tool_calls");
  if (!calls) return;
  if (!calls->is_array()) message.Error("tool_calls", "must be a list");
  const std::vector<JsonValue> elements = calls->Elements();
  for (std::size_t i = 0; i < elements.size(); ++i) {
    JsonFields call(elements[i], message.At("tool_calls", i), errors);
    v1::ToolCall* made = out->add_tool_calls();
    call.Ignore({"type", "index"});
    call.String("id", made->mutable_id(), 256);
    call.Require("function");
    if (const auto object = call.Object("function")) {
      JsonFields function(*object, call.At("function"), errors);
      function.Require("name");
      function.String("name", made->mutable_name(), 128);
      function.String("arguments", made->mutable_arguments());
      function.Finish();
    }
    call.Finish();
  }
}

void ReadResponseFormat(JsonFields& fields, JsonErrors& errors, std::string* schema) {
  const auto object = fields.Object("response_format");
  if (!object) return;
  JsonFields format(*object, fields.At("response_format"), errors);
  std::string type;
  format.Require("type");
  format.OneOf("type", &type, {"text", "json_object", "json_schema"});
  if (type == "json_object") *schema = "{}";
  if (type == "json_schema") {
    format.Require("json_schema");
    if (const auto wrapper = format.Object("json_schema")) {
      JsonFields inner(*wrapper, format.At("json_schema"), errors);
      inner.Ignore({"name", "strict", "description"});
      inner.Require("schema");
      if (const auto value = inner.Object("schema")) *schema = value->ToJson();
      inner.Finish();
    }
  }
  format.Finish();
}

void ReadStop(JsonFields& fields, std::vector<std::string>* stop) {
  fields.Strings("stop", stop, true);
  if (stop->size() > kStopsMax) fields.Error("stop", StrCat("at most ", kStopsMax, " strings"));
  if (std::any_of(stop->begin(), stop->end(), [](const std::string& s) { return s.empty(); })) {
    fields.Error("stop", "must not contain an empty string");
  }
}

void ReadLimits(JsonFields& fields, ChatRequest* chat) {
  std::int64_t tokens = 0;
  fields.Int("max_tokens", &tokens, 1, kTokensMax);
  fields.Int("max_completion_tokens", &tokens, 1, kTokensMax);
  chat->max_tokens = static_cast<std::uint32_t>(tokens);
  std::int64_t n = 1;
  fields.Int("n", &n, 1, kChoicesMax);
  chat->n = static_cast<std::uint32_t>(n);
}

void ReadTool(JsonFields& tool, JsonErrors& errors) {
  std::string type;
  tool.Require("type");
  tool.OneOf("type", &type, {"function"});
  tool.Require("function");
  if (const auto object = tool.Object("function")) {
    JsonFields function(*object, tool.At("function"), errors);
    std::string text;
    bool strict = false;
    function.Require("name");
    function.String("name", &text, 128);
    function.String("description", &text);
    function.Bool("strict", &strict);
    function.Object("parameters");
    function.Finish();
  }
  tool.Finish();
}

// Checked here, and handed on as it came.
void ReadTools(JsonFields& fields, JsonErrors& errors, ChatRequest* chat) {
  const auto list = fields.Take("tools");
  if (list && !list->is_array()) fields.Error("tools", "must be a list");
  const std::vector<JsonValue> tools = list ? list->Elements() : std::vector<JsonValue>();
  if (tools.size() > kToolsMax) fields.Error("tools", StrCat("at most ", kToolsMax));
  for (std::size_t i = 0; i < tools.size(); ++i) {
    JsonFields tool(tools[i], fields.At("tools", i), errors);
    ReadTool(tool, errors);
  }
  if (!tools.empty()) chat->tools = list->ToJson();
  if (const auto choice = fields.Take("tool_choice")) {
    const auto word = choice->AsString();
    const bool known = word ? *word == "none" || *word == "auto" || *word == "required"
                            : choice->is_object() && choice->Find("function").has_value();
    if (!known) {
      fields.Error("tool_choice",
                   "must be none, auto, required, or {\"type\": \"function\", \"function\": "
                   "{\"name\": …}}");
    } else if (tools.empty() && !(word && (*word == "none" || *word == "auto"))) {
      fields.Error("tool_choice", "asks for a call, but there are no tools");
    }
    if (!tools.empty()) chat->tool_choice = choice->ToJson();
  }
  bool parallel = false;
  if (fields.Bool("parallel_tool_calls", &parallel) && !tools.empty()) {
    chat->parallel_tool_calls = parallel;
  }
}

void ReadLogprobs(JsonFields& fields, ChatRequest* chat) {
  fields.Bool("logprobs", &chat->logprobs);
  std::int64_t top = 0;
  fields.Int("top_logprobs", &top, 0, kTopLogprobsMax);
  if (top > 0 && !chat->logprobs) fields.Error("top_logprobs", "needs logprobs: true");
  chat->top_logprobs = static_cast<std::uint32_t>(top);
}

// What is accepted only as long as it asks for nothing.
void RefuseUnsupported(JsonFields& fields) {
  const auto functions = fields.Take("functions");
  if (functions && !(functions->is_array() && functions->Elements().empty())) {
    fields.Error("functions", "is the old form and not supported: send tools");
  }
  const auto bias = fields.Take("logit_bias");
  if (bias && !(bias->is_object() && bias->Members().empty())) {
    fields.Error("logit_bias", "is not supported by this server: leave it out");
  }
  fields.Ignore({"function_call", "user", "store", "metadata", "service_tier", "reasoning_effort",
                 "modalities", "safety_identifier", "prompt_cache_key", "verbosity"});
}

void ReadAnswer(JsonFields& fields, ChatRequest* chat) {
  std::string mode;
  fields.OneOf("answer_mode", &mode, {"auto", "extractive", "generative"});
  chat->answer_mode = mode == "extractive"   ? v1::ANSWER_MODE_EXTRACTIVE
                      : mode == "generative" ? v1::ANSWER_MODE_GENERATIVE
                                             : v1::ANSWER_MODE_UNSPECIFIED;
}

// OPEA's search types; threshold and diversity count only for the type that they belong to.
void ReadSearchType(JsonFields& fields, ChatRequest* chat) {
  std::string type;
  fields.OneOf(
      "search_type", &type,
      {"similarity", "similarity_distance_threshold", "similarity_score_threshold", "mmr"});
  double number = 0.5;
  fields.Double("lambda_mult", &number, 0, 1);
  if (type == "mmr") chat->mmr_lambda = static_cast<float>(number);
  number = 0.2;
  fields.Double("score_threshold", &number, 0, 1);
  if (type == "similarity_score_threshold") chat->score_threshold = static_cast<float>(number);
}

}  // namespace

void ReadMessages(JsonFields& fields, bool or_text, JsonErrors& errors,
                  std::vector<v1::Message>* messages) {
  if (!fields.Require("messages")) return;
  if (or_text) {
    const auto value = fields.Take("messages");
    if (const auto text = value ? value->AsString() : std::nullopt) {
      v1::Message& message = messages->emplace_back();
      message.set_role("user");
      message.set_content(std::string(*text));
      return;
    }
  }
  const auto elements = fields.Array("messages");
  if (!elements) return;
  if (elements->empty()) fields.Error("messages", "must have at least one message");
  if (elements->size() > kMessagesMax) {
    fields.Error("messages", StrCat("at most ", kMessagesMax, " messages"));
    return;
  }
  for (std::size_t i = 0; i < elements->size(); ++i) {
    JsonFields fields_of((*elements)[i], fields.At("messages", i), errors);
    v1::Message& message = messages->emplace_back();
    std::string role;
    fields_of.Require("role");
    fields_of.OneOf("role", &role, {"system", "developer", "user", "assistant", "tool"});
    message.set_role(role == "developer" ? "system" : role);
    message.set_content(ReadContent(fields_of, errors));
    ReadToolCalls(fields_of, errors, &message);
    fields_of.String("tool_call_id", message.mutable_tool_call_id(), 256);
    fields_of.Ignore(
        {"name", "refusal", "annotations", "audio", "function_call", "reasoning_content"});
    fields_of.Finish();
  }
}

void ReadSampling(JsonFields& fields, v1::Sampling* sampling) {
  double number = 0;
  if (fields.Double("temperature", &number, 0, 2))
    sampling->set_temperature(static_cast<float>(number));
  if (fields.Double("top_p", &number, 0, 1)) sampling->set_top_p(static_cast<float>(number));
  if (fields.Double("min_p", &number, 0, 1)) sampling->set_min_p(static_cast<float>(number));
  if (fields.Double("frequency_penalty", &number, -2, 2)) {
    sampling->set_frequency_penalty(static_cast<float>(number));
  }
  if (fields.Double("presence_penalty", &number, -2, 2)) {
    sampling->set_presence_penalty(static_cast<float>(number));
  }
  if (fields.Double("repetition_penalty", &number, 0.01, 10)) {
    sampling->set_repetition_penalty(static_cast<float>(number));
  }
  std::int64_t whole = 0;
  if (fields.Int("top_k", &whole, 0, 1 << 20))
    sampling->set_top_k(static_cast<std::uint32_t>(whole));
  if (fields.Int("seed", &whole)) sampling->set_seed(static_cast<std::uint64_t>(whole));
}

Result<ChatRequest> ReadOpenAiChat(std::string body) {
  TRY(const JsonDocument document, JsonDocument::Parse(std::move(body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  ChatRequest chat;
  fields.Require("model");
  fields.String("model", &chat.model, 256);
  ReadMessages(fields, false, errors, &chat.messages);
  ReadSampling(fields, &chat.sampling);
  ReadLimits(fields, &chat);
  ReadStop(fields, &chat.stop);
  ReadResponseFormat(fields, errors, &chat.json_schema);
  fields.Bool("stream", &chat.stream);
  if (const auto object = fields.Object("stream_options")) {
    JsonFields options(*object, "stream_options", errors);
    options.Bool("include_usage", &chat.include_usage);
    options.Ignore({"include_obfuscation"});
    options.Finish();
  }
  fields.String("user", &chat.user, 512);
  ReadAnswer(fields, &chat);
  ReadTools(fields, errors, &chat);
  ReadLogprobs(fields, &chat);
  RefuseUnsupported(fields);
  fields.Finish();
  TRY(errors.status());
  return chat;
}

Result<ChatRequest> ReadOpeaChat(std::string body, std::initializer_list<std::string_view> more,
                                 std::vector<std::pair<std::string, std::string>>* parameters) {
  TRY(const JsonDocument document, JsonDocument::Parse(std::move(body)));
  JsonErrors errors;
  JsonFields fields(document.root(), "", errors);
  ChatRequest chat;
  chat.stream = true;  // OPEA's megaservices stream unless told otherwise
  chat.sampling.set_temperature(0.01f);
  chat.max_tokens = 1024;
  std::string ignored_model;  // OPEA answers with its configured model, whatever the caller names
  fields.String("model", &ignored_model, 256);
  ReadMessages(fields, true, errors, &chat.messages);
  ReadSampling(fields, &chat.sampling);
  ReadStop(fields, &chat.stop);
  ReadResponseFormat(fields, errors, &chat.json_schema);
  fields.Bool("stream", &chat.stream);
  std::int64_t number = 0;
  if (fields.Int("max_tokens", &number, 1, kTokensMax))
    chat.max_tokens = static_cast<std::uint32_t>(number);
  if (fields.Int("max_new_tokens", &number, 1, kTokensMax))
    chat.max_tokens = static_cast<std::uint32_t>(number);
  if (fields.Int("k", &number, 1, 200)) chat.passages_max = static_cast<std::uint32_t>(number);
  if (fields.Int("top_n", &number, 1, 200)) chat.passages_max = static_cast<std::uint32_t>(number);
  ReadSearchType(fields, &chat);
  fields.String("index_name", &chat.collection, 64);
  fields.String("chat_template", &chat.prompt_template, 64 << 10);
  ReadAnswer(fields, &chat);
  for (const std::string_view name : more) {
    const auto value = fields.Take(name);
    if (value)
      parameters->emplace_back(
          name, value->AsString() ? std::string(*value->AsString()) : value->ToJson());
  }
  // Fields of OPEA's request that change nothing here; they are known, so that a misspelt one is
  // not.
  fields.Ignore({"modalities",
                 "logit_bias",
                 "logprobs",
                 "top_logprobs",
                 "n",
                 "service_tier",
                 "stream_options",
                 "tools",
                 "tool_choice",
                 "parallel_tool_calls",
                 "user",
                 "language",
                 "image_path",
                 "audio_path",
                 "best_of",
                 "suffix",
                 "typical_p",
                 "timeout",
                 "echo",
                 "add_generation_prompt",
                 "add_special_tokens",
                 "documents",
                 "chat_template_kwargs",
                 "input",
                 "encoding_format",
                 "dimensions",
                 "embedding",
                 "distance_threshold",
                 "fetch_k",
                 "retrieved_docs",
                 "reranked_docs",
                 "request_type",
                 "id",
                 "key_index_name",
                 "constraints"});
  fields.Finish();
  TRY(errors.status());
  return chat;
}

std::string OpeaFormJson(const std::vector<std::pair<std::string, std::string>>& fields) {
  static constexpr std::string_view kTexts[] = {
      "messages",    "type", "model", "language",      "summary_type", "index_name",
      "search_type", "stop", "user",  "chat_template", "answer_mode"};
  JsonWriter json;
  json.BeginObject();
  for (const auto& [name, value] : fields) {
    const bool text = std::find(std::begin(kTexts), std::end(kTexts), name) != std::end(kTexts);
    if (value.empty() && name != "messages") continue;
    json.Key(name);
    if (text) {
      json.Value(value);
      continue;
    }
    const std::string lower = ToLower(value);
    const Result<JsonDocument> literal = JsonDocument::Parse(lower);
    const bool plain = literal.ok() && !literal->root().is_string();
    plain ? json.Raw(literal->root().ToJson()) : json.Value(value);
  }
  json.EndObject();
  return json.Take();
}

v1::GenerateRequest ToGenerate(const ChatRequest& chat) {
  v1::GenerateRequest request;
  request.set_model(chat.model);
  for (const v1::Message& message : chat.messages) *request.add_messages() = message;
  request.set_max_tokens(chat.max_tokens);
  *request.mutable_sampling() = chat.sampling;
  for (const std::string& stop : chat.stop) request.add_stop(stop);
  request.set_json_schema(chat.json_schema);
  request.set_tools(chat.tools);
  request.set_tool_choice(chat.tool_choice);
  if (chat.parallel_tool_calls) request.set_parallel_tool_calls(*chat.parallel_tool_calls);
  request.set_whole(!chat.stream);
  request.set_logprobs(chat.logprobs);
  request.set_top_logprobs(chat.top_logprobs);
  request.set_prefix_key(chat.user);
  return request;
}

v1::RunRequest ToRun(const ChatRequest& chat, std::string graph, std::string collection,
                     std::string model) {
  v1::RunRequest request;
  request.set_graph(std::move(graph));
  for (const v1::Message& message : chat.messages) *request.add_messages() = message;
  request.set_collection(std::move(collection));
  request.set_model(std::move(model));
  request.set_max_tokens(chat.max_tokens);
  *request.mutable_sampling() = chat.sampling;
  for (const std::string& stop : chat.stop) request.add_stop(stop);
  request.set_answer_mode(chat.answer_mode);
  request.set_passages_max(chat.passages_max);
  request.set_prompt_template(chat.prompt_template);
  request.set_search_mode(chat.search_mode);
  request.set_whole(!chat.stream);
  if (chat.mmr_lambda) request.set_mmr_lambda(*chat.mmr_lambda);
  if (chat.score_threshold) request.set_score_threshold(*chat.score_threshold);
  return request;
}

}  // namespace tessera
