#pragma once
// One source of a job, from where it lies to the last committed document.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "extract/extractor.h"
#include "runtime/thread_pool.h"
#include "services/dataprep/dataprep_config.h"
#include "services/dataprep/document_reader.h"
#include "services/dataprep/job.h"
#include "services/dataprep/passage_embedder.h"
#include "services/dataprep/url_fetch.h"
#include "store/data_folder.h"
#include "telemetry/metrics.h"
#include "tessera/v1/inference.tessera.h"
#include "tessera/v1/retrieval.tessera.h"

namespace tessera {

/// Starts the extraction of a file: Extractor::Open, or a test's own.
using ExtractionOpener = std::function<Result<std::unique_ptr<Extraction>>(
    const std::string& path, const std::string& name, CancelToken cancel)>;

/// Counted for all jobs.
struct IngestMetrics {
  Counter& documents;
  Counter& passages;
  Counter& failures;
};

/// What every ingest needs; owned by the service and outliving it.
struct IngestTools {
  const DataprepConfig& config;
  const DataFolder& data;
  Retrieval& retrieval;
  Inference& inference;
  PassageEmbedder& embeds;
  Executor& blocking;
  ExtractionOpener open;
  UrlFetch* fetch;  ///< nullptr: links are refused
  IngestMetrics metrics;
  std::function<bool()> may_abort;  ///< false: another runs the jobs now. Blocks for a moment
};

/// Most tokens of title and headings that a passage is embedded with.
inline constexpr double kPrefixTokensMax = 28;

/// The embedder of a job's collection.
struct JobEmbedder {
  std::string model;
  std::string digest;
  ChunkerConfig chunking;
  double prefix_tokens_max = kPrefixTokensMax;
};

/// Where a spooled source of a job lies.
std::string SpoolPath(const DataFolder& data, const std::string& job, std::uint32_t number);

/// Ingests one source. What goes wrong with it ends in its progress, never elsewhere. On a
/// cancelled job unfinished documents are dropped; on a shutdown they stay for the next start,
/// which goes on where they were.
class SourceIngest {
 public:
  SourceIngest(const IngestTools& tools, const JobEmbedder& embedder, ActiveJob& job,
               std::uint32_t number)
      : tools_(tools), embedder_(embedder), job_(job), number_(number) {}

  Task<void> Run(Ctx ctx);

  /// Why a source failed, as its progress says it.
  struct Failure {
    std::string code;
    std::string message;
  };
  static Failure FailureOf(const Status& status);

 private:
  struct Original {
    std::string path;      // absolute
    std::string relative;  // in the data folder
    std::string sha256;
    std::uint64_t bytes = 0;
  };
  struct Slab {
    std::shared_ptr<PassageSlab> embeds;
    std::vector<TextChunk> passages;
    std::uint32_t first = 0;  // ordinal
  };
  struct Writing {  // the document that is being written
    std::uint32_t entry = 0;
    std::string id;
    std::string title;
    std::uint32_t stored = 0;  // passages that an earlier run stored
    std::uint32_t ordinal = 0;
    std::uint32_t pages = 0;
    bool wanted = true;
    std::deque<Slab> slabs;
  };

  static Failure UrlFailureOf(const Status& status);
  Task<std::optional<Failure>> Ingest(Ctx ctx);
  Task<Result<bool>> IsUnchanged(Ctx ctx, std::string sha256);
  Task<Result<v1::Document>> FindCommitted(Ctx ctx);
  Task<Result<bool>> IsOurs(Ctx ctx, std::string id);
  Task<Result<std::optional<Original>>> Obtain(Ctx ctx);
  Task<Result<std::string>> BringToTmp(Ctx ctx);
  Task<Result<std::string>> Fetch(Ctx ctx);
  Result<std::string> CopyToTmp(CancelToken cancel);
  Task<Status> ReadAll(Ctx ctx);
  Task<Status> Step(Ctx ctx, DocumentReader::Step step);
  Task<Status> Begin(Ctx ctx, DocumentInfo info);
  Task<Status> CountSample(Ctx ctx, std::string sample);
  Task<Status> Send(Ctx ctx, std::vector<TextChunk> passages);
  Task<Status> AppendOldest(Ctx ctx);
  Task<Status> End(Ctx ctx, DocumentReader::Step step);
  Task<void> Drop(Ctx ctx, Failure failure);
  void SetEnded(std::uint32_t entry, v1::SourceState state);
  void EndSource();
  void Fail(std::uint32_t entry, const Failure& failure);

  const IngestTools& tools_;
  const JobEmbedder& embedder_;
  ActiveJob& job_;
  const std::uint32_t number_;
  v1::Source source_;
  std::string name_;
  Original original_;
  std::unique_ptr<DocumentReader> reader_;
  std::unique_ptr<Writing> writing_;
  std::uint32_t documents_ = 0;
  std::uint32_t whole_ = 0;                 // of these, done or unchanged
  std::optional<v1::SourceState> own_end_;  // of the document that has the source's own name
};

}  // namespace tessera
