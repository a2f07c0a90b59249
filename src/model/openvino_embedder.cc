#include "model/openvino_embedder.h"

#include <cmath>
#include <exception>
#include <filesystem>
#include <thread>

#include <openvino/openvino.hpp>
#include <pthread.h>

#include "base/str.h"
#include "model/embed_queue.h"
#include "model/llama_model.h"
#include "model/model_file.h"
#include "model/wordpiece.h"
#include "runtime/thread_pool.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

constexpr std::size_t kTextsMax = 4096;             // of one call
constexpr std::size_t kTextBytesMax = 1 << 20;      // of one text
constexpr std::size_t kTokenizeInlineBytes = 2048;  // less than a thread switch costs

bool HasBfloat16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

/// Mean of the rows that are not padding, scaled to length 1.
std::vector<float> Pool(const float* rows, std::size_t count, std::size_t width) {
  std::vector<float> sum(width, 0.0F);
  for (std::size_t i = 0; i < count; ++i) {
    const float* row = rows + i * width;
    for (std::size_t k = 0; k < width; ++k) sum[k] += row[k];
  }
  double squares = 0;
  for (const float value : sum) squares += static_cast<double>(value) * value;
  const auto scale = static_cast<float>(1.0 / std::sqrt(std::max(squares, 1e-24)));
  for (float& value : sum) value *= scale;
  return sum;
}

class OpenVinoEmbedder final : public Embedder {
 public:
  OpenVinoEmbedder(OpenVinoOptions options, WordPiece wordpiece, ov::CompiledModel model,
                   std::size_t dimension, Executor& workers)
      : options_(std::move(options)),
        wordpiece_(std::move(wordpiece)),
        model_(model),
        dimension_(dimension),
        workers_(workers),
        queue_({.tokens_max = options_.tokens_max}),
        texts_(Metrics::Process().NewCounter("tessera_embedder_texts_total", "Texts embedded.",
                                             {{"model", options_.name}})),
        tokens_(Metrics::Process().NewCounter("tessera_embedder_tokens_total", "Tokens embedded.",
                                              {{"model", options_.name}})),
        batches_(Metrics::Process().NewCounter("tessera_embedder_batches_total",
                                               "Batches of texts computed.",
                                               {{"model", options_.name}})) {
    for (std::uint32_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { Run(); });
  }

  ~OpenVinoEmbedder() override { Stop(); }

  const v1::Model& info() const override { return info_; }

  Task<Result<v1::EmbedReply>> Embed(Ctx ctx, std::vector<std::string> texts) override {
    CO_TRY(ctx.Check());
    CO_TRY(const std::size_t bytes, CheckTexts(texts));
    v1::EmbedReply reply;
    reply.set_model(options_.name);
    reply.set_digest(options_.digest);
    reply.set_dimension(static_cast<std::uint32_t>(dimension_));
    if (texts.empty()) co_return reply;

    auto call = std::make_shared<EmbedCall>(ctx);
    const auto encode = [this, &texts, &call, &reply] { EncodeAll(texts, *call, reply); };
    if (bytes <= kTokenizeInlineBytes) {
      encode();
    } else {
      co_await RunOn(workers_, encode);
    }
    Waiter waiter(ctx);
    call->done = waiter.handle();
    CO_TRY(queue_.Add(call));
    CO_TRY(co_await waiter);
    for (std::vector<float>& vector : call->vectors)
      reply.add_vectors()->mutable_values()->Add(vector.begin(), vector.end());
    co_return reply;
  }

  Task<Result<std::vector<std::uint32_t>>> CountTokens(Ctx ctx,
                                                       std::vector<std::string> texts) override {
    CO_TRY(ctx.Check());
    std::size_t bytes = 0;
    for (const std::string& text : texts) bytes += text.size();
    const auto count = [this, &texts] {
      std::vector<std::uint32_t> counts;
      counts.reserve(texts.size());
      for (const std::string& text : texts)
        counts.push_back(static_cast<std::uint32_t>(wordpiece_.Count(text) + 2));
      return counts;
    };
    if (bytes <= 8 * kTokenizeInlineBytes) co_return count();
    co_return co_await RunOn(workers_, count);
  }

  void Stop() override {
    queue_.Close();
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }

 private:
  v1::Model Describe() const {
    v1::Model info;
    info.set_name(options_.name);
    info.set_kind(v1::MODEL_KIND_EMBEDDER);
    info.set_backend("openvino");
    info.set_digest(options_.digest);
    info.set_dimension(static_cast<std::uint32_t>(dimension_));
    info.set_context_tokens(options_.tokens_max);
    info.set_created_ms(WallMillis());
    info.set_description(options_.description);
    return info;
  }

