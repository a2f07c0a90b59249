#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/orchestration/citation.h"
#include "services/orchestration/condition.h"
#include "services/orchestration/graph.h"
#include "services/orchestration/sentences.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Sentences(std::string_view text) {
  std::vector<std::string> sentences;
  for (const SentenceSpan span : SplitSentences(text)) {
    sentences.emplace_back(text.substr(span.start, span.end - span.start));
  }
  return sentences;
}

TEST(SentencesTest, EndAtMarksAndLineBreaksButNotInNumbersOrAbbreviations) {
  EXPECT_THAT(
      Sentences("It has 3.5 parts, e.g. a lid. Is it new? Yes!\nJ. Doe (\"he said so.\") left."),
      ElementsAre("It has 3.5 parts, e.g. a lid.", "Is it new?", "Yes!",
                  "J. Doe (\"he said so.\") left."));
  EXPECT_THAT(Sentences("これは本です。新しい。"), ElementsAre("これは本です。", "新しい。"));
  EXPECT_THAT(Sentences(" \n "), ElementsAre());
}

TEST(SentencesTest, ContentWordsMeetAcrossForms) {
  EXPECT_EQ(
      Coverage(ContentWords("How do I set the settings?"), ContentWords("Each setting is set.")),
      1.0);
  EXPECT_EQ(Coverage(ContentWords("the of"), ContentWords("the of")), 0.0);
}

TEST(TemplateTest, FillsNamesAndRefusesLoneBraces) {
  Variables variables;
  variables.Set("a", std::string("x"));
  variables.Set("list", std::vector<std::string>{"1", "2"});
  EXPECT_EQ(Template::Parse("{a}{{a}} {list}{none}")->Fill(variables), "x{a} 1\n\n2");
  EXPECT_THAT(std::string(Template::Parse("ab}").status().message()), HasSubstr("character 3"));
  EXPECT_FALSE(Template::Parse("{a b}").ok());
  EXPECT_FALSE(Template::Parse("{a").ok());
}

bool Holds(std::string_view text) {
  Variables variables;
  variables.Set("mode", std::string("fast"));
  variables.Set("parts", std::vector<std::string>{"a", "b"});
  return Condition::Parse(text)->Holds(variables);
}

TEST(ConditionTest, ComparesAndJoins) {
  EXPECT_TRUE(Holds("mode"));
  EXPECT_FALSE(Holds("missing"));
  EXPECT_TRUE(Holds("not missing"));
  EXPECT_TRUE(Holds("mode == \"fast\" and size(parts) > 1"));
  EXPECT_FALSE(Holds("mode != \"fast\" or size(parts) < 2"));
  EXPECT_TRUE(Holds("missing or mode"));
  EXPECT_FALSE(Condition::Parse("mode ==").ok());
  EXPECT_FALSE(Condition::Parse("mode and").ok());
  EXPECT_FALSE(Condition::Parse("size(parts").ok());
  EXPECT_FALSE(Condition::Parse("").ok());
}

std::string GraphMistakes(std::string_view yaml) {
  return std::string(ParseGraph(yaml, "g.yaml").status().message());
}

TEST(GraphTest, EveryMistakeIsToldWithItsPlace) {
  const std::string mistakes = GraphMistakes(
      "name: x\nsteps:\n  - retreive: {limit: 4}\n  - retrieve: {limt: 4}\n"
      "  - switch: [{when: \"a ==\", steps: [{say: {text: hi}}]}]\n"
      "  - parallel: [[{generate: {stream: true}}]]\n");
  EXPECT_THAT(mistakes, HasSubstr("g.yaml:3:5: steps[0]: "));
  EXPECT_THAT(mistakes, HasSubstr("did you mean \"retrieve\"?"));
  EXPECT_THAT(mistakes, HasSubstr("g.yaml:4:16: steps[1].retrieve"));
  EXPECT_THAT(mistakes, HasSubstr("condition: expected"));
  EXPECT_THAT(mistakes, HasSubstr("cannot send to the client"));
  EXPECT_THAT(GraphMistakes("name: x"), HasSubstr("needs steps"));
  EXPECT_THAT(GraphMistakes("steps: [{rewrite: }]"), HasSubstr("name"));
}

TEST(GraphTest, TheBuiltInOnesParse) {
  ASSERT_EQ(BuiltInGraphs().size(), 4u);
  for (const auto& [name, yaml] : BuiltInGraphs()) {
    const Result<Graph> graph = ParseGraph(yaml, name);
    ASSERT_TRUE(graph.ok()) << graph.status();
    EXPECT_EQ(graph->name, name);
  }
}

Passages TwoPassages() {
  Passages passages(2);
  passages[0].mutable_chunk()->set_text("Cats sleep a lot. The tower is 300 metres tall.");
  passages[1].mutable_chunk()->set_text("Dogs bark at night when strangers pass.");
  passages[1].mutable_chunk()->set_start(100);
  return passages;
}

std::string CiteAll(std::string_view text, std::vector<v1::Citation>& citations,
                    std::size_t piece) {
  const Passages passages = TwoPassages();
  SentenceCiter citer(passages, 0);
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += piece) out += citer.Add(text.substr(i, piece));
  out += citer.Finish();
  citations = citer.citations();
  return out;
}

TEST(CitationTest, SentencesGetTheNumberOfThePassageThatSaysThem) {
  for (const std::size_t piece : {1u, 3u, 100u}) {
    std::vector<v1::Citation> citations;
    const std::string answer = CiteAll(
        "The tower is 300 metres tall. Dogs bark at night. Moon cheese is blue.", citations, piece);
    EXPECT_EQ(answer,
              "The tower is 300 metres tall. [1] Dogs bark at night. [2] Moon cheese is blue.");
    ASSERT_EQ(citations.size(), 2u);
    EXPECT_EQ(citations[0].quote(), "The tower is 300 metres tall.");
    EXPECT_EQ(answer.substr(citations[1].answer_start(), 3), "[2]");
    EXPECT_EQ(citations[1].start(), 100u);
  }
}

TEST(CitationTest, TheModelsOwnMarksAreKeptIfThePassageExists) {
  std::vector<v1::Citation> citations;
  EXPECT_EQ(CiteAll("Cats sleep a lot [1]. So it is [7]. See [this] and [note", citations, 2),
            "Cats sleep a lot [1]. So it is . See [this] and [note");
  EXPECT_EQ(citations.size(), 1u);
  EXPECT_EQ(CiteAll("The tower is 300 metres tall. [1] More.", citations, 5),
            "The tower is 300 metres tall. [1] More.");
}

}  // namespace
}  // namespace tessera
