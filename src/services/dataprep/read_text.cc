#include "services/dataprep/read_text.h"

#include <utility>
#include <vector>

#include "base/str.h"
#include "services/dataprep/cleaner.h"

namespace tessera {
namespace {

/// Takes the events of an extraction; keeps the texts.
class TextReader {
 public:
  explicit TextReader(std::uint64_t bytes_max) : bytes_left_(bytes_max) {}

  Status Take(ExtractEvent event) {
    switch (event.kind) {
      case ExtractEvent::Kind::kStart:
        cleaner_ = std::make_unique<Cleaner>();
        text_.clear();
        return absl::OkStatus();
      case ExtractEvent::Kind::kBlock:
        if (!cleaner_) return absl::InternalError("extraction began without a document");
        cleaner_->Add(std::move(event.block), clean_);
        return AddClean();
      case ExtractEvent::Kind::kEnd:
        if (cleaner_) cleaner_->Finish(clean_);
        TRY(AddClean());
        End(std::move(event));
        return absl::OkStatus();
    }
    return absl::OkStatus();
  }

  Result<v1::ReadTextReply> Finish() {
    if (reply_.documents_size() > 0) return std::move(reply_);
    if (!failure_.ok()) return failure_;
    return absl::InvalidArgumentError("no_text: the file holds no text");
  }

 private:
  Status AddClean() {
    for (const Block& block : clean_) {
      if (block.text.size() + 2 > bytes_left_) {
        return absl::OutOfRangeError(
            "too_large: more text than one request may bring (services.dataprep.read_text_max); "
            "ingest it instead");
      }
      if (!text_.empty()) text_ += block.continues ? "" : "\n\n";
      text_ += block.text;
      bytes_left_ -= block.text.size() + 2;
    }
    clean_.clear();
    return absl::OkStatus();
  }

  void End(ExtractEvent event) {
    if (event.error && failure_.ok()) {
      failure_ = absl::InvalidArgumentError(
          StrCat(event.info.name, ": ", ToString(event.error->code), ": ", event.error->message));
    }
    if (event.error || text_.empty()) return;
    v1::SourceText& document = *reply_.add_documents();
    document.set_name(std::move(event.info.name));
    document.set_title(std::move(event.info.title));
    document.set_media_type(std::move(event.info.media_type));
    document.set_pages(event.info.pages);
    document.set_text(std::exchange(text_, {}));
  }

  std::unique_ptr<Cleaner> cleaner_;
  std::vector<Block> clean_;
  std::string text_;
  std::uint64_t bytes_left_;
  v1::ReadTextReply reply_;
  Status failure_;
};

}  // namespace

Result<v1::ReadTextReply> ReadTextOf(std::unique_ptr<Extraction> extraction,
                                     std::uint64_t bytes_max) {
  TextReader reader(bytes_max);
  while (true) {
    ExtractEvent event;
    TRY(const bool more, extraction->Next(event));
    if (!more) return reader.Finish();
    TRY(reader.Take(std::move(event)));
  }
}

}  // namespace tessera
