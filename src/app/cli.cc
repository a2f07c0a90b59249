#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/command.h"
#include "app/commands.h"
#include "app/terminal.h"
#include "base/str.h"
#include "config/suggest.h"

namespace tessera {
namespace {

void Print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

Command CompletionCommand() {
  struct State {
    std::vector<std::string> shell;
  };
  auto state = std::make_shared<State>();
  Command command;
  command.name = "completion";
  command.summary = "prints a completion script for a shell";
  command.arguments = {{.name = "SHELL",
                        .doc = "bash, zsh or fish.",
                        .target = &state->shell,
                        .words = {"bash", "zsh", "fish"}}};
  command.examples = {
      {"source <(tessera completion bash)", "completes commands, options and files in this shell"},
      {"tessera completion fish > ~/.config/fish/completions/tessera.fish", "for good, in fish"}};
  command.run = [state] {
    Print(CompletionScript(RootCommand(), state->shell.at(0)));
    return ExitCode::kOk;
  };
  return command;
}

ExitCode Help(const std::vector<std::string>& topic) {
  const Command root = RootCommand();
  Invocation found{&root, root.name, true};
  if (!topic.empty()) {
    std::vector<std::string> words = topic;
    words.emplace_back("--help");
    const Status status = ParseCommandLine(root, words, found);
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
      return ExitCode::kUsage;
    }
  }
  Print(HelpText(*found.command, found.path, TerminalWidth()));
  return ExitCode::kOk;
}

Command HelpCommand() {
  struct State {
    bool man = false;
    bool markdown = false;
    std::vector<std::string> topic;
  };
  auto state = std::make_shared<State>();
  Command command;
  command.name = "help";
  command.summary = "explains a command, or prints the manual";
  command.arguments = {{.name = "COMMAND",
                        .doc = "What to explain, for example \"config check\".",
                        .target = &state->topic,
                        .required = false,
                        .many = true}};
  command.options = {
      {.name = "--man", .doc = "Prints the whole manual as a man page.", .target = &state->man},
      {.name = "--markdown",
       .doc = "Prints the whole manual as Markdown.",
       .target = &state->markdown}};
  command.examples = {{"tessera help ingest", "how to ingest documents"},
                      {"tessera help --man | man -l -", "the man page"}};
  command.run = [state] {
    if (state->man || state->markdown) {
      Print(state->man ? ManPage(RootCommand()) : MarkdownPage(RootCommand()));
      return ExitCode::kOk;
    }
    return Help(state->topic);
  };
  return command;
}

}  // namespace

Command RootCommand() {
  Command root;
  root.name = "tessera";
  root.summary = "chat over your own documents, from one process";
  root.details =
      "Tessera reads documents, finds the passages that matter and answers from them with "
      "citations. \"tessera up\" "
      "serves a web page and the OpenAI and OPEA interfaces; the other commands talk to a running "
      "server, or do the "
      "same work on a data folder without one.";
  root.examples = {
      {"tessera up", "starts the server and prints the link of its page"},
      {"tessera ingest ~/Documents", "makes a folder searchable"},
      {"tessera ask \"When does the contract end?\"", "answers from it, with citations"}};
  root.commands = {UpCommand(),         IngestCommand(),      AskCommand(),     SearchCommand(),
                   ModelsCommand(),     CollectionsCommand(), BackupCommand(),  RestoreCommand(),
                   ConfigCommand(),     TopologyCommand(),    FlagsCommand(),   TraceCommand(),
                   SloCommand(),        TopCommand(),         ProfileCommand(), ReplayCommand(),
                   LogsCommand(),       DoctorCommand(),      BundleCommand(),  ApiCommand(),
                   CompletionCommand(), HelpCommand(),        VersionCommand()};
  return root;
}

ExitCode RunCli(const std::vector<std::string>& words) {
  const Command root = RootCommand();
  if (words.empty()) {
    std::fputs(HelpText(root, root.name, TerminalWidth()).c_str(), stderr);
    return ExitCode::kUsage;
  }
  if (words.size() == 1 && (words[0] == "--version" || words[0] == "-V"))
    return VersionCommand().run();
  Invocation invocation;
  const Status status = ParseCommandLine(root, words, invocation);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return ExitCode::kUsage;
  }
  if (invocation.help) {
    Print(HelpText(*invocation.command, invocation.path, TerminalWidth()));
    return ExitCode::kOk;
  }
  return invocation.command->run();
}

}  // namespace tessera
