#include "services/orchestration/local_orchestration.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "services/orchestration/text_search.h"

namespace tessera {
namespace {

constexpr Duration kRememberFor = std::chrono::milliseconds(500);
constexpr std::size_t kRememberedMax = 100;

/// The events of a run. Dropping it cancels the run.
class RunStream final : public Stream<v1::RunEvent> {
 public:
  RunStream(std::shared_ptr<Channel<v1::RunEvent>> events, std::shared_ptr<CancelSource> cancel)
      : events_(std::move(events)), cancel_(std::move(cancel)) {}
  ~RunStream() override {
    cancel_->Cancel(absl::CancelledError("the reader of the run has gone"));
    events_->Abandon();
  }
  Task<Result<std::optional<v1::RunEvent>>> Next(Ctx ctx) override {
    return events_->Receive(std::move(ctx));
  }

 private:
  const std::shared_ptr<Channel<v1::RunEvent>> events_;
  const std::shared_ptr<CancelSource> cancel_;
};

Variables StartVariables(const v1::RunRequest& request, const v1::Model& model) {
  Variables variables;
  for (const auto& [name, value] : request.parameters()) variables.Set(name, value);
  const bool extractive = request.answer_mode() == v1::ANSWER_MODE_EXTRACTIVE ||
                          (request.answer_mode() == v1::ANSWER_MODE_UNSPECIFIED && model.demo());
  variables.Set("mode", std::string(extractive ? "extractive" : "generative"));
  if (request.messages_size() > 0) {
    variables.Set("question", request.messages(request.messages_size() - 1).content());
  }
  variables.Set("collection", request.collection());
  variables.Set("documents",
                std::vector<std::string>(request.documents().begin(), request.documents().end()));
  return variables;
}

Task<Status> RunGraph(Ctx ctx, const Step* steps, RunShared* shared) {
  Run run;
  run.shared = shared;
  run.variables = StartVariables(shared->request, shared->model);
  shared->last.set_answer_mode(ToText(run.variables.Get("mode")) == "extractive"
                                   ? v1::ANSWER_MODE_EXTRACTIVE
                                   : v1::ANSWER_MODE_GENERATIVE);
  CO_TRY(co_await steps->Execute(ctx, &run));
  shared->last.set_done(true);
  shared->last.set_model(shared->model.name());
  co_return co_await shared->events->Send(std::move(ctx), std::move(shared->last));
}

Task<void> RunInBackground(Ctx ctx, const Step* steps, std::unique_ptr<RunShared> shared,
                           std::shared_ptr<CancelSource> cancel, CancelToken stopping,
                           std::atomic<std::uint32_t>* running) {
  CancelCallback on_stop;
  stopping.OnCancel(on_stop, [cancel](const Status& reason) { cancel->Cancel(reason); });
  Status status = co_await RunGraph(std::move(ctx), steps, shared.get());
  shared->events->Close(std::move(status));
  running->fetch_sub(1);
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file.good() && !file.eof())
    return absl::NotFoundError(StrCat("cannot read the graph ", path));
  return text;
}

}  // namespace

