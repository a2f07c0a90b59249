#include "services/dataprep/document_reader.h"

#include <algorithm>
#include <utility>

#include "services/dataprep/utf8.h"

namespace tessera {
namespace {

constexpr std::size_t kSampleBytes = 4096;

}  // namespace

DocumentReader::DocumentReader(std::unique_ptr<Extraction> extraction, ChunkerConfig chunking)
    : extraction_(std::move(extraction)), chunking_(chunking) {}

void DocumentReader::SetTokenScale(double scale) {
  ChunkerConfig config = chunking_;
  config.token_scale = scale;
  document_->chunker.emplace(config);
  ChunkClean();
}

Result<DocumentReader::Step> DocumentReader::Next(std::size_t passages_max) {
  Step step;
  while (true) {
    if (document_ && TakePassages(end_ ? 1 : passages_max, step)) return step;
    if (end_) {
      if (!document_->chunker && !skipping_ && TakeSample(true, step)) return step;
      step.kind = Step::Kind::kEnd;
      step.info = std::move(end_->info);
      step.error = std::move(end_->error);
      end_.reset();
      document_.reset();
      skipping_ = false;
      return step;
    }
    ExtractEvent event;
    TRY(const bool more, extraction_->Next(event));
    if (!more) {
      if (document_) return absl::InternalError("extraction ended within a document");
      return step;
    }
    switch (event.kind) {
      case ExtractEvent::Kind::kStart:
        document_ = std::make_unique<Document>();
        step.kind = Step::Kind::kStart;
        step.info = std::move(event.info);
        return step;
      case ExtractEvent::Kind::kBlock:
        if (skipping_ || !document_) break;
        document_->cleaner.Add(std::move(event.block), document_->clean);
        ChunkClean();
        if (!document_->chunker && TakeSample(false, step)) return step;
        break;
      case ExtractEvent::Kind::kEnd:
        if (!document_) document_ = std::make_unique<Document>();
        if (!skipping_) document_->cleaner.Finish(document_->clean);
        end_ = std::move(event);
        ChunkClean();
        break;
    }
  }
}

// The beginning of the text, once there is enough of it.
bool DocumentReader::TakeSample(bool at_end, Step& step) {
  Document& document = *document_;
  if (document.sampled) return false;
  document.sample_bytes = 0;
  for (const Block& block : document.clean) document.sample_bytes += block.text.size();
  if (document.sample_bytes == 0 || (!at_end && document.sample_bytes < kSampleBytes)) return false;
  document.sampled = true;
  step.kind = Step::Kind::kSample;
  for (const Block& block : document.clean) {
    if (step.sample.size() >= kSampleBytes) break;
    step.sample.append(block.text, 0, FloorBoundary(block.text, kSampleBytes)).push_back('\n');
  }
  return true;
}

void DocumentReader::ChunkClean() {
  Document& document = *document_;
  if (!document.chunker) return;
  for (const Block& block : document.clean) document.chunker->Add(block, document.ready);
  document.clean.clear();
  if (end_) document.chunker->Finish(document.ready);
}

bool DocumentReader::TakePassages(std::size_t least, Step& step) {
  std::vector<TextChunk>& ready = document_->ready;
  if (skipping_) ready.clear();
  if (ready.size() < least || ready.empty()) return false;
  for (TextChunk& chunk : ready)
    if (!document_->duplicates.SeenBefore(chunk.text, chunk.prose))
      step.passages.push_back(std::move(chunk));
  ready.clear();
  step.kind = Step::Kind::kPassages;
  return !step.passages.empty();
}

}  // namespace tessera
