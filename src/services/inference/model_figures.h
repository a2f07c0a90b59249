#pragma once
// What answers and vectors cost: time by model, tokens and money by who asked.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/ctx.h"
#include "services/inference/inference_config.h"
#include "telemetry/metrics.h"

namespace tessera {

/// How fast a language model answers; live as long as the process.
struct AnswerFigures {
  Histogram& first_token;
  Histogram& between_tokens;
  Histogram& whole;
};

/// Thread-safe.
class ModelFigures {
 public:
  explicit ModelFigures(std::map<std::string, ModelPriceConfig> prices)
      : prices_(std::move(prices)) {}

  /// `model` is one of the registry's.
  const AnswerFigures& Of(const std::string& model);
  /// What one call has used, for its tenant; where there is none for the one whose key it was.
  void CountUse(const Ctx& ctx, const std::string& model, std::uint64_t input_tokens,
                std::uint64_t output_tokens) const;

 private:
  const std::map<std::string, ModelPriceConfig> prices_;
  std::mutex mutex_;
  std::map<std::string, AnswerFigures> answers_;  // under it
};

}  // namespace tessera
