// Help, man page, Markdown: what people read of the command descriptions.
#include <algorithm>
#include <cctype>

#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "app/command.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::string_view kExitCodes[][2] = {
    {"0", "done"},
    {"1", "a file, or what was asked for, failed; the reason is printed"},
    {"2", "the command line is wrong"},
    {"3", "the configuration has mistakes"},
    {"4", "no server answers there, or it refuses the key"},
    {"5", "the data folder is in use or cannot be used"},
    {"130", "interrupted"},
};

std::string Upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// Columns of UTF-8 text, near enough for our own help.
int Columns(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// `text` broken into lines of `width`, each after `indent` spaces but for the first.
std::string Wrap(std::string_view text, int indent, int width) {
  std::string out;
  int column = indent;
  const std::vector<std::string> words = absl::StrSplit(std::string(text), ' ', absl::SkipEmpty());
  for (const std::string& word : words) {
    const int size = Columns(word);
    if (column > indent && column + 1 + size > width) {
      StrAppend(&out, "\n", std::string(static_cast<std::size_t>(indent), ' '));
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += size;
  }
  return out;
}

std::string Paragraphs(const std::string& text, int indent, int width) {
  std::string out;
  const std::string space(static_cast<std::size_t>(indent), ' ');
  const std::vector<std::string> paragraphs = absl::StrSplit(text, '\n');
  for (const std::string& paragraph : paragraphs)
    StrAppend(&out, space, Wrap(paragraph, indent, width), "\n");
  return out;
}

std::string OptionNames(const Option& option) {
  return StrCat(option.letter.empty() ? "" : option.letter + ", ", option.name,
                option.value.empty() ? "" : " " + option.value);
}

std::string OptionDoc(const Option& option) {
  if (option.words.empty()) return option.doc;
  std::string words;
  for (const std::string& word : option.words) StrAppend(&words, words.empty() ? "" : ", ", word);
  return StrCat(option.doc, " One of: ", words, ".");
}

std::string Usage(const Command& command, const std::string& path) {
  std::string out = path;
  if (!command.commands.empty()) StrAppend(&out, " COMMAND");
  if (!command.options.empty()) StrAppend(&out, " [OPTION]…");
  for (const Argument& argument : command.arguments) {
    const std::string name = argument.many ? argument.name + "…" : argument.name;
    StrAppend(&out, " ", argument.required ? name : "[" + name + "]");
  }
  return out;
}

// Rows of two columns, the second one wrapped.
std::string Rows(const std::vector<std::pair<std::string, std::string>>& rows, int width) {
  constexpr int kLeftMax = 26;
  int left = 0;
  for (const auto& [name, doc] : rows) {
    if (Columns(name) <= kLeftMax) left = std::max(left, Columns(name));
  }
  std::string out;
  for (const auto& [name, doc] : rows) {
    const int indent = 2 + left + 2;
    StrAppend(&out, "  ", name);
    if (Columns(name) > left) {
      StrAppend(&out, "\n", std::string(static_cast<std::size_t>(indent), ' '));
    } else {
      out.append(static_cast<std::size_t>(left + 2 - Columns(name)), ' ');
    }
    StrAppend(&out, Wrap(doc, indent, width), "\n");
  }
  return out;
}

// Calls `visit` for every command that runs, with its path.
template <class Visit>
void EachCommand(const Command& command, const std::string& path, const Visit& visit) {
  if (command.commands.empty()) visit(command, path);
  for (const Command& child : command.commands)
    EachCommand(child, StrCat(path, " ", child.name), visit);
}

std::string Roff(const std::string& text) {
  std::string out = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}});
  if (!out.empty() && (out[0] == '.' || out[0] == '\'')) out.insert(0, "\\&");
  return out;
}

}  // namespace

