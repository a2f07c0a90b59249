#include "edge/facades/answer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/field_error.h"
#include "telemetry/trace.h"

namespace tessera {
namespace {

/// Notes when the first text of an answer was there.
class FirstText {
 public:
  void See(const Ctx& ctx, bool says) {
    if (!says || std::exchange(seen_, true)) return;
    if (ctx.info().spans) ctx.info().spans->SetElapsed(kFirstTextAttribute);
  }

 private:
  bool seen_ = false;
};

class GeneratedPieces final : public Stream<AnswerPiece> {
 public:
  explicit GeneratedPieces(StreamPtr<v1::GenerateEvent> events) : events_(std::move(events)) {}
  Task<Result<std::optional<AnswerPiece>>> Next(Ctx ctx) override {
    CO_TRY(std::optional<v1::GenerateEvent> event, co_await events_->Next(ctx));
    if (!event) co_return std::nullopt;
    first_.See(ctx, !event->text().empty() || event->tool_calls_size() > 0);
    AnswerPiece piece;
    piece.text = std::move(*event->mutable_text());
    piece.finish_reason = event->finish_reason();
    if (event->has_usage()) piece.usage = event->usage();
    piece.model = event->model();
    piece.tool_calls.assign(event->tool_calls().begin(), event->tool_calls().end());
    piece.logprobs.assign(event->logprobs().begin(), event->logprobs().end());
    co_return piece;
  }

 private:
  StreamPtr<v1::GenerateEvent> events_;
  FirstText first_;
};

class RunPieces final : public Stream<AnswerPiece> {
 public:
  explicit RunPieces(StreamPtr<v1::RunEvent> events) : events_(std::move(events)) {}
  Task<Result<std::optional<AnswerPiece>>> Next(Ctx ctx) override {
    CO_TRY(std::optional<v1::RunEvent> event, co_await events_->Next(ctx));
    if (!event) co_return std::nullopt;
    first_.See(ctx, !event->text().empty());
    AnswerPiece piece;
    piece.step = event->step();
    piece.text = std::move(*event->mutable_text());
    if (event->done()) {
      piece.finish_reason = event->finish_reason() == v1::FINISH_REASON_UNSPECIFIED
                                ? v1::FINISH_REASON_STOP
                                : event->finish_reason();
      piece.usage = event->usage();
      piece.citations.assign(event->citations().begin(), event->citations().end());
      piece.model = event->model();
      piece.of_documents = true;
      piece.answer_mode = event->answer_mode();
      piece.nothing_found = event->nothing_found();
    }
    co_return piece;
  }

 private:
  StreamPtr<v1::RunEvent> events_;
  FirstText first_;
};

}  // namespace

namespace {

// Pieces of one call follow one another under its index.
void Append(std::vector<v1::ToolCall> pieces, std::vector<v1::ToolCall>& calls) {
  for (v1::ToolCall& piece : pieces) {
    const auto same = std::find_if(calls.begin(), calls.end(), [&](const v1::ToolCall& call) {
      return call.index() == piece.index();
    });
    if (same == calls.end()) {
      calls.push_back(std::move(piece));
    } else {
      if (!piece.id().empty()) same->set_id(piece.id());
      if (!piece.name().empty()) same->set_name(piece.name());
      same->mutable_arguments()->append(piece.arguments());
    }
  }
}

}  // namespace

std::optional<RagModel> ParseRagModel(std::string_view name) {
  RagModel rag;
  if (name == "rag") return rag;
  if (!name.starts_with("rag:")) return std::nullopt;
  name.remove_prefix(4);
  const std::size_t colon = name.find(':');
  rag.collection = name.substr(0, colon);
  if (colon != std::string_view::npos) rag.model = name.substr(colon + 1);
  return rag;
}

Task<Result<StreamPtr<AnswerPiece>>> StartRun(Ctx ctx, Contracts contracts,
                                              v1::RunRequest request) {
  CO_TRY(StreamPtr<v1::RunEvent> events,
         co_await contracts.orchestration.Run(std::move(ctx), std::move(request)));
  StreamPtr<AnswerPiece> pieces = std::make_unique<RunPieces>(std::move(events));
  co_return pieces;
}

Task<Result<StreamPtr<AnswerPiece>>> StartAnswer(Ctx ctx, Contracts contracts, ChatRequest chat) {
  if (const auto rag = ParseRagModel(chat.model)) {
    if (!chat.json_schema.empty()) {
      co_return InvalidField("response_format", "answers from documents are free text");
    }
    if (!chat.tools.empty()) {
      co_return InvalidField("tools", "answers from documents call no functions; name a model");
    }
    if (chat.logprobs) {
      co_return InvalidField("logprobs", "answers from documents have none; name a model");
    }
    v1::RunRequest request = ToRun(chat, "chatqna", rag->collection, rag->model);
    co_return co_await StartRun(std::move(ctx), contracts, std::move(request));
  }
  CO_TRY(StreamPtr<v1::GenerateEvent> events,
         co_await contracts.inference.Generate(std::move(ctx), ToGenerate(chat)));
  StreamPtr<AnswerPiece> pieces = std::make_unique<GeneratedPieces>(std::move(events));
  co_return pieces;
}

Task<Result<WholeAnswer>> ReadAnswerToEnd(Ctx ctx, StreamPtr<AnswerPiece> pieces) {
  WholeAnswer answer;
  std::string model;
  while (true) {
    CO_TRY(std::optional<AnswerPiece> piece, co_await pieces->Next(ctx));
    if (!piece) break;
    answer.text += piece->text;
    Append(std::move(piece->tool_calls), answer.tool_calls);
    std::move(piece->logprobs.begin(), piece->logprobs.end(), std::back_inserter(answer.logprobs));
    if (!piece->model.empty()) model = piece->model;
    if (piece->finish_reason != v1::FINISH_REASON_UNSPECIFIED) answer.last = *std::move(piece);
  }
  answer.last.model = std::move(model);
  if (answer.last.finish_reason == v1::FINISH_REASON_UNSPECIFIED) {
    co_return absl::DataLossError("the answer ended before its end; try again");
  }
  co_return answer;
}

}  // namespace tessera
