#include <memory>

#include "app/command.h"
#include "app/commands.h"
#include "app/config_file.h"
#include "app/server.h"
#include "app/target.h"

namespace tessera {

Command UpCommand() {
  struct State {
    ServerOptions options;
    std::string config;
  };
  auto state = std::make_shared<State>();
  Command command;
  command.name = "up";
  command.summary = "starts the server: web page, OpenAI and OPEA interfaces";
  command.details =
      "Serves until it is stopped by Ctrl-C or SIGTERM; then it finishes what runs and ends. "
      "Everything is kept in "
      "the data folder; one server at a time has it. The owner key is made at first start in "
      "DIR/owner.key and goes "
      "as \"Authorization: Bearer KEY\"; the page is opened by the one-time link that is printed.";
  command.options = {
      {.name = "--data",
       .value = "DIR",
       .doc =
           "Where everything is kept. Default: $XDG_DATA_HOME/tessera, or ~/.local/share/tessera.",
       .target = &state->options.data,
       .completion = Completion::kFolder},
      {.name = "--http",
       .value = "HOST:PORT",
       .doc = "Where to listen. Default: 127.0.0.1:8080, or what the configuration says; port 0 "
              "takes a free one.",
       .target = &state->options.http},
      {.name = "--grpc",
       .value = "HOST:PORT",
       .doc = "Where to serve the contracts over gRPC, for clients in any language. Default: what "
              "the configuration says, else nowhere.",
       .target = &state->options.grpc},
      {.name = "--topology",
       .value = "FILE",
       .doc = "Which services share a process (docs/topology.md). Default: what was reached last, "
              "at first all in one.",
       .target = &state->options.topology,
       .completion = Completion::kFile},
      {.name = "--no-auth",
       .doc = "Asks for no key. Only on a loopback address: everybody on this machine may then do "
              "everything.",
       .target = &state->options.no_auth},
      {.name = "--log-level",
       .value = "LEVEL",
       .doc = "How much the log says: debug, info, warning or error; also by module, as in "
              "info,edge=debug. Default: TESSERA_LOG_LEVEL, else what the configuration says.",
       .target = &state->options.log_level},
      {.name = "--log-format",
       .value = "FORMAT",
       .doc = "Lines for people, or JSON in the fields of ECS. Default: TESSERA_LOG_FORMAT, else "
              "what the configuration says.",
       .target = &state->options.log_format,
       .words = {"text", "json"}},
      {.name = "--config",
       .value = "FILE",
       .doc = "Configuration (docs/configuration.md); without it the defaults hold.",
       .target = &state->config,
       .completion = Completion::kFile},
  };
  command.examples = {
      {"tessera up", "serves on http://127.0.0.1:8080"},
      {"tessera up --data ./data --http 127.0.0.1:9000 --no-auth",
       "another folder and port, open to programs of this machine that send no key (OPEA's "
       "clients)"},
      {"curl -fsS http://127.0.0.1:8080/health/ready", "answers 200 once the models are loaded"}};
  command.run = [state] {
    const Result<ConfigDocument> config = LoadConfigDocument(state->config);
    if (!config.ok()) return Fail(config.status());
    ServerOptions options = state->options;
    if (options.data.empty()) options.data = DefaultDataFolder();
    return RunServer(options, *config);
  };
  return command;
}

}  // namespace tessera
