#include "extract/testing/collect.h"

#include <cstdlib>
#include <filesystem>

namespace tessera {
namespace {

const char* NameOf(BlockKind kind) {
  static constexpr const char* kNames[] = {"heading", "paragraph", "item", "row", "code", "quote"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace

std::string CollectedDocument::Outline() const {
  std::string out;
  for (const Block& block : blocks) {
    StrAppend(&out, NameOf(block.kind));
    if (block.heading_level + block.list_depth > 0) {
      StrAppend(&out, block.heading_level + block.list_depth);
    }
    if (block.page > 0) StrAppend(&out, " p", block.page);
    StrAppend(&out, block.continues ? "+: " : ": ", block.text, "\n");
  }
  return out;
}

std::string CollectedDocument::Text() const {
  std::string out;
  for (const Block& block : blocks) StrAppend(&out, block.text, "\n");
  return out;
}

std::string CollectedDocument::ErrorName() const {
  return error ? std::string(ToString(error->code)) : "";
}

void CollectingSink::Accept(const ExtractEvent& event) {
  switch (event.kind) {
    case ExtractEvent::Kind::kStart:
      in_order = in_order && !open;
      open = true;
      documents.emplace_back();
      documents.back().start = event.info;
      return;
    case ExtractEvent::Kind::kBlock:
      in_order = in_order && open && !event.block.text.empty();
      if (open) documents.back().blocks.push_back(event.block);
      return;
    case ExtractEvent::Kind::kEnd:
      in_order = in_order && open;
      open = false;
      if (documents.empty()) return;
      documents.back().info = event.info;
      documents.back().error = event.error;
      return;
  }
}

std::vector<CollectedDocument> ReadHere(std::string_view bytes, const std::string& name,
                                        const ExtractConfig& limits) {
  CollectingSink sink;
  Emitter emitter(limits, sink);
  const InputFile file = InputFile::OfBytes(bytes, name);
  std::string folder = std::filesystem::temp_directory_path().string() + "/extract-test-XXXXXX";
  CHECK(::mkdtemp(folder.data()) != nullptr);
  ReadJob job{limits, emitter};
  job.temp_dir = folder;
  job.file_bytes = file.size();
  ReadFile(file, job);
  std::filesystem::remove_all(folder);
  CHECK(sink.in_order && !sink.open);
  return std::move(sink.documents);
}

CollectedDocument ReadOneHere(std::string_view bytes, const std::string& name,
                              const ExtractConfig& limits) {
  std::vector<CollectedDocument> documents = ReadHere(bytes, name, limits);
  CHECK(documents.size() == 1);
  return std::move(documents[0]);
}

ExtractConfig TestConfig() {
  ExtractConfig config;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  config.worker = {self.parent_path() / "extract_worker"};
  return config;
}

Result<std::vector<CollectedDocument>> Drain(Extraction& extraction) {
  CollectingSink sink;
  ExtractEvent event;
  while (true) {
    TRY(const bool more, extraction.Next(event));
    if (!more) break;
    sink.Accept(event);
  }
  CHECK(sink.in_order && !sink.open);
  return std::move(sink.documents);
}

std::vector<CollectedDocument> Extract(Extractor& extractor, std::string_view bytes,
                                       const std::string& name) {
  auto extraction = extractor.OpenBytes(bytes, name);
  CHECK(extraction.ok());
  auto documents = Drain(**extraction);
  CHECK(documents.ok());
  return *std::move(documents);
}

}  // namespace tessera
