#pragma once
// A command line as data: one description of every command drives parsing, help, the man page,
// docs/cli.md and the shells' completion.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/exit_code.h"
#include "base/status.h"

namespace tessera {

/// What a shell offers where a value is expected.
enum class Completion { kNone, kFile, kFolder };

/// One option. `target` is where the value goes; a bool* makes a flag. The targets live as long as
/// the command.
struct Option {
  std::string name;   ///< "--collection"
  std::string value;  ///< how the help calls the value: "NAME"; "" for a flag
  std::string doc;
  std::variant<bool*, std::string*, std::vector<std::string>*, std::uint32_t*, double*> target;
  std::vector<std::string> words;  ///< the only values allowed; empty: any
  Completion completion = Completion::kNone;
  std::string letter;  ///< "-c", or ""
};

/// A value without a name, in its place.
struct Argument {
  std::string name;  ///< "PATH"
  std::string doc;
  std::vector<std::string>* target = nullptr;
  bool required = true;
  bool many = false;  ///< takes all that follow
  Completion completion = Completion::kNone;
  std::vector<std::string> words;
};

struct Example {
  std::string command;
  std::string what;
};

/// One command, with what it needs and how to use it. Either it runs or it has sub-commands.
struct Command {
  std::string name;
  std::string summary;  ///< one line, lower case, no full stop
  std::string details;  ///< paragraphs
  std::vector<Option> options;
  std::vector<Argument> arguments;
  std::vector<Example> examples;
  std::vector<Command> commands;
  std::function<ExitCode()> run;
};

/// What a command line asks for.
struct Invocation {
  const Command* command = nullptr;  ///< the innermost command named
  std::string path;                  ///< "tessera config check"
  bool help = false;
};

/// Fills the targets of the options. INVALID_ARGUMENT says what is wrong, what was meant perhaps,
/// and where the help is; `invocation` is then the command it went wrong in.
Status ParseCommandLine(const Command& root, const std::vector<std::string>& words,
                        Invocation& invocation);

/// Help of one command, at most `width` columns wide.
std::string HelpText(const Command& command, const std::string& path, int width);
/// All commands as a man page (roff), as Markdown, as a completion script of "bash", "zsh" or
/// "fish".
std::string ManPage(const Command& root);
std::string MarkdownPage(const Command& root);
std::string CompletionScript(const Command& root, std::string_view shell);

}  // namespace tessera
