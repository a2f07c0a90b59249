#pragma once
// One file through extraction, cleaning, chunking and de-duplication, a few passages at a time.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "extract/block.h"
#include "extract/extractor.h"
#include "services/dataprep/chunker.h"
#include "services/dataprep/cleaner.h"
#include "services/dataprep/duplicates.h"

namespace tessera {

/// Pulls the documents of a file apart into passages. Memory is bounded: a few passages, and the
/// pages that the cleaner holds back. Next() blocks: run it where that is allowed. Not thread-safe.
class DocumentReader {
 public:
  struct Step {
    enum class Kind : std::uint8_t {
      kStart,     ///< a document begins: `info`
      kSample,    ///< `sample` is its first text: count its tokens, then call SetTokenScale
      kPassages,  ///< the next passages, at least one
      kEnd,       ///< the document ends: `info`, perhaps `error`
      kFinished,  ///< the file is done
    };
    Kind kind = Kind::kFinished;
    DocumentInfo info;
    std::string sample;
    std::vector<TextChunk> passages;
    std::optional<ExtractError> error;
  };

  DocumentReader(std::unique_ptr<Extraction> extraction, ChunkerConfig chunking);

  /// The next step, with at most about `passages_max` passages.
  Result<Step> Next(std::size_t passages_max);
  /// True tokens / estimated tokens of the sample.
  void SetTokenScale(double scale);
  /// Reads on without chunking until the document's end: nobody wants it.
  void SkipDocument() { skipping_ = true; }

 private:
  struct Document {
    Cleaner cleaner;
    DuplicateFilter duplicates;
    std::optional<Chunker> chunker;  // once the scale is known
    std::vector<Block> clean;        // not chunked yet
    std::vector<TextChunk> ready;
    std::size_t sample_bytes = 0;
    bool sampled = false;
  };

  bool TakeSample(bool at_end, Step& step);
  void ChunkClean();
  bool TakePassages(std::size_t least, Step& step);

  const std::unique_ptr<Extraction> extraction_;
  const ChunkerConfig chunking_;
  std::unique_ptr<Document> document_;
  std::optional<ExtractEvent> end_;  // of the document, until its passages are out
  bool skipping_ = false;
};

}  // namespace tessera
