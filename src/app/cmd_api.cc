#include <cstdio>

#include "app/api_routes.h"
#include "app/command.h"
#include "app/commands.h"

namespace tessera {
namespace {

Command ReferenceCommand() {
  Command command;
  command.name = "reference";
  command.summary = "prints the reference page of all routes (Markdown)";
  command.examples = {{"tessera api reference > docs/api.md", "the page in docs/"}};
  command.run = [] {
    const Result<std::string> page = ApiReference();
    if (!page.ok()) return Fail(page.status());
    std::fwrite(page->data(), 1, page->size(), stdout);
    return ExitCode::kOk;
  };
  return command;
}

}  // namespace

Command ApiCommand() {
  Command command;
  command.name = "api";
  command.summary = "describes the HTTP interface";
  command.commands = {ReferenceCommand()};
  return command;
}

}  // namespace tessera
