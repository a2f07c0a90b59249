#include <cstdio>
#include <memory>
#include <utility>

#include "app/command.h"
#include "app/commands.h"
#include "app/components.h"
#include "app/config_file.h"
#include "base/json_writer.h"
#include "base/str.h"

namespace tessera {
namespace {

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

ExitCode Check(const std::string& path, bool json, bool show) {
  const Result<std::string> text = ReadConfigText(path);
  if (!text.ok()) return Fail(WithExitCode(text.status(), ExitCode::kConfig));
  std::vector<Problem> problems;
  const ConfigSnapshot snapshot = AppSchema().Parse(*text, problems);
  if (json) {
    JsonWriter out;
    out.BeginObject().Field("file", path).Field("ok", problems.empty()).Key("errors").BeginArray();
    for (const Problem& problem : problems) {
      out.BeginObject()
          .Field("line", problem.mark.line)
          .Field("column", problem.mark.column)
          .Field("path", problem.path)
          .Field("message", problem.message)
          .EndObject();
    }
    out.EndArray().EndObject();
    Print(out.Take() + "\n");
  } else if (!problems.empty()) {
    std::fprintf(stderr, "%s\n", FormatProblems(path, problems).c_str());
  } else if (show) {
    Print(snapshot.ToYaml());
  } else {
    std::printf("%s: no mistakes\n", path.c_str());
  }
  return problems.empty() ? ExitCode::kOk : ExitCode::kConfig;
}

Command CheckCommand() {
  struct State {
    bool json = false;
    bool show = false;
    std::vector<std::string> file;
  };
  auto state = std::make_shared<State>();
  Command command;
  command.name = "check";
  command.summary = "checks a configuration file";
  command.details =
      "Shows every mistake as FILE:LINE:COLUMN: PATH: what is wrong and how to mend it; exit code "
      "3.";
  command.options = {
      {.name = "--json", .doc = "Prints the mistakes as JSON.", .target = &state->json},
      {.name = "--show",
       .doc = "Prints the whole configuration that would hold, defaults included, secrets as ***.",
       .target = &state->show}};
  command.arguments = {{.name = "FILE",
                        .doc = "The file; - is standard input.",
                        .target = &state->file,
                        .completion = Completion::kFile}};
  command.examples = {{"tessera config check tessera.yaml", "all its mistakes"},
                      {"tessera config check --show - < /dev/null", "the defaults, as a file"}};
  command.run = [state] { return Check(state->file.at(0), state->json, state->show); };
  return command;
}

Command ExplainCommand() {
  struct State {
    std::vector<std::string> path;
  };
  auto state = std::make_shared<State>();
  Command command;
  command.name = "explain";
  command.summary = "explains a section or field of the configuration";
  command.arguments = {
      {.name = "PATH",
       .doc = "For example server or server.listen; without it the sections are listed.",
       .target = &state->path,
       .required = false}};
  command.examples = {{"tessera config explain", "the sections"},
                      {"tessera config explain server", "every field of one"}};
  command.run = [state] {
    const Result<std::string> text =
        AppSchema().Explain(state->path.empty() ? "" : state->path.front());
    if (!text.ok()) return Fail(WithExitCode(text.status(), ExitCode::kUsage));
    Print(*text);
    return ExitCode::kOk;
  };
  return command;
}

Command PrintingCommand(std::string name, std::string summary,
                        std::string (ConfigSchema::*text)() const, Example example) {
  Command command;
  command.name = std::move(name);
  command.summary = std::move(summary);
  command.examples = {std::move(example)};
  command.run = [text] {
    Print((AppSchema().*text)());
    return ExitCode::kOk;
  };
  return command;
}

}  // namespace

Command ConfigCommand() {
  Command command;
  command.name = "config";
  command.summary = "checks and explains the configuration";
  command.commands = {
      CheckCommand(), ExplainCommand(),
      PrintingCommand("reference", "prints the reference page of all fields (Markdown)",
                      &ConfigSchema::ReferencePage,
                      {"tessera config reference > docs/configuration.md", "the page in docs/"}),
      PrintingCommand("schema", "prints a JSON schema of the configuration, for editors",
                      &ConfigSchema::JsonSchema,
                      {"tessera config schema > tessera.schema.json",
                       "completion and checks in an editor that knows YAML schemas"})};
  return command;
}

}  // namespace tessera