  static Result<std::size_t> CheckTexts(const std::vector<std::string>& texts) {
    if (texts.size() > kTextsMax) {
      return absl::InvalidArgumentError(
          StrCat("texts: ", texts.size(), " of them; at most ", kTextsMax, " in one call"));
    }
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      bytes += texts[i].size();
      if (texts[i].size() <= kTextBytesMax) continue;
      return absl::InvalidArgumentError(StrCat("texts[", i, "]: ", texts[i].size(),
                                               " bytes; at most ", kTextBytesMax, " in one text"));
    }
    return bytes;
  }

  void EncodeAll(const std::vector<std::string>& texts, EmbedCall& call,
                 v1::EmbedReply& reply) const {
    std::uint32_t tokens = 0;
    std::uint32_t truncated = 0;
    for (const std::string& text : texts) {
      std::vector<std::int32_t> ids = wordpiece_.Encode(text);
      if (ids.size() + 2 > options_.tokens_max) {
        ++truncated;
        ids.resize(options_.tokens_max - 2);
      }
      ids.insert(ids.begin(), wordpiece_.cls());
      ids.push_back(wordpiece_.sep());
      tokens += static_cast<std::uint32_t>(ids.size());
      call.ids.push_back(std::move(ids));
    }
    call.vectors.resize(texts.size());
    call.left = texts.size();
    reply.set_tokens(tokens);
    reply.set_truncated(truncated);
  }

  void Run() {
    pthread_setname_np(pthread_self(), "embedder");
    ov::InferRequest request = model_.create_infer_request();
    while (std::optional<EmbedBatch> batch = queue_.Take()) {
      if (batch->items.empty()) continue;
      batches_.Add();
      const Status computed = Compute(request, *batch);
      for (const EmbedItem& item : batch->items) item.call->Finish(1, computed);
    }
  }

  Status Compute(ov::InferRequest& request, const EmbedBatch& batch) {
    const std::size_t count = batch.items.size();
    std::size_t tokens = 0;
    try {
      const ov::Shape shape{count, batch.length};
      ov::Tensor ids(ov::element::i64, shape);
      ov::Tensor mask(ov::element::i64, shape);
      ov::Tensor types(ov::element::i64, shape);
      auto* id = ids.data<std::int64_t>();
      auto* seen = mask.data<std::int64_t>();
      std::fill_n(types.data<std::int64_t>(), count * batch.length, 0);
      for (const EmbedItem& item : batch.items) {
        const std::vector<std::int32_t>& text = item.call->ids[item.text];
        tokens += text.size();
        for (std::size_t k = 0; k < batch.length; ++k) {
          *id++ = k < text.size() ? text[k] : wordpiece_.pad();
          *seen++ = k < text.size() ? 1 : 0;
        }
      }
      for (const auto& input : model_.inputs()) {
        const std::string& name = input.get_any_name();
        request.set_tensor(input, name == "input_ids"        ? ids
                                  : name == "attention_mask" ? mask
                                                             : types);
      }
      request.infer();
      const ov::Tensor out = request.get_output_tensor(0);
      const float* rows = out.data<float>();
      for (std::size_t i = 0; i < count; ++i) {
        EmbedCall& call = *batch.items[i].call;
        const std::size_t text = batch.items[i].text;
        call.vectors[text] =
            Pool(rows + i * batch.length * dimension_, call.ids[text].size(), dimension_);
      }
    } catch (const std::exception& error) {
      return absl::InternalError(
          StrCat("embedder ", options_.name, ": computing failed: ", error.what()));
    }
    texts_.Add(count);
    tokens_.Add(tokens);
    return absl::OkStatus();
  }

  const OpenVinoOptions options_;
  const WordPiece wordpiece_;
  ov::CompiledModel model_;
  const std::size_t dimension_;
  Executor& workers_;
  const v1::Model info_ = Describe();
  EmbedQueue queue_;
  Counter& texts_;
  Counter& tokens_;
  Counter& batches_;
  std::vector<std::thread> threads_;
};

/// The process's OpenVINO; never destroyed, as its libraries do not like to be unloaded.
ov::Core& Core() {
  static auto* const core = new ov::Core();
  return *core;
}

Result<std::size_t> WidthOf(const ov::Model& model, const std::string& path) {
  const ov::PartialShape shape = model.output(0).get_partial_shape();
  if (shape.rank().is_dynamic() || shape.rank().get_length() != 3 || shape[2].is_dynamic()) {
    return absl::InvalidArgumentError(
        StrCat(path, ": its first output is not [texts, tokens, width], as an encoder's is"));
  }
  return static_cast<std::size_t>(shape[2].get_length());
}

Result<std::string> DigestOf(const std::string& model) {
  const std::filesystem::path path(model);
  if (path.extension() != ".xml") return Sha256OfFile(model);
  return Sha256OfFile(std::filesystem::path(path).replace_extension(".bin").string());
}

}  // namespace

Result<std::unique_ptr<Embedder>> LoadOpenVinoEmbedder(OpenVinoOptions options, Executor& workers) {
  if (options.threads == 0) options.threads = DefaultModelThreads();
  if (options.tokens_max < 8)
    return absl::InvalidArgumentError(StrCat("embedder ", options.name, ": tokens_max is below 8"));
  if (!std::filesystem::exists(options.model)) {
    return absl::NotFoundError(
        StrCat("embedder ", options.name, ": there is no file ", options.model));
  }
  TRY(WordPiece wordpiece, WordPiece::Load(options.vocabulary));
  if (options.digest.empty()) {
    TRY(options.digest, DigestOf(options.model));
  }
  try {
    const auto model = Core().read_model(options.model);
    TRY(const std::size_t width, WidthOf(*model, options.model));
    // One stream a thread: texts are computed side by side, no thread waits for another.
    const bool half = options.bfloat16 && HasBfloat16();
    ov::CompiledModel compiled = Core().compile_model(
        model, "CPU", ov::num_streams(static_cast<int>(options.threads)),
        ov::inference_num_threads(static_cast<int>(options.threads)),
        ov::hint::inference_precision(half ? ov::element::bf16 : ov::element::f32));
    return std::make_unique<OpenVinoEmbedder>(std::move(options), std::move(wordpiece),
                                              std::move(compiled), width, workers);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        StrCat("embedder ", options.name, ": cannot load ", options.model, ": ", error.what()));
  }
}

}  // namespace tessera
