#include "services/orchestration/citation.h"

#include <algorithm>
#include <cctype>

#include "services/orchestration/sentences.h"
#include "services/orchestration/step.h"

namespace tessera {
namespace {

constexpr double kCoverageMin = 0.5;       // of a sentence's content words in the passage
constexpr std::size_t kWordsMin = 3;       // a shorter sentence says too little to be traced
constexpr std::size_t kMarkLengthMax = 6;  // "[1234]"

// The sentence of a passage that shares most words with `words`.
SentenceSpan ClosestSentence(std::string_view text, const std::set<std::string>& words) {
  SentenceSpan best{0, text.size()};
  double best_coverage = 0;
  for (const SentenceSpan span : SplitSentences(text)) {
    const double coverage =
        Coverage(words, ContentWords(text.substr(span.start, span.end - span.start)));
    if (coverage > best_coverage) {
      best = span;
      best_coverage = coverage;
    }
  }
  return best;
}

}  // namespace

v1::Citation Cite(const v1::Hit& hit, std::uint32_t number, std::size_t start, std::size_t end) {
  v1::Citation citation;
  citation.set_number(number);
  citation.set_document_id(hit.document().id());
  citation.set_document_name(hit.document().name());
  citation.set_title(hit.document().title());
  citation.set_page(hit.chunk().page());
  citation.set_chunk(hit.chunk().ordinal());
  citation.set_start(hit.chunk().start() + start);
  citation.set_end(hit.chunk().start() + end);
  citation.set_quote(hit.chunk().text().substr(start, end - start));
  citation.set_score(hit.score());
  return citation;
}

SentenceCiter::SentenceCiter(const Passages& passages, std::uint32_t offset)
    : passages_(passages), sent_(offset) {
  for (const v1::Hit& hit : passages) words_.push_back(ContentWords(hit.chunk().text()));
}

void SentenceCiter::Emit(std::string_view text, std::string& out) {
  out += text;
  sent_ += CodePoints(text);
}

void SentenceCiter::AddCitation(std::size_t passage, std::string& out) {
  const v1::Hit& hit = passages_[passage];
  const SentenceSpan span = ClosestSentence(hit.chunk().text(), ContentWords(sentence_));
  v1::Citation citation = Cite(hit, static_cast<std::uint32_t>(passage + 1), span.start, span.end);
  const std::string mark = StrCat("[", passage + 1, "]");
  citation.set_answer_start(sent_);
  Emit(mark, out);
  citation.set_answer_end(sent_);
  citations_.push_back(std::move(citation));
  cited_ = true;
}

// `mark` is "[…]" as the model wrote it.
void SentenceCiter::TakeMark(std::string_view mark, std::string& out) {
  const std::string_view digits = mark.substr(1, mark.size() - 2);
  const bool number = !digits.empty() && std::all_of(digits.begin(), digits.end(),
                                                     [](char c) { return c >= '0' && c <= '9'; });
  if (!number) {
    Emit(mark, out);
    sentence_ += mark;
    return;
  }
  const std::size_t passage = std::stoul(std::string(digits));
  const bool just_cited = sentence_.find_first_not_of(' ') == std::string::npos &&
                          !citations_.empty() && citations_.back().number() == passage;
  dropped_mark_ = just_cited;
  if (passage >= 1 && passage <= passages_.size() && !just_cited) AddCitation(passage - 1, out);
}

void SentenceCiter::EndSentence(std::string& out) {
  const std::set<std::string> words = ContentWords(sentence_);
  if (!cited_ && words.size() >= kWordsMin) {
    std::size_t best = 0;
    double best_coverage = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const double coverage = Coverage(words, words_[i]);
      if (coverage > best_coverage) {
        best = i;
        best_coverage = coverage;
      }
    }
    if (best_coverage >= kCoverageMin) {
      Emit(" ", out);
      AddCitation(best, out);
    }
  }
  sentence_.clear();
  cited_ = false;
}

std::string SentenceCiter::Add(std::string_view piece) {
  std::string out;
  for (const char c : piece) {
    if (!held_.empty() && held_.front() == '[') {
      held_.push_back(c);
      if (c == ']') {
        TakeMark(held_, out);
        held_.clear();
      } else if (held_.size() > kMarkLengthMax || c == '\n') {
        Emit(held_, out);
        sentence_ += held_;
        held_.clear();
      }
      continue;
    }
    if (c == '[') {
      held_ = "[";
      continue;
    }
    if (c == ' ' && dropped_mark_) {  // the space behind a dropped mark goes with it
      dropped_mark_ = false;
      continue;
    }
    dropped_mark_ = false;
    const bool space = c == ' ' || c == '\n';
    const bool ends =
        c == '\n' ||
        (space && !sentence_.empty() &&
         (sentence_.back() == '.' || sentence_.back() == '!' || sentence_.back() == '?'));
    if (ends && SplitSentences(sentence_ + " X").size() > 1)
      EndSentence(out);
    else if (c == '\n')
      EndSentence(out);
    Emit(std::string_view(&c, 1), out);
    sentence_.push_back(c);
  }
  return out;
}

std::string SentenceCiter::Finish() {
  std::string out;
  if (!held_.empty()) {
    Emit(held_, out);
    sentence_ += held_;
    held_.clear();
  }
  EndSentence(out);
  return out;
}

}  // namespace tessera
