#pragma once
// The text side of a GGUF model: its tokenizer, its chat template, grammars from JSON schemas.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "model/llama_handles.h"
#include "tessera/v1/inference.pb.h"

namespace tessera {

/// Immutable; thread-safe. The model must outlive it.
class LlamaText {
 public:
  /// INVALID_ARGUMENT when the model's chat template cannot be read.
  static Result<std::unique_ptr<LlamaText>> Make(const llama_model& model);
  ~LlamaText();

  /// With the model's own start token where it wants one. `markup`: "<|im_start|>" and its like are
  /// control tokens.
  std::vector<std::int32_t> Encode(std::string_view text, bool markup) const;
  /// As Encode, without the start token and without markup.
  std::size_t Count(std::string_view text) const;
  /// The bytes of a token, perhaps a part of a character; empty for control tokens.
  std::string Piece(std::int32_t token) const;
  /// The token ends an answer.
  bool IsEnd(std::int32_t token) const;
  const llama_vocab* vocabulary() const { return vocabulary_; }

  /// The prompt of a chat, by the model's template (ChatML where it has none), open for the
  /// assistant's answer. Control tokens written out in messages lose their meaning.
  /// INVALID_ARGUMENT for roles that the template refuses.
  Result<std::string> ChatPrompt(const v1::GenerateRequest& request) const;

 private:
  struct Template;
  LlamaText();
  std::string Disarm(std::string_view content) const;

  const llama_vocab* vocabulary_ = nullptr;
  std::unique_ptr<Template> template_;
  std::vector<std::string> markup_;  // control tokens as text
};

/// A GBNF grammar for a JSON schema; "{}" gives any JSON object. INVALID_ARGUMENT says what is
/// wrong with the schema.
Result<std::string> GrammarOfSchema(const std::string& schema);

}  // namespace tessera
