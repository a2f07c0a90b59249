#include "services/orchestration/extract_step.h"

#include <algorithm>
#include <numeric>

#include "services/orchestration/citation.h"
#include "services/orchestration/sentences.h"

namespace tessera {
namespace {

struct Candidate {
  std::size_t passage;
  SentenceSpan span;
  std::set<std::string> words;
  double score = 0;
};

std::string_view TextOf(const Passages& passages, const Candidate& candidate) {
  const std::string& text = passages[candidate.passage].chunk().text();
  return std::string_view(text).substr(candidate.span.start,
                                       candidate.span.end - candidate.span.start);
}

// Headings and labels answer nothing: what is short must end like a sentence.
bool IsSentence(std::string_view text) {
  constexpr std::size_t kLongEnough = 80;
  static constexpr std::string_view kEnds[] = {".",      "!",      "?",      ".)", ".\"",
                                               "\u3002", "\uff01", "\uff1f", "”"};
  if (text.size() >= kLongEnough) return true;
  return std::any_of(std::begin(kEnds), std::end(kEnds),
                     [text](std::string_view end) { return text.ends_with(end); });
}

// Sentences worth quoting, those of the better passages first.
std::vector<Candidate> Candidates(const Passages& passages, std::size_t limit) {
  constexpr std::size_t kShortest = 25;  // bytes; less is a heading or a fragment
  constexpr std::size_t kLongest = 600;
  std::vector<Candidate> candidates;
  for (std::size_t p = 0; p < passages.size(); ++p) {
    const std::string_view text = passages[p].chunk().text();
    for (const SentenceSpan span : SplitSentences(text)) {
      const std::size_t size = span.end - span.start;
      if (size < kShortest || size > kLongest || candidates.size() == limit) continue;
      if (!IsSentence(text.substr(span.start, size))) continue;
      candidates.push_back({p, span, ContentWords(text.substr(span.start, size))});
    }
  }
  return candidates;
}

double Cosine(const std::vector<float>& a, const v1::Vector& b) {
  if (a.size() != static_cast<std::size_t>(b.values_size())) return 0;
  return std::inner_product(a.begin(), a.end(), b.values().begin(), 0.0);
}

// Meaning (cosine) and words (coverage of the question) count; the passage's own rank breaks near
// ties.
void Score(std::vector<Candidate>& candidates, const std::set<std::string>& wanted,
           const std::vector<float>& question, const v1::EmbedReply& embedded) {
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    Candidate& candidate = candidates[i];
    candidate.score = 0.65 * Cosine(question, embedded.vectors(static_cast<int>(i))) +
                      0.35 * Coverage(wanted, candidate.words) -
                      0.02 * static_cast<double>(candidate.passage);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
}

// The best ones that do not repeat each other; weak ones only as long as they are near the best.
std::vector<Candidate> Choose(std::vector<Candidate> candidates, std::size_t limit,
                              double score_min) {
  std::vector<Candidate> chosen;
  for (Candidate& candidate : candidates) {
    if (chosen.size() == limit || candidate.score < score_min) break;
    if (!chosen.empty() && candidate.score < 0.75 * chosen.front().score) break;
    const bool repeats = std::any_of(chosen.begin(), chosen.end(), [&](const Candidate& other) {
      return Coverage(candidate.words, other.words) > 0.8;
    });
    if (!repeats) chosen.push_back(std::move(candidate));
  }
  return chosen;
}

}  // namespace

void ExtractStep::Options::Describe(Fields<Options>& f) {
  f.Optional("sentences", &Options::sentences, "Most sentences quoted.", 1u, 20u);
  f.Optional("candidates", &Options::candidates, "Most sentences compared with the question.", 1u,
             500u);
  f.Optional("score_min", &Options::score_min, "A sentence that scores less is not quoted.", 0.0,
             1.0);
  f.Optional("nothing", &Options::nothing, "Said when no sentence fits.");
}

Task<Status> ExtractStep::Execute(Ctx ctx, Run* run) const {
  RunShared* const shared = run->shared;
  CO_TRY(co_await SendStep(ctx, shared, "extract"));
  co_await SwitchTo(shared->cpu);
  const auto* found = std::get_if<Passages>(&run->variables.Get("passages"));
  const Passages passages = found != nullptr ? *found : Passages();
  std::vector<Candidate> candidates = Candidates(passages, options_.candidates);

  v1::EmbedReply embedded;
  if (!candidates.empty()) {
    v1::EmbedRequest embed;
    embed.set_model(run->question_embedder);  // vectors of two embedders cannot be compared
    for (const Candidate& candidate : candidates) {
      embed.add_texts(std::string(TextOf(passages, candidate)));
    }
    CO_TRY(embedded, co_await shared->inference.Embed(ctx, std::move(embed)));
  }
  Score(candidates, ContentWords(ToText(run->variables.Get("question"))), run->question_vector,
        embedded);
  const std::vector<Candidate> chosen =
      Choose(std::move(candidates), options_.sentences, options_.score_min);
  if (chosen.empty()) {
    shared->last.set_nothing_found(true);
    co_return co_await SendText(std::move(ctx), shared, options_.nothing);
  }

  std::vector<std::size_t> numbered;  // passages in the order in which they are cited
  for (const Candidate& candidate : chosen) {
    auto at = std::find(numbered.begin(), numbered.end(), candidate.passage);
    if (at == numbered.end()) at = numbered.insert(at, candidate.passage);
    const auto number = static_cast<std::uint32_t>(at - numbered.begin() + 1);
    CO_TRY(co_await SendText(ctx, shared,
                             StrCat(&candidate == &chosen.front() ? "" : "\n\n", "“",
                                    TextOf(passages, candidate), "” ")));
    v1::Citation citation =
        Cite(passages[candidate.passage], number, candidate.span.start, candidate.span.end);
    citation.set_answer_start(shared->answer_code_points);
    CO_TRY(co_await SendText(ctx, shared, StrCat("[", number, "]")));
    citation.set_answer_end(shared->answer_code_points);
    *shared->last.add_citations() = std::move(citation);
  }
  shared->last.set_finish_reason(v1::FINISH_REASON_STOP);
  co_return absl::OkStatus();
}

}  // namespace tessera
