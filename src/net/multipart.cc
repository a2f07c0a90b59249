#include "net/multipart.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/str.h"
#include "net/header_values.h"
#include "net/http_error.h"
#include "runtime/thread_pool.h"

namespace tessera {
namespace {

constexpr std::size_t kFileNameMax = 255;

Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("the multipart body is malformed: ", what));
}

Status TooLarge(std::string_view what, std::uint64_t max) {
  return WithHttpStatus(
      absl::ResourceExhaustedError(StrCat(what, " is larger than ", max, " bytes")), 413);
}

// The name that a document gets, never a place on this disk. "docs/a.pdf", as folders are sent,
// keeps its path; of an absolute one ("C:\\docs\\a.pdf") the last segment is left. No name leads
// out of a folder.
std::string CleanFileName(std::string_view name) {
  const bool absolute =
      name.starts_with("/") || name.starts_with("\\") || (name.size() > 1 && name[1] == ':');
  const std::size_t slash = name.find_last_of("/\\");
  if ((absolute || name.size() > kFileNameMax) && slash != std::string_view::npos)
    name.remove_prefix(slash + 1);
  std::string clean;
  std::string segment;
  const auto end_segment = [&] {
    if (!segment.empty() && segment != "." && segment != "..") {
      if (!clean.empty()) clean.push_back('/');
      clean.append(segment);
    }
    segment.clear();
  };
  for (const char c : name.substr(0, kFileNameMax)) {
    if (c == '/' || c == '\\') {
      end_segment();
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) {
      segment.push_back(c);
    }
  }
  end_segment();
  return clean.empty() ? "unnamed" : clean;
}

Result<MultipartParser::Head> ParseHead(std::string_view text) {
  MultipartParser::Head head;
  bool disposed = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return Malformed("a part's header has no ':'");
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = Trim(line.substr(colon + 1));
    if (EqualsIgnoreCase(name, "content-type")) head.media_type = MediaType(value);
    if (!EqualsIgnoreCase(name, "content-disposition")) continue;
    if (MediaType(value) != "form-data") return Malformed("a part is not form-data");
    disposed = true;
    head.name = Parameter(value, "name").value_or("");
    if (const auto file = Parameter(value, "filename")) head.file_name = CleanFileName(*file);
  }
  if (!disposed) return Malformed("a part has no Content-Disposition");
  return head;
}

/// Writes one file of a form. All calls run on the blocking executor.
class SpoolWriter {
 public:
  explicit SpoolWriter(const std::string& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {}
  ~SpoolWriter() { Close(); }
  SpoolWriter(const SpoolWriter&) = delete;

  Status Write(std::string_view bytes) const {
    if (fd_ < 0) return Failed();
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return Failed();
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }
  void Close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  static Status Failed() {
    if (errno == ENOSPC || errno == EDQUOT) {
      return WithHttpStatus(
          absl::ResourceExhaustedError("the server's disk is full; nothing was kept"), 507);
    }
    return absl::InternalError(StrCat("cannot write an upload: ", std::strerror(errno)));
  }
  int fd_;
};

}  // namespace

Result<std::string> MultipartBoundary(std::string_view content_type) {
  if (MediaType(content_type) != "multipart/form-data") {
    return WithHttpStatus(absl::InvalidArgumentError("the body must be multipart/form-data"), 415);
  }
  auto boundary = Parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 70) {
    return absl::InvalidArgumentError("the Content-Type has no boundary of 1 to 70 characters");
  }
  return *std::move(boundary);
}

MultipartParser::MultipartParser(std::string boundary, MultipartLimits limits)
    : delimiter_("\r\n--" + boundary), limits_(limits), buffer_("\r\n") {}

void MultipartParser::Feed(std::string_view bytes) {
  buffer_.erase(0, at_);
  at_ = 0;
  buffer_.append(bytes);
}

Result<MultipartParser::Step> MultipartParser::Next() {
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  switch (state_) {
    case State::kPreamble: {
      // The buffer begins with a CR LF of our own, so that a first delimiter is like every other.
      const std::size_t found = rest.find(delimiter_);
      if (found == std::string_view::npos) {
        if (rest.size() > delimiter_.size() + limits_.part_head_bytes_max) {
          return Malformed("the boundary does not come");
        }
        return Step{Step::Kind::kNeedMore, {}, {}};
      }
      at_ += found + delimiter_.size();
      state_ = State::kAfterBoundary;
      return Next();
    }
    case State::kAfterBoundary: {
      if (rest.size() < 2) return Step{Step::Kind::kNeedMore, {}, {}};
      if (rest.starts_with("--")) {
        state_ = State::kEnd;
        return Step{Step::Kind::kEnd, {}, {}};
      }
      const std::size_t text = std::min(rest.find_first_not_of(" \t"), rest.size());
      if (text > 64) return Malformed("a boundary line does not end");
      if (rest.size() < text + 2) return Step{Step::Kind::kNeedMore, {}, {}};
      if (rest.substr(text, 2) != "\r\n") return Malformed("something follows a boundary");
      at_ += text + 2;
      state_ = State::kHead;
      return Next();
    }
    case State::kHead:
      return NextHead();
    case State::kData:
      return NextData();
    case State::kEnd:
      break;
  }
  at_ = buffer_.size();  // an epilogue is dropped
  return Step{Step::Kind::kNeedMore, {}, {}};
}

