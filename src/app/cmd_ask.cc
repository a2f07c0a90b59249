#include <cstdio>
#include <memory>
#include <utility>

#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/target.h"
#include "app/terminal.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

struct AskState {
  PlatformTarget target;
  std::string collection = "default";
  std::string model;
  std::string mode = "auto";
  bool json = false;
  std::vector<std::string> question;
};

v1::AnswerMode ModeOf(const std::string& word) {
  if (word == "extractive") return v1::ANSWER_MODE_EXTRACTIVE;
  return word == "generative" ? v1::ANSWER_MODE_GENERATIVE : v1::ANSWER_MODE_UNSPECIFIED;
}

std::string ToJson(const Answer& answer, const std::string& question) {
  JsonWriter json;
  json.BeginObject()
      .Field("question", question)
      .Field("answer", answer.text)
      .Field("model", answer.model)
      .Field("answer_mode", answer.mode == v1::ANSWER_MODE_EXTRACTIVE   ? "extractive"
                            : answer.mode == v1::ANSWER_MODE_GENERATIVE ? "generative"
                                                                        : "")
      .Field("nothing_found", answer.nothing_found);
  json.Key("citations").BeginArray();
  for (const v1::Citation& citation : answer.citations) {
    json.BeginObject()
        .Field("number", citation.number())
        .Field("document", citation.document_name())
        .Field("document_id", citation.document_id())
        .Field("title", citation.title())
        .Field("page", citation.page())
        .Field("chunk", citation.chunk())
        .Field("start", citation.start())
        .Field("end", citation.end())
        .Field("quote", citation.quote())
        .Field("score", citation.score())
        .EndObject();
  }
  json.EndArray().EndObject();
  return json.Take() + "\n";
}

// The model's text as it comes, without what could steer the terminal; line ends and tabs stay.
void PrintPiece(std::string_view piece) {
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < ' ' && c != '\n' && c != '\t') || byte == 0x7F) continue;
    std::fputc(c, stdout);
  }
  std::fflush(stdout);
}

void PrintCitations(const Answer& answer) {
  const bool colour = ShowsColour(STDOUT_FILENO);
  std::puts("");
  std::uint32_t last = 0;
  for (const v1::Citation& citation : answer.citations) {
    if (citation.number() == last) continue;  // the same source again
    last = citation.number();
    const std::string page =
        citation.page() > 0 ? StrCat(", page ", citation.page()) : std::string();
    std::printf("%s[%u] %s%s%s\n", colour ? "\x1b[2m" : "", citation.number(),
                Printable(citation.document_name(), 100).c_str(), page.c_str(),
                colour ? "\x1b[0m" : "");
    if (!citation.quote().empty())
      std::printf("    “%s”\n", Printable(citation.quote(), 200).c_str());
  }
  if (answer.mode == v1::ANSWER_MODE_EXTRACTIVE && IsTerminal(STDERR_FILENO))
    std::fputs(
        "(sentences quoted from the documents; \"tessera models add\" brings a model that "
        "writes)\n",
        stderr);
}

ExitCode RunAsk(const AskState& state) {
  const Interrupt interrupt;
  std::string question;
  for (const std::string& word : state.question)
    StrAppend(&question, question.empty() ? "" : " ", word);
  Result<std::unique_ptr<Client>> client = OpenClient(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const Result<Answer> answer = (*client)->Ask(
      {state.collection, question, state.model, ModeOf(state.mode)}, [&](std::string_view piece) {
        if (!state.json) PrintPiece(piece);
      });
  if (!answer.ok()) {
    if (!state.json) std::puts("");
    return FailCall(answer.status());
  }
  if (state.json) {
    std::fputs(ToJson(*answer, question).c_str(), stdout);
  } else {
    if (!answer->text.ends_with("\n")) std::puts("");
    PrintCitations(*answer);
  }
  return ExitCode::kOk;
}

}  // namespace

Command AskCommand() {
  auto state = std::make_shared<AskState>();
  Command command;
  command.name = "ask";
  command.summary = "answers a question from the documents, with citations";
  command.details =
      "The answer appears as it is made; the passages it rests on follow, numbered as in the text. "
      "When the documents "
      "say nothing about the question, so does the answer. With the small demo model answers are "
      "quoted "
      "(extractive); a model of your own writes them (generative).";
  command.options = TargetOptions(state->target);
  command.options.push_back({.name = "--collection",
                             .value = "NAME",
                             .doc = "Which documents. Default: default.",
                             .target = &state->collection,
                             .letter = "-c"});
  command.options.push_back({.name = "--model",
                             .value = "NAME",
                             .doc = "Which language model. Default: the default one.",
                             .target = &state->model,
                             .letter = "-m"});
  command.options.push_back({.name = "--mode",
                             .value = "MODE",
                             .doc = "How to answer.",
                             .target = &state->mode,
                             .words = {"auto", "extractive", "generative"}});
  command.options.push_back(
      {.name = "--json", .doc = "Prints answer and citations as JSON.", .target = &state->json});
  command.arguments = {{.name = "QUESTION",
                        .doc = "The question; several words need no quotes.",
                        .target = &state->question,
                        .many = true}};
  command.examples = {
      {"tessera ask \"When does the contract end?\"", "from the collection \"default\""},
      {"tessera ask -c manual --json \"How do I take a backup?\" | jq -r '.citations[].document'",
       "only the documents that the answer cites"}};
  command.run = [state] { return RunAsk(*state); };
  return command;
}

}  // namespace tessera
