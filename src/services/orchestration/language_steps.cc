#include "services/orchestration/language_steps.h"

#include <algorithm>

#include "services/orchestration/citation.h"
#include "services/orchestration/sentences.h"

namespace tessera {
namespace {

constexpr std::uint32_t kContextFallback = 2048;  // tokens, of a model that does not say
constexpr std::uint32_t kTemplateTokens = 160;    // instructions around a context or part

std::uint32_t ContextTokens(const RunShared& shared) {
  return shared.model.context_tokens() > 0 ? shared.model.context_tokens() : kContextFallback;
}

// What is left of the model's context for documents when the answer and the instructions have their
// part.
std::uint32_t DocumentTokens(const RunShared& shared, std::uint32_t reserve) {
  const std::uint32_t wanted = shared.request.max_tokens();
  const std::uint32_t all = ContextTokens(shared);
  const std::uint32_t answer = std::min(wanted > 0 ? wanted : reserve, all / 2);
  return all > answer + kTemplateTokens + 64 ? all - answer - kTemplateTokens : 64;
}

Task<Result<std::vector<std::uint32_t>>> Count(Ctx ctx, RunShared* shared,
                                               std::vector<std::string> texts) {
  v1::CountTokensRequest request;
  request.set_model(shared->model.name());
  for (std::string& text : texts) request.add_texts(std::move(text));
  CO_TRY(const v1::CountTokensReply reply,
         co_await shared->inference.CountTokens(std::move(ctx), std::move(request)));
  co_return std::vector<std::uint32_t>(reply.counts().begin(), reply.counts().end());
}

// No token is shorter than a byte; the model may add one at each end.
std::size_t TokensAtMost(const std::vector<std::string>& texts) {
  std::size_t most = 0;
  for (const std::string& text : texts) most += text.size() + 2;
  return most;
}

std::string Numbered(const v1::Hit& hit, std::size_t number) {
  std::string text = StrCat("[", number, "] ");
  if (!hit.document().title().empty()) StrAppend(&text, hit.document().title(), ": ");
  return text + hit.chunk().text();
}

}  // namespace

void ContextStep::Options::Describe(Fields<Options>& f) {
  f.Optional("from", &Options::from, "Variable with the passages.");
  f.Optional("into", &Options::into, "Variable that gets the text.");
  f.Optional("tokens_max", &Options::tokens_max,
             "Longest text, in tokens; 0: what the model can read.");
  f.Optional("reserve", &Options::reserve,
             "Tokens kept for the answer when the caller set no limit.");
}

Task<Status> ContextStep::Execute(Ctx ctx, Run* run) const {
  const auto* found = std::get_if<Passages>(&run->variables.Get(options_.from));
  std::vector<std::string> texts;
  if (found != nullptr) {
    for (const v1::Hit& hit : *found) texts.push_back(Numbered(hit, texts.size() + 1));
  }
  std::uint32_t left = DocumentTokens(*run->shared, options_.reserve);
  if (options_.tokens_max > 0) left = std::min(left, options_.tokens_max);
  std::vector<std::uint32_t> counts(texts.size(), 0);
  if (TokensAtMost(texts) > left) {
    CO_TRY(counts, co_await Count(ctx, run->shared, texts));
  }
  std::size_t kept = 0;
  std::string context;
  while (kept < texts.size() && counts[kept] <= left) {
    left -= counts[kept];
    StrAppend(&context, kept > 0 ? "\n\n" : "", texts[kept]);
    ++kept;
  }
  if (found == nullptr || kept < found->size()) {
    Passages passages(kept);
    for (std::size_t i = 0; i < kept; ++i) passages[i] = (*found)[i];
    run->variables.Set(options_.from, std::move(passages));
  }
  run->variables.Set(options_.into, std::move(context));
  co_return absl::OkStatus();
}

void PromptStep::Options::Describe(Fields<Options>& f) {
  f.Required("text", &Options::text, "Template with {variables}.");
  f.Optional("into", &Options::into, "Variable that gets the filled text.");
  f.Optional("overridable", &Options::overridable,
             "The caller's own template, if it sent one, is used instead.");
}

Task<Status> PromptStep::Execute(Ctx ctx, Run* run) const {
  const std::string& own = run->shared->request.prompt_template();
  if (options_.overridable && !own.empty()) {
    CO_TRY(const Template text, Template::Parse(own));
    run->variables.Set(options_.into, text.Fill(run->variables));
  } else {
    run->variables.Set(options_.into, text_.Fill(run->variables));
  }
  co_return absl::OkStatus();
}

void GenerateStep::Options::Describe(Fields<Options>& f) {
  f.Optional("prompt", &Options::prompt, "Variable with the prompt, sent as the user's message.");
  f.Optional("system", &Options::system, "Template of the system message.");
  f.Optional("into", &Options::into, "Variable that gets the answer.");
  f.Optional("history", &Options::history, "Send the earlier messages of the conversation too.");
  f.Optional("stream", &Options::stream, "Send the answer to the client as it is written.");
  f.Optional("cite", &Options::cite, "Cite the passages that the answer's sentences rest on.");
  f.Optional("tokens_max", &Options::tokens_max,
             "Longest answer, in tokens; 0: the caller's limit.");
}

v1::GenerateRequest GenerateStep::Request(const Run& run) const {
  const v1::RunRequest& from = run.shared->request;
  v1::GenerateRequest request;
  request.set_model(run.shared->model.name());
  const auto add = [&request](const std::string& role, std::string content) {
    v1::Message* message = request.add_messages();
    message->set_role(role);
    message->set_content(std::move(content));
  };
  const std::string system = system_.Fill(run.variables);
  if (!system.empty()) add("system", system);
  if (options_.history) {
    for (int i = 0; i + 1 < from.messages_size(); ++i) {
      if (system.empty() || from.messages(i).role() != "system")
        *request.add_messages() = from.messages(i);
    }
  }
  add("user", ToText(run.variables.Get(options_.prompt)));
  request.set_max_tokens(options_.tokens_max > 0 ? options_.tokens_max : from.max_tokens());
  *request.mutable_sampling() = from.sampling();
  if (options_.stream) *request.mutable_stop() = from.stop();
  request.set_whole(from.whole() || !options_.stream);
  return request;
}

Task<Status> GenerateStep::Execute(Ctx ctx, Run* run) const {
  RunShared* const shared = run->shared;
  if (options_.stream) CO_TRY(co_await SendStep(ctx, shared, "generate"));
  const auto* passages = std::get_if<Passages>(&run->variables.Get("passages"));
  static const Passages kNone;
  std::optional<SentenceCiter> citer;
  if (options_.cite) {
    co_await SwitchTo(shared->cpu);  // it reads all passages, and then compares sentences
    citer.emplace(passages != nullptr ? *passages : kNone, shared->answer_code_points);
  }

  CO_TRY(StreamPtr<v1::GenerateEvent> stream,
         co_await shared->inference.Generate(ctx, Request(*run)));
  std::string answer;
  while (true) {
    CO_TRY(std::optional<v1::GenerateEvent> event, co_await stream->Next(ctx));
    std::string piece;
    if (citer) {
      piece = event ? citer->Add(event->text()) : citer->Finish();
    } else if (event) {
      piece = std::move(*event->mutable_text());
    }
    answer += piece;
    if (options_.stream) CO_TRY(co_await SendText(ctx, shared, std::move(piece)));
    if (!event) break;
    shared->Note(*event);
  }
  if (citer && options_.stream) {
    for (const v1::Citation& citation : citer->citations())
      *shared->last.add_citations() = citation;
  }
  run->variables.Set(options_.into, std::move(answer));
  co_return absl::OkStatus();
}

void SplitStep::Options::Describe(Fields<Options>& f) {
  f.Optional("from", &Options::from, "Variable with the texts.");
  f.Optional("into", &Options::into, "Variable that gets the parts.");
  f.Optional("first", &Options::first, "Variable that gets the first part alone.");
  f.Optional("tokens", &Options::tokens,
             "Longest part, in tokens; 0: the parameter chunk_size, or what the model can read.");
}

Task<Status> SplitStep::Execute(Ctx ctx, Run* run) const {
  co_await SwitchTo(run->shared->cpu);
  std::uint32_t limit = options_.tokens;
  const auto& parameters = run->shared->request.parameters();
  if (const auto size = parameters.find("chunk_size"); limit == 0 && size != parameters.end()) {
    limit = static_cast<std::uint32_t>(std::strtoul(size->second.c_str(), nullptr, 10));
  }
  const std::uint32_t fits = DocumentTokens(*run->shared, 256);
  limit = limit == 0 ? fits : std::min(limit, fits);

  std::vector<std::string> sentences;
  for (const std::string& text : ToTexts(run->variables.Get(options_.from))) {
    std::size_t at = 0;
    for (const SentenceSpan span : SplitSentences(text)) {
      sentences.push_back(text.substr(at, span.end - at));  // with the space before it
      at = span.end;
    }
  }
  CO_TRY(const std::vector<std::uint32_t> counts, co_await Count(ctx, run->shared, sentences));
  std::vector<std::string> parts;
  std::uint32_t used = limit;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    if (used + counts[i] > limit || parts.empty()) {
      parts.emplace_back();
      used = 0;
    }
    parts.back() += sentences[i];
    used += counts[i];
  }
  if (!options_.first.empty() && !parts.empty()) run->variables.Set(options_.first, parts.front());
  run->variables.Set(options_.into, std::move(parts));
  co_return absl::OkStatus();
}

void SayStep::Options::Describe(Fields<Options>& f) {
  f.Required("text", &Options::text, "Template with {variables}.");
  f.Optional("nothing_found", &Options::nothing_found,
             "Marks the answer as one that says that the documents do not cover the question.");
}

Task<Status> SayStep::Execute(Ctx ctx, Run* run) const {
  if (options_.nothing_found) run->shared->last.set_nothing_found(true);
  if (run->shared->last.finish_reason() == v1::FINISH_REASON_UNSPECIFIED) {
    run->shared->last.set_finish_reason(v1::FINISH_REASON_STOP);
  }
  return SendText(std::move(ctx), run->shared, text_.Fill(run->variables));
}

}  // namespace tessera
