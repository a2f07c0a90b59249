#pragma once
// The orchestration service: runs graphs over the contracts of inference and retrieval.

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "runtime/scope.h"
#include "services/orchestration/graph.h"
#include "tessera/v1/orchestration.tessera.h"

namespace tessera {

/// Holds the built-in graphs and those of the configuration. Thread-safe; Stop() before
/// destruction.
class LocalOrchestration final : public Orchestration {
 public:
  struct Config {
    std::vector<std::string> graphs;
    std::uint32_t runs_max = 64;
    std::uint32_t events_max = 64;
    static void Describe(Fields<Config>& f);
  };

  /// Where a run's steps begin, asked by the caller of Run(). Most steps wait for other services,
  /// so best is the loop that they answer on; what computes for long goes to `cpu` by itself.
  using RunsOn = std::function<Executor&()>;

  /// Reads the configured graph files; one of a built-in's name takes its place. Without `runs_on`
  /// runs begin on `cpu`.
  static Result<std::unique_ptr<LocalOrchestration>> Make(Config config, Inference& inference,
                                                          Retrieval& retrieval, Executor& cpu,
                                                          RunsOn runs_on = {});
  ~LocalOrchestration() override;

  Task<Result<StreamPtr<v1::RunEvent>>> Run(Ctx ctx, v1::RunRequest request) override;
  Task<Result<v1::SearchReply>> Search(Ctx ctx, v1::SearchRequest request) override;
  Task<Result<v1::ListGraphsReply>> ListGraphs(Ctx ctx, v1::ListGraphsRequest request) override;

 private:
  LocalOrchestration(Config config, Inference& inference, Retrieval& retrieval, Executor& cpu,
                     RunsOn runs_on);
  void Add(Graph graph);
  Status CheckRequest(const v1::RunRequest& request) const;
  Task<Result<v1::Model>> FindModel(Ctx ctx, std::string name);
  std::optional<v1::Model> RememberedModel(const std::string& name);
  void RememberModel(const std::string& name, const v1::Model& model);

  const Config config_;
  Inference& inference_;
  Retrieval& retrieval_;
  Executor& cpu_;
  const RunsOn runs_on_;
  std::map<std::string, Graph, std::less<>> graphs_;
  std::atomic<std::uint32_t> running_{0};
  // A run asks what its model is like, and answers for a moment are the same.
  struct Remembered {
    v1::Model model;
    SteadyTime until;
  };
  std::mutex mutex_;
  std::map<std::string, Remembered> models_;  // under mutex_
  Scope scope_;
};

}  // namespace tessera
