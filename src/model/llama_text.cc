#include "model/llama_text.h"

#include <exception>

#include <common/chat-auto-parser.h>
#include <common/chat.h>
#include <common/json-schema-to-grammar.h>
#include <common/json.h>
#include <llama.h>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kMaxSchemaBytes = 64 << 10;
constexpr char kChatMl[] =
    "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\n' + message.content + "
    "'<|im_end|>\n' -}}{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' "
    "-}}{%- endif -%}";

std::string TokenText(const llama_vocab* vocabulary, llama_token token, bool special) {
  std::string text(32, '\0');
  auto length = llama_token_to_piece(vocabulary, token, text.data(),
                                     static_cast<std::int32_t>(text.size()), 0, special);
  if (length < 0) {
    text.resize(static_cast<std::size_t>(-length));
    length = llama_token_to_piece(vocabulary, token, text.data(),
                                  static_cast<std::int32_t>(text.size()), 0, special);
  }
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  return text;
}

std::string SpecialText(const llama_vocab* vocabulary, llama_token token) {
  return token == LLAMA_TOKEN_NULL ? std::string() : TokenText(vocabulary, token, true);
}

std::vector<std::int32_t> Tokenize(const llama_vocab* vocabulary, std::string_view text,
                                   bool add_special, bool markup) {
  std::vector<std::int32_t> tokens(text.size() / 3 + 8);
  const auto size = static_cast<std::int32_t>(text.size());
  // NOLINTBEGIN(bugprone-suspicious-stringview-data-usage): `size` goes with it
  auto count = llama_tokenize(vocabulary, text.data(), size, tokens.data(),
                              static_cast<std::int32_t>(tokens.size()), add_special, markup);
  if (count < 0) {
    tokens.resize(static_cast<std::size_t>(-count));
    count =
        llama_tokenize(vocabulary, text.data(), size, tokens.data(), -count, add_special, markup);
  }
  // NOLINTEND(bugprone-suspicious-stringview-data-usage)
  tokens.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return tokens;
}

}  // namespace

struct LlamaText::Template {
  common_chat_template chat;
  bool adds_start = false;
};

LlamaText::LlamaText() = default;
LlamaText::~LlamaText() = default;

Result<std::unique_ptr<LlamaText>> LlamaText::Make(const llama_model& model) {
  std::unique_ptr<LlamaText> made(new LlamaText());
  const llama_vocab* vocabulary = llama_model_get_vocab(&model);
  made->vocabulary_ = vocabulary;
  const char* source = llama_model_chat_template(&model, nullptr);
  try {
    // NOLINTNEXTLINE(modernize-make-unique): an aggregate
    made->template_.reset(
        new Template{common_chat_template(source != nullptr ? source : kChatMl,
                                          SpecialText(vocabulary, llama_vocab_bos(vocabulary)),
                                          SpecialText(vocabulary, llama_vocab_eos(vocabulary))),
                     llama_vocab_get_add_bos(vocabulary)});
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        StrCat("cannot read the model's chat template: ", error.what()));
  }
  for (llama_token token = 0; token < llama_vocab_n_tokens(vocabulary); ++token) {
    if (!llama_vocab_is_control(vocabulary, token)) continue;
    std::string text = TokenText(vocabulary, token, true);
    if (text.size() >= 3) made->markup_.push_back(std::move(text));
  }
  return made;
}

std::vector<std::int32_t> LlamaText::Encode(std::string_view text, bool markup) const {
  return Tokenize(vocabulary_, text, true, markup);
}

std::size_t LlamaText::Count(std::string_view text) const {
  return Tokenize(vocabulary_, text, false, false).size();
}

std::string LlamaText::Piece(std::int32_t token) const {
  return TokenText(vocabulary_, token, false);
}

bool LlamaText::IsEnd(std::int32_t token) const { return llama_vocab_is_eog(vocabulary_, token); }

std::string LlamaText::Disarm(std::string_view content) const {
  std::string text(content);
  for (const std::string& markup : markup_) {
    for (std::size_t at = text.find(markup); at != std::string::npos; at = text.find(markup, at))
      text.insert(at + 1, " ");
  }
  return text;
}

Result<std::string> LlamaText::ChatPrompt(const v1::GenerateRequest& request) const {
  try {
    const bool takes_system = template_->chat.original_caps().supports_system_role;
    common_json messages = common_json::array();
    std::string system;  // for templates that know no system role: goes before the first message
    for (const v1::Message& message : request.messages()) {
      std::string content = Disarm(message.content());
      if (message.role() == "system" && !takes_system) {
        StrAppend(&system, content, "\n\n");
        continue;
      }
      common_chat_msg item;
      item.role = message.role();
      item.content = system + content;
      system.clear();
      messages.push_back(item.to_json_oaicompat());
    }
    autoparser::generation_params params;
    params.messages = std::move(messages);
    params.add_generation_prompt = true;
    params.add_bos = template_->adds_start;
    return common_chat_template_direct_apply(template_->chat, params);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        StrCat("messages: the model's chat template refuses them: ", error.what()));
  }
}

Result<std::string> GrammarOfSchema(const std::string& schema) {
  if (schema.size() > kMaxSchemaBytes) {
    return absl::InvalidArgumentError(StrCat("json_schema: ", schema.size(), " bytes; at most ",
                                             kMaxSchemaBytes, " are accepted"));
  }
  try {
    const common_json parsed = common_json::parse(schema == "{}" ? R"({"type":"object"})" : schema);
    return json_schema_to_grammar(parsed);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(StrCat("json_schema: ", error.what()));
  }
}

}  // namespace tessera
