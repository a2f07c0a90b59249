#include "services/inference/model_figures.h"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/str.h"

namespace tessera {
namespace {

// Of tenants and models together; others are one tenant, called as OpenTelemetry calls it.
constexpr std::size_t kPairsMax = 1'000;
constexpr char kOthers[] = "otel_metric_overflow";
constexpr double kPriceOf = 1e6;  // tokens

struct Use {
  std::uint64_t requests = 0;
  std::uint64_t input = 0;
  std::uint64_t output = 0;
  double cost = 0;
  bool priced = false;
};

/// Of this process.
class TenantUse {
 public:
  static TenantUse& Process() {
    static auto* const use = new TenantUse;  // tidy: the metrics read it as long as they live
    return *use;
  }
  void Add(const std::string& tenant, const std::string& model, const Use& use) {
    std::lock_guard lock(mutex_);
    auto found = all_.find({tenant, model});
    if (found == all_.end()) {
      const bool room = all_.size() < kPairsMax;
      found = all_.try_emplace({room ? tenant : kOthers, model}).first;
    }
    Use& sum = found->second;
    sum.requests += use.requests;
    sum.input += use.input;
    sum.output += use.output;
    sum.cost += use.cost;
    sum.priced = sum.priced || use.priced;
  }

 private:
  TenantUse() {
    Metrics::Process().AddWriter([this](std::string& out) { Write(out); });
  }
  void Write(std::string& out) {
    std::lock_guard lock(mutex_);
    if (all_.empty()) return;
    out +=
        "# HELP tessera_tenant_requests_total Answers and vectors asked of models, by tenant.\n"
        "# TYPE tessera_tenant_requests_total counter\n";
    for (const auto& [key, use] : all_)
      StrAppend(&out, "tessera_tenant_requests_total", LabelsOf(key), " ", use.requests, "\n");
    out +=
        "# HELP tessera_tenant_tokens_total Tokens that models have read and written, by tenant.\n"
        "# TYPE tessera_tenant_tokens_total counter\n";
    for (const auto& [key, use] : all_) {
      StrAppend(&out, "tessera_tenant_tokens_total", LabelsOf(key, "input"), " ", use.input, "\n");
      StrAppend(&out, "tessera_tenant_tokens_total", LabelsOf(key, "output"), " ", use.output,
                "\n");
    }
    out +=
        "# HELP tessera_tenant_cost_total What that comes to by services.inference.prices, by "
        "tenant.\n# TYPE tessera_tenant_cost_total counter\n";
    for (const auto& [key, use] : all_) {
      if (!use.priced) continue;
      StrAppend(&out, "tessera_tenant_cost_total", LabelsOf(key), " ", MetricNumber(use.cost),
                "\n");
    }
  }
  using Key = std::pair<std::string, std::string>;
  static std::string LabelsOf(const Key& key, std::string_view direction = {}) {
    Labels labels = {{"tenant", key.first}, {"model", key.second}};
    if (!direction.empty()) labels.emplace_back("direction", direction);
    return PrometheusLabels(labels);
  }

  std::mutex mutex_;
  std::map<Key, Use> all_;  // by tenant and model
};

}  // namespace

const AnswerFigures& ModelFigures::Of(const std::string& model) {
  std::lock_guard lock(mutex_);
  if (const auto found = answers_.find(model); found != answers_.end()) return found->second;
  Metrics& metrics = Metrics::Process();
  const Labels labels = {{"model", model}};
  const AnswerFigures made = {
      metrics.NewHistogram("tessera_llm_first_token_seconds",
                           "From the call of a language model to the first piece of its answer.",
                           labels),
      metrics.NewHistogram("tessera_llm_inter_token_seconds",
                           "From a piece of a language model's answer to the next.", labels),
      metrics.NewHistogram("tessera_llm_seconds",
                           "From the call of a language model to the end of its answer.", labels)};
  return answers_.emplace(model, made).first->second;
}

void ModelFigures::CountUse(const Ctx& ctx, const std::string& model, std::uint64_t input_tokens,
                            std::uint64_t output_tokens) const {
  Use use{.requests = 1, .input = input_tokens, .output = output_tokens};
  if (const auto price = prices_.find(model); price != prices_.end()) {
    use.priced = true;
    use.cost = (static_cast<double>(input_tokens) * price->second.input +
                static_cast<double>(output_tokens) * price->second.output) /
               kPriceOf;
  }
  const RequestInfo& info = ctx.info();
  TenantUse::Process().Add(info.tenant.empty() ? info.principal.id : info.tenant, model, use);
}

}  // namespace tessera
