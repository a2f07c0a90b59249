#include "services/dataprep/collection_reembed.h"

#include <string_view>
#include <utility>

#include "base/str.h"
#include "services/dataprep/chunker.h"

namespace tessera {
namespace {

// As many as keep the embedder's calls busy.
constexpr std::uint32_t kPassagesAtOnce = 256;

// The text that an ingest gives the embedder, from what is stored of a passage: its heading path
// holds the title.
std::string StoredEmbeddingText(v1::Chunk& stored) {
  TextChunk chunk;
  chunk.text = std::move(*stored.mutable_text());
  std::string_view path = stored.heading();
  constexpr std::string_view kBetween = " > ";
  while (!path.empty()) {
    const std::size_t end = path.find(kBetween);
    chunk.headings.emplace_back(path.substr(0, end));
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + kBetween.size());
  }
  return EmbeddingText("", chunk, kPrefixTokensMax);
}

/// One run over the passages that lack a vector.
class Reembedding {
 public:
  Reembedding(const IngestTools& tools, ActiveJob& job) : tools_(tools), job_(job) {}

  Task<Status> Run(Ctx ctx) {
    CO_TRY(co_await Begin(ctx));
    while (true) {
      CO_TRY(ctx.Check());
      v1::ListUnembeddedRequest list;
      list.set_collection(job_.collection());
      list.set_limit(kPassagesAtOnce);
      CO_TRY(v1::ListUnembeddedReply next,
             co_await tools_.retrieval.ListUnembedded(ctx, std::move(list)));
      if (next.documents_size() > 0) {
        CO_TRY(co_await Embed(ctx, std::move(next)));
        continue;
      }
      v1::FinishReembedRequest finish;
      finish.set_collection(job_.collection());
      *finish.mutable_embedder() = embedder_;
      CO_TRY(const v1::FinishReembedReply reply,
             co_await tools_.retrieval.FinishReembed(ctx, std::move(finish)));
      if (reply.finished()) co_return absl::OkStatus();
    }
  }

 private:
  Task<Status> Begin(Ctx ctx) {
    CO_TRY(const v1::ListModelsReply models,
           co_await tools_.inference.ListModels(ctx, v1::ListModelsRequest()));
    const v1::Model* const model = FindEmbedder(models, job_.embedder());
    if (model == nullptr) {
      co_return absl::FailedPreconditionError(
          StrCat("the embedder \"", job_.embedder(), "\" is not configured any more"));
    }
    embedder_ = EmbedderOf(*model);
    v1::BeginReembedRequest begin;
    begin.set_collection(job_.collection());
    *begin.mutable_embedder() = embedder_;
    CO_TRY(const v1::BeginReembedReply reply,
           co_await tools_.retrieval.BeginReembed(ctx, std::move(begin)));
    job_.SetChunksTotal(reply.passages());
    SetDone(reply.embedded());
    co_return absl::OkStatus();
  }

  Task<Status> Embed(Ctx ctx, v1::ListUnembeddedReply next) {
    std::vector<std::string> texts;
    for (v1::DocumentChunks& document : *next.mutable_documents()) {
      for (v1::Chunk& chunk : *document.mutable_chunks()) {
        texts.push_back(StoredEmbeddingText(chunk));
      }
    }
    const auto slab = std::make_shared<PassageSlab>(embedder_.model(), std::move(texts));
    CO_TRY(co_await tools_.embeds.Submit(ctx, slab));
    const Status embedded = co_await slab->Wait(ctx);
    if (!embedded.ok()) {
      slab->Abandon();
      co_return embedded;
    }
    if (slab->digest() != embedder_.digest()) {
      co_return absl::FailedPreconditionError(
          StrCat("the embedder \"", embedder_.model(), "\" has changed meanwhile; start again"));
    }
    std::size_t at = 0;
    for (v1::DocumentChunks& document : *next.mutable_documents()) {
      v1::StoreVectorsRequest store;
      store.set_document_id(document.document().id());
      *store.mutable_embedder() = embedder_;
      for (const v1::Chunk& chunk : document.chunks()) {
        v1::Chunk& filled = *store.add_chunks();
        filled.set_ordinal(chunk.ordinal());
        *filled.mutable_vector() = std::move(*slab->vectors()[at++].mutable_values());
      }
      const auto stored = static_cast<std::uint64_t>(store.chunks_size());
      CO_TRY(co_await tools_.retrieval.StoreVectors(ctx, std::move(store)));
      SetDone(done_ + stored);
    }
    co_return absl::OkStatus();
  }

  void SetDone(std::uint64_t done) {
    done_ = done;
    job_.Update(0, [done](v1::SourceProgress& progress) {
      progress.set_chunks(static_cast<std::uint32_t>(done));
    });
  }

  const IngestTools& tools_;
  ActiveJob& job_;
  v1::Embedder embedder_;
  std::uint64_t done_ = 0;
};

}  // namespace

const v1::Model* FindEmbedder(const v1::ListModelsReply& models, const std::string& name) {
  for (const v1::Model& model : models.models()) {
    if (model.kind() != v1::MODEL_KIND_EMBEDDER) continue;
    if (name.empty() ? model.is_default() : model.name() == name) return &model;
  }
  return nullptr;
}

v1::Embedder EmbedderOf(const v1::Model& model) {
  v1::Embedder embedder;
  embedder.set_model(model.name());
  embedder.set_digest(model.digest());
  embedder.set_dimension(model.dimension());
  return embedder;
}

Task<void> ReembedCollection(Ctx ctx, const IngestTools* tools, ActiveJob* job) {
  job->Update(0,
              [](v1::SourceProgress& progress) { progress.set_state(v1::SOURCE_STATE_RUNNING); });
  Reembedding reembedding(*tools, *job);
  const Status status = co_await reembedding.Run(ctx);
  if (!ctx.Check().ok()) co_return;  // cancelled, or to be gone on with after a restart
  job->Update(0, [&status](v1::SourceProgress& progress) {
    progress.set_state(status.ok() ? v1::SOURCE_STATE_DONE : v1::SOURCE_STATE_FAILED);
    if (status.ok()) return;
    const SourceIngest::Failure failure = SourceIngest::FailureOf(status);
    progress.set_error_code(failure.code);
    progress.set_error(failure.message);
  });
}

}  // namespace tessera