void LocalOrchestration::Config::Describe(Fields<Config>& f) {
  f.Optional("graphs", &Config::graphs, "Files of graphs of your own, in YAML.", 0, 256);
  f.Optional("runs_max", &Config::runs_max, "Most runs at once; more are refused with 429.", 1u,
             100'000u);
  f.Optional("events_max", &Config::events_max,
             "Events of a run that wait for a slow reader before the run waits too.", 1u, 10'000u);
}

LocalOrchestration::LocalOrchestration(Config config, Inference& inference, Retrieval& retrieval,
                                       Executor& cpu, RunsOn runs_on)
    : config_(std::move(config)),
      inference_(inference),
      retrieval_(retrieval),
      cpu_(cpu),
      runs_on_(std::move(runs_on)) {}

LocalOrchestration::~LocalOrchestration() { CHECK(SyncWait(scope_.Stop(Ctx())).ok()); }

Result<std::unique_ptr<LocalOrchestration>> LocalOrchestration::Make(
    Config config, Inference& inference, Retrieval& retrieval, Executor& cpu, RunsOn runs_on) {
  std::unique_ptr<LocalOrchestration> service(
      new LocalOrchestration(std::move(config), inference, retrieval, cpu, std::move(runs_on)));
  for (const auto& [name, yaml] : BuiltInGraphs()) {
    TRY(Graph graph, ParseGraph(yaml, StrCat(name, ".yaml")));
    service->Add(std::move(graph));
  }
  for (const std::string& path : service->config_.graphs) {
    TRY(const std::string yaml, ReadFile(path));
    TRY(Graph graph, ParseGraph(yaml, path));
    service->Add(std::move(graph));
  }
  return service;
}

void LocalOrchestration::Add(Graph graph) {
  std::string name = graph.name;
  graphs_.insert_or_assign(std::move(name), std::move(graph));
}

Status LocalOrchestration::CheckRequest(const v1::RunRequest& request) const {
  if (!graphs_.contains(request.graph())) {
    std::string known;
    for (const auto& [name, graph] : graphs_) StrAppend(&known, known.empty() ? "" : ", ", name);
    return absl::NotFoundError(
        StrCat("there is no graph \"", request.graph(), "\"; there are: ", known));
  }
  if (request.messages_size() == 0 && request.documents_size() == 0) {
    return absl::InvalidArgumentError("messages: at least one is needed");
  }
  if (request.messages_size() > 0 &&
      request.messages(request.messages_size() - 1).content().empty()) {
    return absl::InvalidArgumentError("messages: the last one, which is the question, is empty");
  }
  return absl::OkStatus();
}

std::optional<v1::Model> LocalOrchestration::RememberedModel(const std::string& name) {
  std::lock_guard lock(mutex_);
  const auto found = models_.find(name);
  if (found == models_.end() || found->second.until < Now()) return std::nullopt;
  return found->second.model;
}

void LocalOrchestration::RememberModel(const std::string& name, const v1::Model& model) {
  std::lock_guard lock(mutex_);
  if (models_.size() >= kRememberedMax) models_.clear();
  models_[name] = {model, Now() + kRememberFor};
}

Task<Result<v1::Model>> LocalOrchestration::FindModel(Ctx ctx, std::string name) {
  if (std::optional<v1::Model> model = RememberedModel(name)) co_return *std::move(model);
  v1::ListModelsRequest list;
  CO_TRY(const v1::ListModelsReply models, co_await inference_.ListModels(ctx, list));
  for (const v1::Model& model : models.models()) {
    if (model.kind() != v1::MODEL_KIND_LANGUAGE) continue;
    if (name.empty() ? !model.is_default() : model.name() != name) continue;
    RememberModel(name, model);
    co_return model;
  }
  co_return absl::NotFoundError(name.empty() ? std::string("no language model is configured")
                                             : StrCat("there is no language model \"", name,
                                                      "\"; GET /v1/models lists them"));
}

Task<Result<StreamPtr<v1::RunEvent>>> LocalOrchestration::Run(Ctx ctx, v1::RunRequest request) {
  CO_TRY(CheckRequest(request));
  const Graph& graph = graphs_.find(request.graph())->second;
  std::optional<v1::Collection> collection;
  if (!request.collection().empty()) {
    v1::GetCollectionRequest get;
    get.set_name(request.collection());
    CO_TRY(collection, co_await retrieval_.GetCollection(ctx, std::move(get)));
  }
  CO_TRY(v1::Model model, co_await FindModel(ctx, request.model()));
  if (running_.fetch_add(1) >= config_.runs_max) {
    running_.fetch_sub(1);
    co_return absl::ResourceExhaustedError(
        StrCat("more than ", config_.runs_max, " runs at once; try again in a moment"));
  }
  auto shared = std::make_unique<RunShared>(std::move(request), inference_, retrieval_, cpu_);
  shared->model = std::move(model);
  shared->collection = std::move(collection);
  auto events = std::make_shared<Channel<v1::RunEvent>>(config_.events_max);
  shared->events = events;
  auto cancel = std::make_shared<CancelSource>(ctx.cancel());
  const bool started =
      scope_.Spawn(runs_on_ ? runs_on_() : cpu_,
                   RunInBackground(ctx.WithCancel(cancel->token()), graph.steps.get(),
                                   std::move(shared), cancel, scope_.token(), &running_));
  if (!started) {
    running_.fetch_sub(1);
    co_return absl::UnavailableError("the service is stopping");
  }
  StreamPtr<v1::RunEvent> stream =
      std::make_unique<RunStream>(std::move(events), std::move(cancel));
  co_return stream;
}

Task<Result<v1::SearchReply>> LocalOrchestration::Search(Ctx ctx, v1::SearchRequest request) {
  CO_TRY(TextSearchReply found,
         co_await SearchByText(std::move(ctx), &inference_, &retrieval_, std::move(request)));
  co_return std::move(found.reply);
}

Task<Result<v1::ListGraphsReply>> LocalOrchestration::ListGraphs(Ctx ctx,
                                                                 v1::ListGraphsRequest request) {
  v1::ListGraphsReply reply;
  for (const auto& [name, graph] : graphs_) {
    v1::Graph* item = reply.add_graphs();
    item->set_name(name);
    item->set_description(graph.description);
    item->set_yaml(graph.yaml);
  }
  co_return reply;
}

}  // namespace tessera
