#include "services/orchestration/graph.h"

#include <map>
#include <utility>

#include "config/read.h"
#include "services/orchestration/control_steps.h"
#include "services/orchestration/extract_step.h"
#include "services/orchestration/language_steps.h"
#include "services/orchestration/retrieve_step.h"
#include "telemetry/trace.h"

namespace tessera {
namespace {

using ParseStep = StepPtr (*)(const YamlNode& node, StepPlace place);

void Mistake(const StepPlace& place, Mark mark, std::string message) {
  place.problems->push_back({mark, place.path, std::move(message)});
}

template <Described Options>
Options ReadOptions(const YamlNode& node, const StepPlace& place) {
  Options options;
  if (node.kind == YamlNode::Kind::kNull) return options;  // `- rewrite:` takes the defaults
  ReadStruct(node, SpecOf<Options>(), place.path, &options, *place.problems);
  return options;
}

// The entry `steps` of a control step, and the node without it.
StepPtr TakeSteps(const YamlNode& node, StepPlace place, YamlNode& rest,
                  std::string_view key = "steps") {
  rest = node;
  std::erase_if(rest.entries, [key](const YamlNode::Entry& entry) { return entry.key == key; });
  const YamlNode::Entry* const entry = node.Find(key);
  return ParseSteps(entry != nullptr ? entry->value.get() : nullptr, node.mark, std::move(place));
}

template <class Control>
StepPtr ParseControl(const YamlNode& node, StepPlace place) {
  YamlNode rest;
  StepPtr steps = TakeSteps(node, place, rest);
  auto options = ReadOptions<typename Control::Options>(rest, place);
  return std::make_unique<Control>(std::move(options), std::move(steps));
}

StepPtr ParseMap(const YamlNode& node, StepPlace place) {
  place.may_stream = false;
  return ParseControl<MapStep>(node, std::move(place));
}

StepPtr ParseParallel(const YamlNode& node, StepPlace place) {
  place.may_stream = false;
  std::vector<StepPtr> branches;
  if (node.kind != YamlNode::Kind::kList || node.items.empty()) {
    Mistake(place, node.mark, "needs a list of branches, each a list of steps");
  }
  for (const auto& branch : node.items) {
    branches.push_back(ParseSteps(branch.get(), node.mark, place));
  }
  return std::make_unique<ParallelStep>(std::move(branches));
}

StepPtr ParseSwitch(const YamlNode& node, StepPlace place) {
  std::vector<SwitchStep::Case> cases;
  if (node.kind != YamlNode::Kind::kList || node.items.empty()) {
    Mistake(place, node.mark, "needs a list of cases: {when: condition, steps: […]}");
  }
  for (const auto& item : node.items) {
    SwitchStep::Case option;
    YamlNode rest;
    option.steps = TakeSteps(*item, place, rest);
    for (const YamlNode::Entry& entry : rest.entries) {
      if (entry.key != "when") {
        Mistake(place, entry.mark, UnknownKey(entry.key, {"when", "steps"}));
        continue;
      }
      Result<Condition> condition = Condition::Parse(entry.value->scalar);
      if (condition.ok())
        option.when = *std::move(condition);
      else
        Mistake(place, entry.value->mark, std::string(condition.status().message()));
    }
    cases.push_back(std::move(option));
  }
  return std::make_unique<SwitchStep>(std::move(cases));
}

StepPtr ParseFallback(const YamlNode& node, StepPlace place) {
  YamlNode without_steps;
  YamlNode rest;
  StepPtr steps = TakeSteps(node, place, without_steps);
  StepPtr otherwise = TakeSteps(without_steps, place, rest, "otherwise");
  for (const YamlNode::Entry& entry : rest.entries) {
    Mistake(place, entry.mark, UnknownKey(entry.key, {"steps", "otherwise"}));
  }
  return std::make_unique<FallbackStep>(std::move(steps), std::move(otherwise));
}

template <class Plain>
StepPtr ParsePlain(const YamlNode& node, StepPlace place) {
  return std::make_unique<Plain>(ReadOptions<typename Plain::Options>(node, place));
}

Template ReadTemplate(const std::string& text, const YamlNode& node, const StepPlace& place) {
  Result<Template> parsed = Template::Parse(text);
  if (parsed.ok()) return *std::move(parsed);
  Mistake(place, node.mark, std::string(parsed.status().message()));
  return {};
}

template <class Texted>
StepPtr ParseTexted(const YamlNode& node, StepPlace place) {
  auto options = ReadOptions<typename Texted::Options>(node, place);
  Template text = ReadTemplate(options.text, node, place);
  return std::make_unique<Texted>(std::move(options), std::move(text));
}

StepPtr ParseGenerate(const YamlNode& node, StepPlace place) {
  auto options = ReadOptions<GenerateStep::Options>(node, place);
  if (options.stream && !place.may_stream) {
    Mistake(place, node.mark, "stream: the branches of parallel and map cannot send to the client");
  }
  Template system = ReadTemplate(options.system, node, place);
  return std::make_unique<GenerateStep>(std::move(options), std::move(system));
}

// A step that sends text to the client on its own.
template <ParseStep parse>
StepPtr ParseSpeaking(const YamlNode& node, StepPlace place) {
  if (!place.may_stream) {
    Mistake(place, node.mark, "the branches of parallel and map cannot send to the client");
  }
  return parse(node, std::move(place));
}

const std::map<std::string, ParseStep, std::less<>>& Kinds() {
  static const std::map<std::string, ParseStep, std::less<>> kinds = {
      {"context", ParsePlain<ContextStep>},
      {"each", ParseControl<EachStep>},
      {"extract", ParseSpeaking<ParsePlain<ExtractStep>>},
      {"fallback", ParseFallback},
      {"generate", ParseGenerate},
      {"map", ParseMap},
      {"parallel", ParseParallel},
      {"prompt", ParseTexted<PromptStep>},
      {"rerank", ParsePlain<RerankStep>},
      {"retrieve", ParsePlain<RetrieveStep>},
      {"retry", ParseControl<RetryStep>},
      {"rewrite", ParsePlain<RewriteStep>},
      {"say", ParseSpeaking<ParseTexted<SayStep>>},
      {"split", ParsePlain<SplitStep>},
      {"switch", ParseSwitch},
      {"timeout", ParseControl<TimeoutStep>},
  };
  return kinds;
}

std::vector<std::string> KindNames() {
  std::vector<std::string> names;
  for (const auto& [name, parse] : Kinds()) names.push_back(name);
  return names;
}

struct GraphHead {
  std::string name;
  std::string description;
  static void Describe(Fields<GraphHead>& f) {
    f.Required("name", &GraphHead::name, "Name of the graph.", 1, 64);
    f.Optional("description", &GraphHead::description, "What it does, in a sentence.");
  }
};

}  // namespace

StepPtr ParseSteps(const YamlNode* list, Mark mark, StepPlace place) {
  std::vector<SequenceStep::Named> steps;
  if (list == nullptr || list->kind != YamlNode::Kind::kList || list->items.empty()) {
    Mistake(place, list != nullptr ? list->mark : mark,
            "needs steps: a list such as [{retrieve: {limit: 4}}]");
    return std::make_unique<SequenceStep>(std::move(steps));
  }
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const YamlNode& item = *list->items[i];
    StepPlace at = place;
    at.path = StrCat(place.path, place.path.empty() ? "" : ".", "steps[", i, "]");
    if (item.kind != YamlNode::Kind::kMap || item.entries.size() != 1) {
      Mistake(at, item.mark, "a step is a map with one key, its kind: {retrieve: {limit: 4}}");
      continue;
    }
    const YamlNode::Entry& entry = item.entries.front();
    const auto kind = Kinds().find(entry.key);
    if (kind == Kinds().end()) {
      Mistake(at, entry.mark, UnknownKey(entry.key, KindNames()));
      continue;
    }
    at.path += StrCat(".", entry.key);
    steps.push_back(
        {InternedText(StrCat("step ", entry.key)), kind->second(*entry.value, std::move(at))});
  }
  return std::make_unique<SequenceStep>(std::move(steps));
}

Result<Graph> ParseGraph(std::string_view yaml, std::string_view file) {
  std::vector<Problem> problems;
  Graph graph;
  graph.yaml = yaml;
  if (const YamlNodePtr root = ParseYaml(yaml, problems)) {
    YamlNode head;
    graph.steps = TakeSteps(*root, StepPlace{.problems = &problems, .path = ""}, head);
    GraphHead read;
    ReadStruct(head, SpecOf<GraphHead>(), "", &read, problems);
    graph.name = read.name;
    graph.description = read.description;
  }
  if (!problems.empty())
    return absl::InvalidArgumentError(FormatProblems(file, std::move(problems)));
  return graph;
}

}  // namespace tessera
