#pragma once
// Steps around the question: rewrite it with the history, retrieve passages for it.

#include <string>

#include "config/fields.h"
#include "services/orchestration/step.h"

namespace tessera {

/// Makes the question of a conversation stand alone, in the variable `question`. A capable language
/// model rewrites it; with a demo model, or when that fails, a question that leans on what was said
/// before gets the earlier question in front.
class RewriteStep final : public Step {
 public:
  struct Options {
    std::uint32_t tokens_max = 64;
    static void Describe(Fields<Options>& f);
  };
  explicit RewriteStep(Options options) : options_(options) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
};

/// Embeds `question`, searches the run's collection, and keeps what is relevant as passages.
class RetrieveStep final : public Step {
 public:
  struct Options {
    std::uint32_t limit = 6;
    std::string limit_flag;  ///< an integer feature flag that takes the place of `limit`
    double cosine_min = 0.2;
    double coverage_min = 0.5;
    std::string into = "passages";
    static void Describe(Fields<Options>& f);
  };
  explicit RetrieveStep(Options options) : options_(std::move(options)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  bool AllSimilar(const v1::SearchReply& reply) const;
  Passages Relevant(const std::string& question, v1::SearchReply reply) const;

  const Options options_;
};

/// Orders passages by the reranker's scores, best first, and keeps the first `limit`. With `flag`
/// only for callers for whom that feature flag is true.
class RerankStep final : public Step {
 public:
  struct Options {
    std::string flag;
    std::string model;
    std::uint32_t limit = 0;
    std::string from = "passages";
    std::string into = "passages";
    static void Describe(Fields<Options>& f);
  };
  explicit RerankStep(Options options) : options_(std::move(options)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
};

}  // namespace tessera