Result<MultipartParser::Step> MultipartParser::NextHead() {
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  const std::size_t end = rest.starts_with("\r\n") ? 0 : rest.find("\r\n\r\n");
  if (std::min(end, rest.size()) > limits_.part_head_bytes_max) {
    return Malformed("a part's headers are too long");
  }
  if (end == std::string_view::npos) return Step{Step::Kind::kNeedMore, {}, {}};
  if (++parts_ > limits_.parts_max) {
    return TooLarge("the number of parts", limits_.parts_max);
  }
  TRY(Head head, ParseHead(rest.substr(0, end)));
  at_ += end == 0 ? 2 : end + 4;
  state_ = State::kData;
  return Step{Step::Kind::kHead, std::move(head), {}};
}

Result<MultipartParser::Step> MultipartParser::NextData() {
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  const std::size_t found = rest.find(delimiter_);
  if (found == 0) {
    at_ += delimiter_.size();
    state_ = State::kAfterBoundary;
    return Step{Step::Kind::kPartEnd, {}, {}};
  }
  // Without a delimiter in sight, the last bytes may be the beginning of one.
  const std::size_t held = delimiter_.size() - 1;
  std::size_t size = found;
  if (found == std::string_view::npos) size = rest.size() > held ? rest.size() - held : 0;
  if (size == 0) return Step{Step::Kind::kNeedMore, {}, {}};
  at_ += size;
  return Step{Step::Kind::kData, {}, rest.substr(0, size)};
}

Status MultipartParser::Finish() const {
  return state_ == State::kEnd ? absl::OkStatus() : Malformed("it is cut short");
}

SpooledFile::SpooledFile(SpooledFile&& other) noexcept
    : field(std::move(other.field)),
      name(std::move(other.name)),
      media_type(std::move(other.media_type)),
      bytes(other.bytes),
      path_(std::exchange(other.path_, {})) {}

SpooledFile::~SpooledFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

const std::string* Form::Field(std::string_view name) const {
  for (const auto& [key, value] : fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

namespace {

/// Turns the parser's steps into a form. Runs on the blocking executor, one piece at a time.
class FormBuilder {
 public:
  FormBuilder(std::string boundary, std::string folder, MultipartLimits limits)
      : parser_(std::move(boundary), limits), folder_(std::move(folder)), limits_(limits) {}

  Status Take(std::string_view piece) {
    parser_.Feed(piece);
    while (true) {
      TRY(const MultipartParser::Step step, parser_.Next());
      switch (step.kind) {
        case MultipartParser::Step::Kind::kNeedMore:
          return absl::OkStatus();
        case MultipartParser::Step::Kind::kHead:
          TRY(Begin(step.head));
          break;
        case MultipartParser::Step::Kind::kData:
          TRY(Append(step.data));
          break;
        case MultipartParser::Step::Kind::kPartEnd:
          writer_.reset();
          break;
        case MultipartParser::Step::Kind::kEnd:
          break;
      }
    }
  }

  Result<Form> Finish() {
    TRY(parser_.Finish());
    return std::move(form_);
  }

 private:
  Status Begin(const MultipartParser::Head& head) {
    if (!head.file_name) {
      form_.fields.emplace_back(head.name, "");
      return absl::OkStatus();
    }
    ::mkdir(folder_.c_str(), 0700);
    form_.files.emplace_back(head.name, *head.file_name, head.media_type,
                             StrCat(folder_, "/", NewId("upload-")));
    writer_ = std::make_unique<SpoolWriter>(form_.files.back().path());
    return absl::OkStatus();
  }

  Status Append(std::string_view data) {
    if (writer_) {
      SpooledFile& file = form_.files.back();
      file.bytes += data.size();
      if (file.bytes > limits_.file_bytes_max) {
        return TooLarge(StrCat("the file ", file.name), limits_.file_bytes_max);
      }
      return writer_->Write(data);
    }
    std::string& value = form_.fields.back().second;
    if (data.size() > limits_.field_bytes_max - value.size()) {
      return TooLarge(StrCat("the field ", form_.fields.back().first), limits_.field_bytes_max);
    }
    value.append(data);
    return absl::OkStatus();
  }

  MultipartParser parser_;
  const std::string folder_;
  const MultipartLimits limits_;
  Form form_;
  std::unique_ptr<SpoolWriter> writer_;
};

}  // namespace

// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters): an executor outlives calls
Task<Result<Form>> ReadForm(Ctx ctx, StreamPtr<std::string> body, std::string boundary,
                            std::string folder, MultipartLimits limits, Executor& blocking) {
  // NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
  FormBuilder builder(std::move(boundary), std::move(folder), limits);
  while (true) {
    CO_TRY(const std::optional<std::string> piece, co_await body->Next(ctx));
    if (!piece) break;
    const auto take = [&builder, &piece] { return builder.Take(*piece); };
    CO_TRY(co_await RunOn(blocking, take));
  }
  co_return builder.Finish();
}

}  // namespace tessera
