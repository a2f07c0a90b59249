#pragma once
// Answers as they are being made: by a language model, or by a graph over documents; one shape for
// both.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/stream.h"
#include "edge/facades/chat_request.h"
#include "edge/facades/facades.h"

namespace tessera {

/// A piece of an answer. The last one has `finish_reason`.
struct AnswerPiece {
  std::string step;  ///< what has begun, of a graph
  std::string text;
  v1::FinishReason finish_reason = v1::FINISH_REASON_UNSPECIFIED;
  std::optional<v1::Usage> usage;
  std::vector<v1::ToolCall> tool_calls;  ///< pieces, as GenerateEvent has them
  std::vector<v1::TokenLogprob> logprobs;
  std::vector<v1::Citation> citations;
  std::string model;
  bool of_documents = false;  ///< the last piece of an answer from documents says how it was made:
  v1::AnswerMode answer_mode = v1::ANSWER_MODE_UNSPECIFIED;
  bool nothing_found = false;
};

/// "rag" or "rag:COLLECTION" or "rag:COLLECTION:MODEL": answered from documents. Nothing for other
/// names.
struct RagModel {
  std::string collection = "default";
  std::string model;
};
std::optional<RagModel> ParseRagModel(std::string_view name);

/// Starts the answer that the chat asks for; the collection of a "rag" model must exist.
Task<Result<StreamPtr<AnswerPiece>>> StartAnswer(Ctx ctx, Contracts contracts, ChatRequest chat);
/// Starts a run of a graph.
Task<Result<StreamPtr<AnswerPiece>>> StartRun(Ctx ctx, Contracts contracts, v1::RunRequest request);

/// An answer read to its end.
struct WholeAnswer {
  std::string text;
  std::vector<v1::ToolCall> tool_calls;  ///< whole, in order
  std::vector<v1::TokenLogprob> logprobs;
  AnswerPiece last;  ///< finish_reason, usage, citations, model
};
Task<Result<WholeAnswer>> ReadAnswerToEnd(Ctx ctx, StreamPtr<AnswerPiece> pieces);

}  // namespace tessera
