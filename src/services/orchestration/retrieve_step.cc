#include "services/orchestration/retrieve_step.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "flags/flags.h"
#include "services/orchestration/sentences.h"
#include "services/orchestration/text_search.h"

namespace tessera {
namespace {

constexpr std::uint32_t kLimitMax = 100;

// Words that point back at something said before.
bool LeansOnHistory(const std::string& question) {
  static const std::set<std::string> kPointers = {"it",    "its",   "that", "this", "they", "them",
                                                  "those", "these", "he",   "she",  "his",  "her",
                                                  "there", "their", "more", "else", "same"};
  std::string word;
  int words = 0;
  bool points = false;
  for (const char c : question + " ") {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
      continue;
    }
    if (word.empty()) continue;
    ++words;
    points = points || kPointers.contains(word);
    word.clear();
  }
  return points || words <= 3;
}

std::string EarlierQuestion(const v1::RunRequest& request) {
  for (int i = request.messages_size() - 2; i >= 0; --i) {
    if (request.messages(i).role() == "user") return request.messages(i).content();
  }
  return {};
}

Task<Result<std::string>> Ask(Ctx ctx, RunShared* shared, v1::GenerateRequest request) {
  CO_TRY(StreamPtr<v1::GenerateEvent> stream,
         co_await shared->inference.Generate(ctx, std::move(request)));
  std::string text;
  while (true) {
    CO_TRY(std::optional<v1::GenerateEvent> event, co_await stream->Next(ctx));
    if (!event) co_return text;
    text += event->text();
  }
}

v1::GenerateRequest RewriteRequest(const RunShared& shared, std::uint32_t tokens_max) {
  std::string conversation;
  for (const v1::Message& message : shared.request.messages()) {
    StrAppend(&conversation, message.role(), ": ", message.content(), "\n");
  }
  v1::GenerateRequest request;
  request.set_model(shared.model.name());
  request.set_max_tokens(tokens_max);
  request.mutable_sampling()->set_temperature(0);
  v1::Message* message = request.add_messages();
  message->set_role("user");
  message->set_content(
      StrCat("Rewrite the last question of this conversation so that it can be understood without "
             "the rest. "
             "Answer with the question only.\n\n",
             conversation));
  return request;
}

std::uint32_t LimitFor(const Ctx& ctx, const RetrieveStep::Options& options) {
  if (options.limit_flag.empty()) return options.limit;
  const std::int64_t limit = IntegerFlag(ctx, options.limit_flag, options.limit);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(limit, 1, kLimitMax));
}

}  // namespace

void RewriteStep::Options::Describe(Fields<Options>& f) {
  f.Optional("tokens_max", &Options::tokens_max, "Longest rewritten question, in tokens.", 8u,
             1024u);
}

Task<Status> RewriteStep::Execute(Ctx ctx, Run* run) const {
  RunShared* const shared = run->shared;
  const std::string question = ToText(run->variables.Get("question"));
  const std::string earlier = EarlierQuestion(shared->request);
  if (earlier.empty()) co_return absl::OkStatus();
  if (!shared->model.demo()) {
    CO_TRY(co_await SendStep(ctx, shared, "rewrite"));
    const Result<std::string> rewritten =
        co_await Ask(ctx, shared, RewriteRequest(*shared, options_.tokens_max));
    CO_TRY(ctx.Check());
    if (rewritten.ok() && !rewritten->empty()) {
      run->variables.Set("question", *rewritten);
      co_return absl::OkStatus();
    }
  }
  if (LeansOnHistory(question)) run->variables.Set("question", StrCat(earlier, "\n", question));
  co_return absl::OkStatus();
}

void RetrieveStep::Options::Describe(Fields<Options>& f) {
  f.Optional("limit", &Options::limit, "Most passages.", 1u, kLimitMax);
  f.Optional("limit_flag", &Options::limit_flag,
             "An integer feature flag that says the limit for a caller, where there is one.");
  f.Optional("cosine_min", &Options::cosine_min,
             "A passage this similar to the question (cosine of their embeddings) is relevant.",
             -1.0, 1.0);
  f.Optional("coverage_min", &Options::coverage_min,
             "A passage that has this part of the question's words is relevant too.", 0.0, 1.0);
  f.Optional("into", &Options::into, "Variable that gets the passages.");
}

bool RetrieveStep::AllSimilar(const v1::SearchReply& reply) const {
  return std::all_of(reply.hits().begin(), reply.hits().end(),
                     [this](const v1::Hit& hit) { return hit.cosine() >= options_.cosine_min; });
}

