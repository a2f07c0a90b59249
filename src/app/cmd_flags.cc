// `tessera flags`: what is switched on, for whom, and who switched it.
#include <cstdio>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "app/admin_client.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/config_file.h"
#include "app/interrupt.h"
#include "net/uri.h"
#include "tessera/v1/flags.pb.h"

namespace tessera {
namespace {

constexpr std::string_view kApi = "/admin/v1/flags";

struct State {
  PlatformTarget target;
  bool json = false;
  std::vector<std::string> key;
  // of set
  std::string file, type, default_variant, description;
  std::vector<std::string> variants, split;
  bool disable = false, enable = false, no_rules = false;
  // of evaluate
  std::string targeting_key, principal, tenant;
  std::vector<std::string> scopes, headers;
};

using Client = AdminClient;

Status Usage(std::string message) {
  return WithExitCode(absl::InvalidArgumentError(message), ExitCode::kUsage);
}

void Print(const google::protobuf::Message& message) {
  std::printf("%s\n", MessageToJson(message).c_str());
}

std::string PathOf(const State& state) {
  return StrCat(kApi, "/", PercentEncode(state.key.front()));
}

std::string TypeName(v1::FlagType type) {
  return ShortName(*v1::FlagType_descriptor()->FindValueByNumber(type));
}

Status List(Client& client, const State& state) {
  TRY(const v1::ListFlagsReply reply, client.Get<v1::ListFlagsReply>(std::string(kApi)));
  if (state.json) {
    Print(reply);
    return absl::OkStatus();
  }
  if (reply.flags().empty()) std::printf("there are no flags\n");
  for (const v1::Flag& flag : reply.flags()) {
    const auto value = flag.variants().find(flag.default_variant());
    std::printf("%-32s %-8s %-9s %s = %s%s\n", flag.key().c_str(), TypeName(flag.type()).c_str(),
                flag.disabled() ? "disabled" : "enabled", flag.default_variant().c_str(),
                value == flag.variants().end() ? "" : value->second.substr(0, 60).c_str(),
                flag.rules().empty() ? "" : StrCat(", ", flag.rules_size(), " rules").c_str());
  }
  return absl::OkStatus();
}

Status Get(Client& client, const State& state) {
  TRY(const v1::Flag flag, client.Get<v1::Flag>(PathOf(state)));
  Print(flag);
  return absl::OkStatus();
}

// "NAME=VALUE" taken apart.
Result<std::pair<std::string, std::string>> Pair(std::string_view option, std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string_view::npos)
    return Usage(StrCat(option, ": give NAME=VALUE, not \"", text, "\""));
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

Result<v1::Flag> ReadFlagFile(const State& state) {
  TRY(std::string text, ReadConfigText(state.file));
  TRY(const JsonDocument document, JsonDocument::Parse(std::move(text)));
  v1::Flag flag;
  JsonErrors errors;
  ReadMessage(document.root(), "", errors, &flag);
  TRY(errors.status());
  if (flag.key().empty()) flag.set_key(state.key.front());
  if (flag.key() != state.key.front())
    return Usage(StrCat(state.file, " defines the flag \"", flag.key(), "\""));
  return flag;
}

// What the options change of the flag as it is.
Status Edit(const State& state, v1::Flag& flag) {
  if (!state.type.empty())
    flag.set_type(
        static_cast<v1::FlagType>(FindValue(*v1::FlagType_descriptor(), state.type)->number()));
  for (const std::string& text : state.variants) {
    TRY(const auto variant, Pair("--variant", text));
    (*flag.mutable_variants())[variant.first] = variant.second;
  }
  if (!state.default_variant.empty()) flag.set_default_variant(state.default_variant);
  if (!state.description.empty()) flag.set_description(state.description);
  if (state.disable) flag.set_disabled(true);
  if (state.enable) flag.set_disabled(false);
  if (state.no_rules || !state.split.empty()) flag.clear_rules();
  v1::FlagRule rule;
  for (const std::string& text : state.split) {
    TRY(const auto share, Pair("--split", text));
    double weight = 0;
    if (!absl::SimpleAtod(share.second, &weight))
      return Usage(StrCat("--split: \"", share.second, "\" is not a number"));
    rule.add_split()->set_variant(share.first);
    rule.mutable_split()->rbegin()->set_weight(weight);
  }
  if (!state.split.empty()) *flag.add_rules() = std::move(rule);
  return absl::OkStatus();
}

Status Set(Client& client, const State& state) {
  v1::PutFlagRequest request;
  if (!state.file.empty()) {
    TRY(*request.mutable_flag(), ReadFlagFile(state));
  } else {
    Result<v1::Flag> flag = client.Get<v1::Flag>(PathOf(state));
    if (!flag.ok() && !absl::IsNotFound(flag.status())) return flag.status();
    request.set_if_version(flag.ok() ? flag->version() : 0);
    if (flag.ok()) *request.mutable_flag() = *std::move(flag);
    request.mutable_flag()->set_key(state.key.front());
    TRY(Edit(state, *request.mutable_flag()));
  }
  TRY(const v1::Flag flag, client.Post<v1::Flag>(std::string(kApi), request));
  if (state.json) {
    Print(flag);
  } else {
    std::printf("%s is set, version %llu\n", flag.key().c_str(),
                static_cast<unsigned long long>(flag.version()));
  }
  return absl::OkStatus();
}

Status Delete(Client& client, const State& state) {
  TRY(client.Delete<v1::DeleteFlagReply>(PathOf(state)));
  if (!state.json) std::printf("%s is gone\n", state.key.front().c_str());
  return absl::OkStatus();
}

Status Evaluate(Client& client, const State& state) {
  v1::EvaluateFlagRequest request;
  request.set_key(state.key.front());
  request.set_targeting_key(state.targeting_key);
  request.set_principal(state.principal);
  request.set_tenant(state.tenant);
  for (const std::string& scope : state.scopes) request.add_scopes(scope);
  for (const std::string& text : state.headers) {
    TRY(const auto header, Pair("--header", text));
    (*request.mutable_headers())[header.first] = header.second;
  }
  TRY(const v1::FlagEvaluation answer,
      client.Post<v1::FlagEvaluation>(PathOf(state) + "/evaluate", request));
  if (state.json) {
    Print(answer);
  } else if (!answer.error_code().empty()) {
    return absl::FailedPreconditionError(answer.error_code());
  } else {
    std::printf("%s\n", answer.value().c_str());
    std::fprintf(stderr, "variant %s, %s%s\n", answer.variant().c_str(), answer.reason().c_str(),
                 answer.rule() > 0 ? StrCat(" by rule ", answer.rule()).c_str() : "");
  }
  return absl::OkStatus();
}

ExitCode Run(const State& state, Status (*verb)(Client&, const State&)) {
  const Interrupt interrupt;
  auto client = Client::Connect(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const Status done = verb(**client, state);
  return done.ok() ? ExitCode::kOk : Fail(done);
}

Command SubCommand(std::shared_ptr<State> state, std::string name, std::string summary,
                   bool has_key, std::vector<Option> options, Example example,
                   Status (*verb)(Client&, const State&)) {
  Command command;
  command.name = std::move(name);
  command.summary = std::move(summary);
  if (has_key) command.arguments = {{.name = "KEY", .doc = "The flag.", .target = &state->key}};
  command.options = std::move(options);
  AddServerOptions(state->target, command.options);
  command.options.push_back(
      {.name = "--json", .doc = "Prints the answer as JSON.", .target = &state->json});
  command.examples = {std::move(example)};
  command.run = [state, verb] { return Run(*state, verb); };
  return command;
}

Command SetCommand() {
  auto state = std::make_shared<State>();
  std::vector<Option> options = {
      {.name = "--file",
       .value = "FILE",
       .doc = "The whole definition as JSON, as \"get\" prints it; - is standard input.",
       .target = &state->file,
       .completion = Completion::kFile},
      {.name = "--type",
       .value = "TYPE",
       .doc = "What its values are.",
       .target = &state->type,
       .words = {"boolean", "string", "integer", "number", "object"}},
      {.name = "--variant",
       .value = "NAME=VALUE",
       .doc = "Adds a variant or changes it; more than once.",
       .target = &state->variants},
      {.name = "--default",
       .value = "NAME",
       .doc = "The variant where no rule applies.",
       .target = &state->default_variant},
      {.name = "--split",
       .value = "NAME=WEIGHT",
       .doc = "Instead of all rules: callers are split between the variants; more than once.",
       .target = &state->split},
      {.name = "--no-rules", .doc = "Takes all rules away.", .target = &state->no_rules},
      {.name = "--description",
       .value = "TEXT",
       .doc = "What it is for.",
       .target = &state->description},
      {.name = "--disable", .doc = "Everybody gets the default.", .target = &state->disable},
      {.name = "--enable", .doc = "Rules apply again.", .target = &state->enable}};
  return SubCommand(state, "set", "makes a flag, or changes what the options name", true,
                    std::move(options),
                    {"tessera flags set new-search --type boolean --variant on=true --variant "
                     "off=false --default off --split on=10 --split off=90",
                     "on for a tenth of the callers"},
                    Set);
}

Command EvaluateCommand() {
  auto state = std::make_shared<State>();
  std::vector<Option> options = {
      {.name = "--targeting-key",
       .value = "TEXT",
       .doc = "What a split goes by; default: the principal, else the tenant.",
       .target = &state->targeting_key},
      {.name = "--principal", .value = "ID", .doc = "Who calls.", .target = &state->principal},
      {.name = "--tenant", .value = "ID", .doc = "For whom.", .target = &state->tenant},
      {.name = "--scope",
       .value = "SCOPE",
       .doc = "What the caller may; more than once.",
       .target = &state->scopes},
      {.name = "--header",
       .value = "NAME=VALUE",
       .doc = "A header of the request; more than once.",
       .target = &state->headers}};
  return SubCommand(
      state, "evaluate", "says what somebody would get, and why", true, std::move(options),
      {"tessera flags evaluate new-search --principal key:ci", "the value for a key"}, Evaluate);
}

}  // namespace

Command FlagsCommand() {
  const auto plain = [] { return std::make_shared<State>(); };
  Command command;
  command.name = "flags";
  command.summary = "feature flags: shows them, and changes them while the platform serves";
  command.details =
      "A change is on the disk and in every process of the platform when the command returns.";
  command.commands = {
      SubCommand(plain(), "list", "lists the flags", false, {},
                 {"tessera flags list --json", "for scripts"}, List),
      SubCommand(plain(), "get", "prints a flag as JSON", true, {},
                 {"tessera flags get new-search", "its definition"}, Get),
      SetCommand(),
      SubCommand(plain(), "delete", "deletes a flag", true, {},
                 {"tessera flags delete new-search", "services fall back to their own default"},
                 Delete),
      EvaluateCommand()};
  return command;
}

}  // namespace tessera
