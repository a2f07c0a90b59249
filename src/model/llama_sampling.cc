#include "model/llama_sampling.h"

#include <array>
#include <cmath>
#include <exception>
#include <vector>

#include <llama.h>

#include "base/ids.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr float kTemperature = 0.7F;
constexpr std::int32_t kTopK = 40;
constexpr float kTopP = 0.95F;
constexpr float kMinP = 0.05F;
constexpr std::int32_t kPenaltyWindow = 256;  // tokens that penalties look back

Status CheckRange(const char* name, float value, float low, float high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("sampling.", name, ": ", value, " is not between ", low, " and ", high));
}

/// The index of the largest value; the first of equals.
std::size_t ArgMax(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> best;
  best.fill(-INFINITY);
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      best[lane] = values[i + lane] > best[lane] ? values[i + lane] : best[lane];
  }
  float top = -INFINITY;
  for (const float value : best) top = std::max(top, value);
  for (; i < values.size(); ++i) top = std::max(top, values[i]);
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (values[k] == top) return k;
  }
  return 0;  // all are NaN
}

std::vector<llama_token_data>& Candidates(std::span<const float> logits) {
  thread_local std::vector<llama_token_data> candidates;
  candidates.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    candidates[i] = {static_cast<llama_token>(i), logits[i], 0.0F};
  return candidates;
}

void AddTo(const LlamaSamplerPtr& chain, llama_sampler* sampler) {
  llama_sampler_chain_add(chain.get(), sampler);
}

}  // namespace

Status CheckSampling(const v1::Sampling& s) {
  if (s.has_temperature()) TRY(CheckRange("temperature", s.temperature(), 0, 5));
  if (s.has_top_p()) TRY(CheckRange("top_p", s.top_p(), 0, 1));
  if (s.has_min_p()) TRY(CheckRange("min_p", s.min_p(), 0, 1));
  if (s.has_frequency_penalty()) TRY(CheckRange("frequency_penalty", s.frequency_penalty(), -2, 2));
  if (s.has_presence_penalty()) TRY(CheckRange("presence_penalty", s.presence_penalty(), -2, 2));
  if (s.has_repetition_penalty())
    TRY(CheckRange("repetition_penalty", s.repetition_penalty(), 0.01F, 10));
  return absl::OkStatus();
}

Result<LlamaSampling> LlamaSampling::Make(const llama_vocab* vocabulary, const v1::Sampling& s,
                                          const std::string& grammar,
                                          std::span<const std::int32_t> prompt) {
  TRY(CheckSampling(s));
  LlamaSampling made;
  const float temperature = s.has_temperature() ? s.temperature() : kTemperature;
  const float repetition = s.has_repetition_penalty() ? s.repetition_penalty() : 1.0F;
  const bool penalised =
      repetition != 1.0F || s.frequency_penalty() != 0 || s.presence_penalty() != 0;
  made.greedy_ = temperature == 0 && !penalised;
  if (!made.greedy_) {
    const std::int32_t size = llama_vocab_n_tokens(vocabulary);
    made.chain_.reset(llama_sampler_chain_init({.no_perf = true}));
    if (repetition != 1.0F) {
      llama_sampler* penalty = llama_sampler_init_penalties(size, kPenaltyWindow, repetition, 0, 0);
      for (const std::int32_t token : prompt) llama_sampler_accept(penalty, token);
      AddTo(made.chain_, penalty);
    }
    if (s.frequency_penalty() != 0 || s.presence_penalty() != 0) {
      AddTo(made.chain_, llama_sampler_init_penalties(size, kPenaltyWindow, 1.0F,
                                                      s.frequency_penalty(), s.presence_penalty()));
    }
    if (temperature == 0) {
      AddTo(made.chain_, llama_sampler_init_greedy());
    } else {
      const auto top_k = s.has_top_k() ? static_cast<std::int32_t>(s.top_k()) : kTopK;
      const float top_p = s.has_top_p() ? s.top_p() : kTopP;
      const float min_p = s.has_min_p() ? s.min_p() : kMinP;
      if (top_k > 0) AddTo(made.chain_, llama_sampler_init_top_k(top_k));
      if (top_p < 1) AddTo(made.chain_, llama_sampler_init_top_p(top_p, 1));
      if (min_p > 0) AddTo(made.chain_, llama_sampler_init_min_p(min_p, 1));
      AddTo(made.chain_, llama_sampler_init_temp(temperature));
      const std::uint64_t seed = s.has_seed() ? s.seed() : RandomId();
      AddTo(made.chain_, llama_sampler_init_dist(static_cast<std::uint32_t>(seed ^ (seed >> 32))));
    }
  }
  if (!grammar.empty()) {
    try {
      made.grammar_.reset(llama_sampler_init_grammar(vocabulary, grammar.c_str(), "root"));
    } catch (const std::exception& error) {
      return absl::InvalidArgumentError(StrCat("json_schema: ", error.what()));
    }
    if (made.grammar_ == nullptr)
      return absl::InvalidArgumentError("json_schema: no grammar could be made of it");
  }
  return made;
}

std::int32_t LlamaSampling::Choose(std::span<const float> logits, bool by_grammar) {
  if (greedy_ && !by_grammar) return static_cast<std::int32_t>(ArgMax(logits));
  std::vector<llama_token_data>& candidates = Candidates(logits);
  llama_token_data_array array = {candidates.data(), candidates.size(), -1, false};
  if (by_grammar) llama_sampler_apply(grammar_.get(), &array);
  if (!greedy_) {
    llama_sampler_apply(chain_.get(), &array);
    return array.selected < 0 ? -1 : array.data[array.selected].id;
  }
  std::int32_t best = -1;
  float top = -INFINITY;
  for (std::size_t i = 0; i < array.size; ++i) {
    if (array.data[i].logit <= top) continue;
    top = array.data[i].logit;
    best = array.data[i].id;
  }
  return best;
}

Result<std::int32_t> LlamaSampling::Next(std::span<const float> logits) {
  try {
    // The grammar is asked about one token, which nearly always fits, and only else about all: that
    // costs a hundred times as much.
    std::int32_t token = Choose(logits, false);
    if (grammar_ != nullptr) {
      llama_token_data single = {token, 1.0F, 0.0F};
      llama_token_data_array array = {&single, 1, -1, false};
      llama_sampler_apply(grammar_.get(), &array);
      if (std::isinf(single.logit)) token = Choose(logits, true);
    }
    if (token < 0) return absl::InternalError("no token fits the JSON schema's grammar");
    if (grammar_ != nullptr) llama_sampler_accept(grammar_.get(), token);
    if (chain_ != nullptr) llama_sampler_accept(chain_.get(), token);
    return token;
  } catch (const std::exception& error) {
    return absl::InternalError(StrCat("choosing a token failed: ", error.what()));
  }
}

}  // namespace tessera