Passages RetrieveStep::Relevant(const std::string& question, v1::SearchReply reply) const {
  Passages passages;
  if (AllSimilar(reply)) {
    passages.assign(std::make_move_iterator(reply.mutable_hits()->begin()),
                    std::make_move_iterator(reply.mutable_hits()->end()));
    return passages;
  }
  const std::set<std::string> wanted = ContentWords(question);
  for (v1::Hit& hit : *reply.mutable_hits()) {
    const bool similar = hit.cosine() >= options_.cosine_min;
    const bool covers =
        !similar &&
        Coverage(wanted, ContentWords(StrCat(hit.document().title(), " ", hit.chunk().heading(),
                                             " ", hit.chunk().text()))) >= options_.coverage_min;
    if (similar || covers) passages.push_back(std::move(hit));
  }
  return passages;
}

Task<Status> RetrieveStep::Execute(Ctx ctx, Run* run) const {
  RunShared* const shared = run->shared;
  const v1::RunRequest& request = shared->request;
  CO_TRY(co_await SendStep(ctx, shared, "retrieve"));
  const std::string question = ToText(run->variables.Get("question"));

  v1::SearchRequest search;
  search.set_collection(request.collection());
  search.set_query(question);
  search.set_mode(request.search_mode());
  search.set_limit(request.passages_max() > 0 ? request.passages_max() : LimitFor(ctx, options_));
  if (request.has_filter()) *search.mutable_filter() = request.filter();
  if (request.has_score_threshold()) search.set_score_threshold(request.score_threshold());
  if (request.has_mmr_lambda()) search.set_mmr_lambda(request.mmr_lambda());
  const v1::Collection* const known = shared->collection ? &*shared->collection : nullptr;
  CO_TRY(TextSearchReply found,
         co_await SearchByText(ctx, &shared->inference, &shared->retrieval, std::move(search),
                               QueryVector::kAlways, known));
  run->question_vector = std::move(found.vector);
  run->question_embedder = std::move(found.embedder);
  if (!AllSimilar(found.reply)) co_await SwitchTo(shared->cpu);  // comparing words takes long
  Passages passages = Relevant(question, std::move(found.reply));

  v1::RunEvent event;
  if (!request.answer_only()) event.mutable_passages()->Add(passages.begin(), passages.end());
  run->variables.Set(options_.into, std::move(passages));
  if (request.answer_only()) co_return absl::OkStatus();
  co_return co_await shared->events->Send(std::move(ctx), std::move(event));
}

void RerankStep::Options::Describe(Fields<Options>& f) {
  f.Optional("flag", &Options::flag,
             "A boolean feature flag: only where it is true for the caller. Empty: always.");
  f.Optional("model", &Options::model, "Reranker; empty: the default.");
  f.Optional("limit", &Options::limit, "Most passages that are kept; 0: all.", 0u, 100u);
  f.Optional("from", &Options::from, "Variable with the passages.");
  f.Optional("into", &Options::into, "Variable that gets them in their new order.");
}

Task<Status> RerankStep::Execute(Ctx ctx, Run* run) const {
  if (!options_.flag.empty() && !BoolFlag(ctx, options_.flag, false)) co_return absl::OkStatus();
  RunShared* const shared = run->shared;
  const auto* found = std::get_if<Passages>(&run->variables.Get(options_.from));
  if (found == nullptr || found->empty()) co_return absl::OkStatus();
  CO_TRY(co_await SendStep(ctx, shared, "rerank"));
  v1::RerankRequest request;
  request.set_model(options_.model);
  request.set_query(ToText(run->variables.Get("question")));
  for (const v1::Hit& hit : *found) request.add_passages(hit.chunk().text());
  CO_TRY(const v1::RerankReply reply, co_await shared->inference.Rerank(ctx, std::move(request)));
  if (static_cast<std::size_t>(reply.scores_size()) != found->size()) {
    co_return absl::InternalError("the reranker made another number of scores than passages");
  }
  std::vector<int> order(found->size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&reply](int a, int b) { return reply.scores(a) > reply.scores(b); });
  if (options_.limit > 0 && order.size() > options_.limit) order.resize(options_.limit);
  Passages passages;
  for (const int place : order) {
    passages.push_back((*found)[static_cast<std::size_t>(place)]);
    passages.back().set_score(reply.scores(place));
  }
  run->variables.Set(options_.into, std::move(passages));
  co_return absl::OkStatus();
}

}  // namespace tessera
