#include "app/multipart.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_replace.h"
#include "base/ids.h"
#include "base/str.h"

namespace tessera {

namespace {

// As browsers write names (https://html.spec.whatwg.org/#multipart-form-data).
std::string Quote(const std::string& name) {
  return StrCat("\"", absl::StrReplaceAll(name, {{"\"", "%22"}, {"\r", "%0D"}, {"\n", "%0A"}}),
                "\"");
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

}  // namespace

// Heads and file pieces in turn. Reads block for a moment: it runs in the command-line program
// only.
class MultipartBody final : public Stream<std::string> {
 public:
  explicit MultipartBody(const MultipartForm& form) : form_(form) {}

  Task<Result<std::optional<std::string>>> Next(Ctx ctx) override {
    CO_TRY(ctx.Check());
    if (file_) co_return FilePiece();
    if (part_ == form_.parts_.size()) {
      if (std::exchange(ended_, true)) co_return std::nullopt;
      co_return form_.End();
    }
    const MultipartForm::Part& part = form_.parts_[part_];
    if (part.path.empty()) {
      ++part_;
      co_return part.head;
    }
    file_.reset(std::fopen(part.path.c_str(), "rb"));
    if (!file_) co_return absl::NotFoundError(StrCat(part.path, ": cannot be read"));
    left_ = part.bytes;
    co_return part.head;
  }

 private:
  Result<std::optional<std::string>> FilePiece() {
    const std::string& path = form_.parts_[part_].path;
    if (left_ == 0) {
      const bool more = std::fgetc(file_.get()) != EOF;
      file_.reset();
      ++part_;
      if (more) return absl::AbortedError(StrCat(path, ": grew while it was sent"));
      return std::string("\r\n");
    }
    std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(left_, kPieceBytes)), '\0');
    piece.resize(std::fread(piece.data(), 1, piece.size(), file_.get()));
    if (piece.empty()) return absl::AbortedError(StrCat(path, ": shrank while it was sent"));
    left_ -= piece.size();
    return piece;
  }

  static constexpr std::uint64_t kPieceBytes = 256 << 10;

  const MultipartForm& form_;
  std::size_t part_ = 0;
  std::unique_ptr<std::FILE, CloseFile> file_;
  std::uint64_t left_ = 0;
  bool ended_ = false;
};

MultipartForm::MultipartForm() : boundary_(NewId("tessera-")) {}

void MultipartForm::AddField(std::string_view name, std::string_view value) {
  parts_.push_back({StrCat("--", boundary_, "\r\nContent-Disposition: form-data; name=",
                           Quote(std::string(name)), "\r\n\r\n", value, "\r\n"),
                    "", 0});
}

void MultipartForm::AddFile(const IngestFile& file) {
  parts_.push_back(
      {StrCat("--", boundary_, "\r\nContent-Disposition: form-data; name=\"files\"; filename=",
              Quote(file.name), "\r\nContent-Type: application/octet-stream\r\n\r\n"),
       file.path, file.bytes});
}

std::string MultipartForm::End() const { return StrCat("--", boundary_, "--\r\n"); }

std::string MultipartForm::content_type() const {
  return StrCat("multipart/form-data; boundary=", boundary_);
}

std::uint64_t MultipartForm::size() const {
  std::uint64_t size = End().size();
  for (const Part& part : parts_)
    size += part.head.size() + part.bytes + (part.path.empty() ? 0 : 2);
  return size;
}

StreamPtr<std::string> MultipartForm::Body() const {
  return std::make_unique<MultipartBody>(*this);
}

}  // namespace tessera
