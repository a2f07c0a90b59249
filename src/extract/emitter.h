#pragma once
// Where readers put what they find: cleans, cuts and counts blocks and keeps documents in order.

#include <optional>
#include <string>

#include "extract/extractor.h"
#include "extract/input_file.h"
#include "extract/text.h"

namespace tessera {

/// Takes events; what it cannot pass on (the reader of the pipe is gone) ends the process.
class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void Accept(const ExtractEvent& event) = 0;
  /// A sign of life between events of long work.
  virtual void Beat() {}
};

/// One file's way out. Not thread-safe.
class Emitter {
 public:
  Emitter(const ExtractConfig& limits, EventSink& sink) : limits_(limits), sink_(sink) {}

  /// Opens a document with what is known of it. A document without a title takes that of the
  /// heading with which it begins.
  void Start(const DocumentInfo& info);
  bool started() const { return started_; }
  /// Whether the open document has any text yet.
  bool has_text() const { return started_ && has_text_; }
  /// Cleans the text and sends it, in several blocks where it is long; text that is empty after
  /// cleaning is dropped. The shape follows the kind unless it is given.
  [[nodiscard]] ExtractFailure Add(Block block);
  [[nodiscard]] ExtractFailure Add(Block block, TextShape shape);
  /// Ends the document (opening it first where its reader never came to it).
  void End(const DocumentInfo& info, ExtractFailure failure);
  void Beat() { sink_.Beat(); }

 private:
  const ExtractConfig& limits_;
  EventSink& sink_;
  void SendStart();

  std::optional<DocumentInfo> start_;  // held back until the first block
  std::string first_heading_;
  std::uint64_t text_bytes_ = 0;
  bool started_ = false;
  bool has_text_ = false;
};

}  // namespace tessera
