#pragma once
// What an extraction gave, collected for a test to look at.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "extract/emitter.h"
#include "extract/extractor.h"
#include "extract/readers.h"

namespace tessera {

struct CollectedDocument {
  DocumentInfo start;
  DocumentInfo info;
  std::optional<ExtractError> error;
  std::vector<Block> blocks;
  /// "heading1: Title\nparagraph: …", a block a line.
  std::string Outline() const;
  /// All texts, one a line.
  std::string Text() const;
  /// The error's short name; "" without one.
  std::string ErrorName() const;
};

/// Takes events and checks their order.
class CollectingSink final : public EventSink {
 public:
  void Accept(const ExtractEvent& event) override;
  std::vector<CollectedDocument> documents;
  bool in_order = true;
  bool open = false;
};

/// Reads `bytes` in this process, without a sandbox; big formats get a temporary folder.
std::vector<CollectedDocument> ReadHere(std::string_view bytes, const std::string& name,
                                        const ExtractConfig& limits = {});
/// Of a file with one document.
CollectedDocument ReadOneHere(std::string_view bytes, const std::string& name,
                              const ExtractConfig& limits = {});

/// The configuration of tests: the worker program beside the tests.
ExtractConfig TestConfig();

/// Pulls an extraction to its end.
Result<std::vector<CollectedDocument>> Drain(Extraction& extraction);

/// The whole way through the sandboxed worker.
std::vector<CollectedDocument> Extract(Extractor& extractor, std::string_view bytes,
                                       const std::string& name);

}  // namespace tessera
