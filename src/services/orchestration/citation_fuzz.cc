// A model's answer and a passage, both anything: sentences lie in order inside the text, and
// citations where their marks are.
#include <cstdint>
#include <string>

#include "services/orchestration/citation.h"
#include "services/orchestration/sentences.h"
#include "services/orchestration/step.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::size_t end = 0;
  for (const SentenceSpan& span : SplitSentences(text)) {
    CHECK(span.start >= end && span.start < span.end && span.end <= size);
    end = span.end;
  }
  const double coverage = Coverage(ContentWords(text.substr(0, size / 2)), ContentWords(text));
  CHECK(coverage >= 0 && coverage <= 1);

  Passages passages(2);
  passages[0].mutable_chunk()->set_text(std::string(text.substr(0, size / 2)));
  passages[1].mutable_chunk()->set_text("The rent is 412 euros a month.");
  SentenceCiter citer(passages, 0);
  std::string answer;
  const std::size_t piece = size % 7 + 1;
  for (std::size_t at = 0; at < size; at += piece) answer += citer.Add(text.substr(at, piece));
  answer += citer.Finish();
  std::uint32_t before = 0;
  for (const v1::Citation& citation : citer.citations()) {
    CHECK(citation.number() >= 1 && citation.number() <= passages.size());
    CHECK(citation.answer_start() >= before && citation.answer_end() > citation.answer_start());
    CHECK(citation.answer_end() <= CodePoints(answer));
    before = citation.answer_end();
    const std::string& passage = passages[citation.number() - 1].chunk().text();
    CHECK(citation.start() <= citation.end() && citation.end() <= passage.size());
  }
  return 0;
}
