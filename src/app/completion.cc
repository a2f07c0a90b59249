// Completion scripts of bash, zsh and fish, made from the command descriptions.
#include "absl/strings/str_replace.h"
#include "app/command.h"
#include "base/str.h"

namespace tessera {
namespace {

std::string Quote(const std::string& text) {
  return StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string Words(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) StrAppend(&out, out.empty() ? "" : " ", word);
  return out;
}

template <class Visit>
void EachCommand(const Command& command, const std::string& path, const Visit& visit) {
  visit(command, path);
  for (const Command& child : command.commands)
    EachCommand(child, StrCat(path, " ", child.name), visit);
}

bool IsFlag(const Option& option) { return std::holds_alternative<bool*>(option.target); }

// What may follow a command: its sub-commands, option names, words of its arguments.
std::vector<std::string> Candidates(const Command& command) {
  std::vector<std::string> out;
  out.reserve(command.commands.size() + command.options.size() + 1);
  for (const Command& child : command.commands) out.push_back(child.name);
  for (const Option& option : command.options) out.push_back(option.name);
  out.emplace_back("--help");
  for (const Argument& argument : command.arguments)
    out.insert(out.end(), argument.words.begin(), argument.words.end());
  return out;
}

bool TakesFiles(const Command& command) {
  for (const Argument& argument : command.arguments) {
    if (argument.completion != Completion::kNone) return true;
  }
  return false;
}

std::string Bash(const Command& root) {
  std::string out = StrCat(
      "# bash completion of ", root.name, ": source <(", root.name, " completion bash)\n_",
      root.name,
      "() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  local path='",
      root.name,
      "' i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$path ${COMP_WORDS[i]}\" in\n");
  EachCommand(root, root.name, [&](const Command& command, const std::string& path) {
    if (&command != &root) StrAppend(&out, "      ", Quote(path), ") path=", Quote(path), " ;;\n");
  });
  StrAppend(&out, "    esac\n  done\n  COMPREPLY=()\n  case \"$path $previous\" in\n");
  EachCommand(root, root.name, [&](const Command& command, const std::string& path) {
    for (const Option& option : command.options) {
      if (IsFlag(option)) continue;
      StrAppend(&out, "    ", Quote(StrCat(path, " ", option.name)), ") ");
      if (!option.words.empty()) {
        StrAppend(&out, "COMPREPLY=($(compgen -W ", Quote(Words(option.words)),
                  " -- \"$current\"))");
      } else if (option.completion == Completion::kFolder) {
        out += "compopt -o filenames; COMPREPLY=($(compgen -d -- \"$current\"))";
      } else if (option.completion == Completion::kFile) {
        out += "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$current\"))";
      }
      out += "; return ;;\n";
    }
  });
  StrAppend(&out, "  esac\n  case \"$path\" in\n");
  EachCommand(root, root.name, [&](const Command& command, const std::string& path) {
    StrAppend(&out, "    ", Quote(path), ") COMPREPLY=($(compgen -W ",
              Quote(Words(Candidates(command))), " -- \"$current\"))");
    if (TakesFiles(command))
      out +=
          "; [[ $current == -* ]] || { compopt -o filenames; COMPREPLY=($(compgen -f -- "
          "\"$current\")); }";
    out += " ;;\n";
  });
  StrAppend(&out, "  esac\n}\ncomplete -F _", root.name, " ", root.name, "\n");
  return absl::StrReplaceAll(out, {{") ; return", ") return"}});
}

std::string Zsh(const Command& root) {
  // zsh runs bash's completion functions itself; one script to keep right instead of two.
  return StrCat("#compdef ", root.name, "\nautoload -Uz bashcompinit && bashcompinit\n",
                absl::StrReplaceAll(Bash(root), {{"compopt -o filenames; ", ""},
                                                 {"# bash completion", "# zsh completion"},
                                                 {" completion bash)", " completion zsh)"}}));
}

std::string Fish(const Command& root) {
  std::string out = StrCat("# fish completion of ", root.name, ": ", root.name,
                           " completion fish | source\ncomplete -c ", root.name, " -f\n");
  EachCommand(root, "", [&](const Command& command, const std::string& path) {
    std::string when = path.empty() ? "__fish_use_subcommand" : "";
    const std::vector<std::string> names = [&] {
      std::vector<std::string> list;
      std::string word;
      for (const char c : path + " ") {
        if (c != ' ') {
          word += c;
        } else if (!word.empty()) {
          list.push_back(std::exchange(word, ""));
        }
      }
      return list;
    }();
    for (const std::string& name : names)
      StrAppend(&when, when.empty() ? "" : "; and ", "__fish_seen_subcommand_from ", name);
    const std::string head = StrCat("complete -c ", root.name, " -n ", Quote(when));
    for (const Command& child : command.commands)
      StrAppend(&out, head, " -a ", child.name, " -d ", Quote(child.summary), "\n");
    for (const Option& option : command.options) {
      StrAppend(&out, head, " -l ", option.name.substr(2), IsFlag(option) ? "" : " -r");
      if (!option.words.empty()) StrAppend(&out, " -a ", Quote(Words(option.words)));
      if (option.completion != Completion::kNone) out += " -F";
      StrAppend(&out, " -d ", Quote(option.doc), "\n");
    }
    if (TakesFiles(command)) StrAppend(&out, head, " -F\n");
    for (const Argument& argument : command.arguments) {
      if (!argument.words.empty())
        StrAppend(&out, head, " -a ", Quote(Words(argument.words)), "\n");
    }
  });
  return out;
}

}  // namespace

std::string CompletionScript(const Command& root, std::string_view shell) {
  if (shell == "zsh") return Zsh(root);
  if (shell == "fish") return Fish(root);
  return Bash(root);
}

}  // namespace tessera
