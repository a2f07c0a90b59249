// The command line by CLI11, which is known here only.
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "app/command.h"
#include "base/str.h"
#include "config/suggest.h"

namespace tessera {
namespace {

void AddOption(CLI::App& app, const Option& option) {
  const std::string names = option.letter.empty() ? option.name : option.letter + "," + option.name;
  CLI::Option* added = nullptr;
  if (bool* const* flag = std::get_if<bool*>(&option.target)) {
    added = app.add_flag(names, **flag, option.doc);
  } else {
    added = std::visit(
        [&](auto* target) -> CLI::Option* { return app.add_option(names, *target, option.doc); },
        option.target);
    added->expected(1)->allow_extra_args(false);
    if (std::holds_alternative<std::vector<std::string>*>(option.target))
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    if (!option.words.empty()) added->check(CLI::IsMember(option.words));
  }
}

void AddArgument(CLI::App& app, const Argument& argument) {
  CLI::Option* added = app.add_option(argument.name, *argument.target, argument.doc);
  added->expected(argument.required ? 1 : 0, argument.many ? 1 << 20 : 1);
  if (argument.required) added->required();
  if (!argument.words.empty()) added->check(CLI::IsMember(argument.words));
}

void Fill(CLI::App& app, const Command& command) {
  app.set_help_flag("-h,--help", "Shows this help.");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  for (const Option& option : command.options) AddOption(app, option);
  for (const Argument& argument : command.arguments) AddArgument(app, argument);
}

const Command* FindCommand(const Command& parent, std::string_view name) {
  for (const Command& command : parent.commands) {
    if (command.name == name) return &command;
  }
  return nullptr;
}

// "tessera ingest: MESSAGE" with where to read more.
Status Wrong(const Invocation& at, std::string message) {
  return absl::InvalidArgumentError(
      StrCat(at.path, ": ", message, "\nSee \"", at.path, " --help\"."));
}

Status UnknownOption(const Invocation& at, const std::string& word) {
  std::vector<std::string> known{"--help"};
  for (const Option& option : at.command->options) known.push_back(option.name);
  const std::string name = word.substr(0, word.find('='));
  const std::string near = NearestWord(name, known);
  return Wrong(at, StrCat("unknown option ", name,
                          near.empty() ? "" : StrCat("; did you mean ", near, "?")));
}

// Goes down the sub-commands named by the first words and removes them.
Status Descend(const Command& root, std::vector<std::string>& words, Invocation& at) {
  at = {&root, root.name, false};
  std::size_t used = 0;
  while (!at.command->commands.empty() && used < words.size()) {
    const std::string& word = words[used];
    if (word == "--help" || word == "-h") {
      at.help = true;
      return absl::OkStatus();
    }
    if (word.starts_with("-")) return UnknownOption(at, word);
    const Command* next = FindCommand(*at.command, word);
    if (next == nullptr) {
      std::vector<std::string> names;
      for (const Command& command : at.command->commands) names.push_back(command.name);
      const std::string near = NearestWord(word, names);
      std::string list;
      for (const std::string& name : names) StrAppend(&list, list.empty() ? "" : ", ", name);
      return Wrong(at, StrCat("unknown command \"", word, "\"; ",
                              near.empty() ? StrCat("there are: ", list)
                                           : StrCat("did you mean \"", near, "\"?")));
    }
    at.command = next;
    at.path = StrCat(at.path, " ", next->name);
    ++used;
  }
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(used));
  return absl::OkStatus();
}

// CLI11's messages name the option first; the rest is said better here.
std::string InOurWords(const Command& command, const std::string& message) {
  const auto list = [](const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) StrAppend(&out, out.empty() ? "" : ", ", word);
    return out;
  };
  for (const Option& option : command.options) {
    if (!message.starts_with(option.name + ":") && message.find(option.name + " ") == message.npos)
      continue;
    if (!option.words.empty()) return StrCat(option.name, " must be one of ", list(option.words));
    if (std::holds_alternative<bool*>(option.target)) return StrCat(option.name, " takes no value");
    const bool number = std::holds_alternative<std::uint32_t*>(option.target) ||
                        std::holds_alternative<double*>(option.target);
    return StrCat(option.name, " needs one ", number ? "number" : "value", ": ", option.value);
  }
  for (const Argument& argument : command.arguments) {
    if (message.starts_with(argument.name + ":") && !argument.words.empty())
      return StrCat(argument.name, " must be one of ", list(argument.words));
  }
  return message;
}

}  // namespace

Status ParseCommandLine(const Command& root, const std::vector<std::string>& words,
                        Invocation& invocation) {
  std::vector<std::string> rest = words;
  TRY(Descend(root, rest, invocation));
  if (invocation.help) return absl::OkStatus();
  if (!invocation.command->commands.empty()) {
    if (rest.empty()) return Wrong(invocation, "a command is needed");
    return Wrong(invocation, StrCat("unknown command \"", rest[0], "\""));
  }
  CLI::App app;
  try {
    Fill(app, *invocation.command);
    std::reverse(rest.begin(), rest.end());  // as CLI11 wants them
    app.parse(rest);
  } catch (const CLI::CallForHelp&) {
    invocation.help = true;
  } catch (const CLI::ExtrasError&) {
    for (const std::string& word : app.remaining()) {
      if (word.starts_with("-") && word != "-" && word != "--")
        return UnknownOption(invocation, word);
    }
    const std::vector<std::string> extra = app.remaining();
    return Wrong(invocation,
                 StrCat("\"", extra.empty() ? "" : extra[0], "\" is one argument too many"));
  } catch (const CLI::RequiredError&) {
    for (const Argument& argument : invocation.command->arguments) {
      if (argument.required && argument.target->empty())
        return Wrong(invocation, StrCat(argument.name, " is missing: ", argument.doc));
    }
    return Wrong(invocation, "an argument is missing");
  } catch (const CLI::ParseError& error) {
    return Wrong(invocation, InOurWords(*invocation.command, error.what()));
  } catch (const std::exception& error) {
    return Wrong(invocation, error.what());
  }
  return absl::OkStatus();
}

}  // namespace tessera
