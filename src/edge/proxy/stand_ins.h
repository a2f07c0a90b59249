#pragma once
// HTTP endpoints that stand in for methods of our contracts: so a running OPEA deployment can be
// taken over piece by piece.

#include <memory>
#include <optional>

#include "edge/proxy/rest_method.h"
#include "tessera/v1/inference.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

struct InferenceStandIns {
  std::optional<RestMethodConfig> embed;
  std::optional<RestMethodConfig> rerank;
  static void Describe(Fields<InferenceStandIns>& f);
};
struct RetrievalStandIns {
  std::optional<RestMethodConfig> search;
  static void Describe(Fields<RetrievalStandIns>& f);
};
/// Section `contracts` of the configuration.
struct StandInConfig {
  InferenceStandIns inference;
  RetrievalStandIns retrieval;
  static void Describe(Fields<StandInConfig>& f);
};

/// `local`, but for the methods that the configuration gives to somebody else. `loops` outlives it.
Result<std::shared_ptr<Inference>> StandIn(const StandInConfig& config,
                                           std::shared_ptr<Inference> local, IoLoops& loops);
Result<std::shared_ptr<Retrieval>> StandIn(const StandInConfig& config,
                                           std::shared_ptr<Retrieval> local, IoLoops& loops);

}  // namespace tessera
