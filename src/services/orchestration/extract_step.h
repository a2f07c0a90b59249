#pragma once
// Answers without writing any: the sentences of the passages that answer best, quoted and cited.

#include "config/fields.h"
#include "services/orchestration/step.h"

namespace tessera {

/// Sends the best sentences of `passages` as quotes with citations. When none fits, says so like
/// `say` does.
class ExtractStep final : public Step {
 public:
  struct Options {
    std::uint32_t sentences = 3;
    std::uint32_t candidates = 40;
    double score_min = 0.35;
    std::string nothing = "I found nothing about this in the documents.";
    static void Describe(Fields<Options>& f);
  };
  explicit ExtractStep(Options options) : options_(std::move(options)) {}
  Task<Status> Execute(Ctx ctx, Run* run) const override;

 private:
  const Options options_;
};

}  // namespace tessera