std::string HelpText(const Command& command, const std::string& path, int width) {
  std::string out = StrCat(path, ": ", command.summary, "\n\nUsage: ", Usage(command, path), "\n");
  if (!command.details.empty()) StrAppend(&out, "\n", Paragraphs(command.details, 0, width));
  std::vector<std::pair<std::string, std::string>> rows;
  rows.reserve(command.commands.size() + command.arguments.size());
  for (const Command& child : command.commands) rows.emplace_back(child.name, child.summary);
  if (!rows.empty()) StrAppend(&out, "\nCommands:\n", Rows(rows, width));
  rows.clear();
  for (const Argument& argument : command.arguments) rows.emplace_back(argument.name, argument.doc);
  if (!rows.empty()) StrAppend(&out, "\nArguments:\n", Rows(rows, width));
  rows.clear();
  for (const Option& option : command.options)
    rows.emplace_back(OptionNames(option), OptionDoc(option));
  rows.emplace_back("-h, --help", "Shows this help.");
  StrAppend(&out, "\nOptions:\n", Rows(rows, width));
  if (!command.examples.empty()) StrAppend(&out, "\nExamples:\n");
  for (const Example& example : command.examples)
    StrAppend(&out, "  ", example.command, "\n      ", Wrap(example.what, 6, width), "\n");
  rows.clear();
  for (const auto& [code, meaning] : kExitCodes) rows.emplace_back(code, meaning);
  StrAppend(&out, "\nExit codes:\n", Rows(rows, width));
  return out;
}

std::string ManPage(const Command& root) {
  std::string out =
      StrCat(".TH ", Upper(root.name), " 1\n.SH NAME\n", root.name, " \\- ", Roff(root.summary),
             "\n.SH SYNOPSIS\n.B ", root.name, "\nCOMMAND [OPTION]…\n.SH DESCRIPTION\n");
  for (const std::string& line : std::vector<std::string>(absl::StrSplit(root.details, '\n')))
    StrAppend(&out, ".PP\n", Roff(line), "\n");
  StrAppend(&out, ".SH COMMANDS\n");
  EachCommand(root, root.name, [&](const Command& command, const std::string& path) {
    StrAppend(&out, ".SS ", Roff(Usage(command, path)), "\n", Roff(command.summary), ".\n");
    for (const std::string& line :
         std::vector<std::string>(absl::StrSplit(command.details, '\n', absl::SkipEmpty())))
      StrAppend(&out, ".PP\n", Roff(line), "\n");
    for (const Argument& argument : command.arguments)
      StrAppend(&out, ".TP\n.I ", argument.name, "\n", Roff(argument.doc), "\n");
    for (const Option& option : command.options)
      StrAppend(&out, ".TP\n.B ", Roff(OptionNames(option)), "\n", Roff(OptionDoc(option)), "\n");
    for (const Example& example : command.examples)
      StrAppend(&out, ".PP\n", Roff(example.what), "\n.PP\n.nf\n.RS\n", Roff(example.command),
                "\n.RE\n.fi\n");
  });
  StrAppend(&out, ".SH EXIT STATUS\n");
  for (const auto& [code, meaning] : kExitCodes)
    StrAppend(&out, ".TP\n.B ", code, "\n", Roff(std::string(meaning)), "\n");
  return out;
}

std::string MarkdownPage(const Command& root) {
  std::string out = StrCat(
      "# The command line\n\nMade by `tessera help --markdown`; do not edit. `tessera help --man` "
      "gives "
      "the same as a man page,\n`tessera COMMAND --help` in the terminal.\n\n",
      Paragraphs(root.details, 0, 120), "\n");
  EachCommand(root, root.name, [&](const Command& command, const std::string& path) {
    StrAppend(
        &out, "## `", path, "`\n\n    ", Usage(command, path), "\n\n",
        Wrap(StrCat(Upper(command.summary.substr(0, 1)), command.summary.substr(1), "."), 0, 120),
        "\n");
    if (!command.details.empty()) {
      for (const std::string& line :
           std::vector<std::string>(absl::StrSplit(command.details, '\n')))
        StrAppend(&out, "\n", Wrap(line, 0, 120), "\n");
    }
    if (!command.arguments.empty() || !command.options.empty()) out += "\n";
    for (const Argument& argument : command.arguments)
      StrAppend(&out, "- `", argument.name, "` ", argument.doc, "\n");
    for (const Option& option : command.options)
      StrAppend(&out, "- `", OptionNames(option), "` ", OptionDoc(option), "\n");
    for (const Example& example : command.examples)
      StrAppend(&out, "\n", example.what, "\n\n    ", example.command, "\n");
    out += "\n";
  });
  StrAppend(&out, "## Exit codes\n\n| code | meaning |\n|---|---|\n");
  for (const auto& [code, meaning] : kExitCodes)
    StrAppend(&out, "| ", code, " | ", meaning, " |\n");
  return out;
}

}  // namespace tessera
