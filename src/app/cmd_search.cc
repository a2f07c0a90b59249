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

struct SearchState {
  PlatformTarget target;
  std::string collection = "default";
  std::string mode = "hybrid";
  std::uint32_t limit = 10;
  bool json = false;
  std::vector<std::string> query;
};

v1::SearchMode ModeOf(const std::string& word) {
  if (word == "bm25") return v1::SEARCH_MODE_BM25;
  return word == "vector" ? v1::SEARCH_MODE_VECTOR : v1::SEARCH_MODE_HYBRID;
}

std::string ToJson(const v1::SearchReply& reply, const std::string& query) {
  JsonWriter json;
  json.BeginObject().Field("query", query).Key("hits").BeginArray();
  for (const v1::Hit& hit : reply.hits()) {
    json.BeginObject()
        .Field("document", hit.document().name())
        .Field("document_id", hit.document().id())
        .Field("title", hit.document().title())
        .Field("score", hit.score())
        .Field("page", hit.chunk().page())
        .Field("heading", hit.chunk().heading())
        .Field("chunk", hit.chunk().ordinal())
        .Field("start", hit.chunk().start())
        .Field("end", hit.chunk().end())
        .Field("text", hit.chunk().text())
        .EndObject();
  }
  json.EndArray().EndObject();
  return json.Take() + "\n";
}

void PrintHits(const v1::SearchReply& reply) {
  const bool colour = ShowsColour(STDOUT_FILENO);
  const char* const bold = colour ? "\x1b[1m" : "";
  const char* const dim = colour ? "\x1b[2m" : "";
  const char* const off = colour ? "\x1b[0m" : "";
  int rank = 0;
  for (const v1::Hit& hit : reply.hits()) {
    const std::string page =
        hit.chunk().page() > 0 ? StrCat(", page ", hit.chunk().page()) : std::string();
    const std::string heading =
        hit.chunk().heading().empty() ? "" : "  " + Printable(hit.chunk().heading(), 60);
    std::printf("%s%d. %s%s%s  %s%.2f%s%s\n   %s\n", bold, ++rank,
                Printable(hit.document().name(), 80).c_str(), page.c_str(), off, dim,
                static_cast<double>(hit.score()), heading.c_str(), off,
                Printable(hit.chunk().text(), 300).c_str());
  }
  if (reply.hits().empty()) std::puts("nothing found");
}

ExitCode RunSearch(const SearchState& state) {
  const Interrupt interrupt;
  std::string query;
  for (const std::string& word : state.query) StrAppend(&query, query.empty() ? "" : " ", word);
  Result<std::unique_ptr<Client>> client = OpenClient(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const Result<v1::SearchReply> reply =
      (*client)->Search({state.collection, query, state.limit, ModeOf(state.mode)});
  if (!reply.ok()) return FailCall(reply.status());
  if (state.json) {
    std::fputs(ToJson(*reply, query).c_str(), stdout);
  } else {
    PrintHits(*reply);
  }
  return ExitCode::kOk;
}

}  // namespace

Command SearchCommand() {
  auto state = std::make_shared<SearchState>();
  Command command;
  command.name = "search";
  command.summary = "finds passages in the documents";
  command.details =
      "Shows the passages that fit best, the best one first, with document, page and heading. "
      "Words and meaning are "
      "both searched (hybrid) unless --mode says otherwise.";
  command.options = TargetOptions(state->target);
  command.options.push_back({.name = "--collection",
                             .value = "NAME",
                             .doc = "Where to search. Default: default.",
                             .target = &state->collection,
                             .letter = "-c"});
  command.options.push_back({.name = "--limit",
                             .value = "N",
                             .doc = "How many passages, 1 to 200. Default: 10.",
                             .target = &state->limit,
                             .letter = "-n"});
  command.options.push_back({.name = "--mode",
                             .value = "MODE",
                             .doc = "How to search.",
                             .target = &state->mode,
                             .words = {"hybrid", "bm25", "vector"}});
  command.options.push_back(
      {.name = "--json", .doc = "Prints the passages as JSON.", .target = &state->json});
  command.arguments = {{.name = "QUERY",
                        .doc = "What to look for; several words need no quotes.",
                        .target = &state->query,
                        .many = true}};
  command.examples = {
      {"tessera search vacuum freeze", "the ten best passages of the collection \"default\""},
      {"tessera search --limit 3 --json \"how long is the notice period\" | jq -r "
       "'.hits[].document'",
       "the documents of the three best passages"}};
  command.run = [state] {
    if (state->limit < 1 || state->limit > 200)
      return Fail(WithExitCode(absl::InvalidArgumentError("--limit: must be from 1 to 200"),
                               ExitCode::kUsage));
    return RunSearch(*state);
  };
  return command;
}

}  // namespace tessera
