#include "app/archive_writer.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

namespace tessera {

struct ArchiveWriter::State {
  struct Free {
    void operator()(archive* made) const { archive_write_free(made); }
    void operator()(archive_entry* entry) const { archive_entry_free(entry); }
  };

  Status Check(int code) const {
    if (code >= ARCHIVE_WARN) return absl::OkStatus();
    const char* why = archive_error_string(writer.get());
    return absl::InternalError(
        StrCat("cannot write ", part, ": ", why == nullptr ? "unknown reason" : why));
  }

  std::string path;
  std::string part;
  int fd = -1;
  bool finished = false;
  std::unique_ptr<archive, Free> writer;
};

Result<std::unique_ptr<ArchiveWriter>> ArchiveWriter::Make(std::string path) {
  if (::access(path.c_str(), F_OK) == 0)
    return absl::AlreadyExistsError(StrCat(path, " is there already; name another file"));
  auto state = std::make_unique<State>();
  state->part = path + ".part";
  state->path = std::move(path);
  state->fd = ::open(state->part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (state->fd < 0)
    return absl::PermissionDeniedError(
        StrCat("cannot make ", state->part, ": ", std::strerror(errno)));
  state->writer.reset(archive_write_new());
  archive_write_set_format_pax_restricted(state->writer.get());
  archive_write_add_filter_gzip(state->writer.get());
  const Status opened = state->Check(archive_write_open_fd(state->writer.get(), state->fd));
  // The constructor is private, so that none is without its file.
  std::unique_ptr<ArchiveWriter> made(new ArchiveWriter(std::move(state)));
  if (!opened.ok()) return opened;
  return made;
}

ArchiveWriter::ArchiveWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}

ArchiveWriter::~ArchiveWriter() {
  state_->writer.reset();
  ::close(state_->fd);
  if (!state_->finished) ::unlink(state_->part.c_str());
}

Status ArchiveWriter::Add(const std::string& name, std::string_view text) {
  const std::unique_ptr<archive_entry, State::Free> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(text.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0600);
  archive_entry_set_mtime(entry.get(), std::time(nullptr), 0);
  TRY(state_->Check(archive_write_header(state_->writer.get(), entry.get())));
  const la_ssize_t wrote = archive_write_data(state_->writer.get(), text.data(), text.size());
  return state_->Check(wrote < 0 ? ARCHIVE_FATAL : ARCHIVE_OK);
}

Status ArchiveWriter::Finish() {
  TRY(state_->Check(archive_write_close(state_->writer.get())));
  if (::fsync(state_->fd) != 0 || std::rename(state_->part.c_str(), state_->path.c_str()) != 0)
    return absl::InternalError(StrCat("cannot write ", state_->path, ": ", std::strerror(errno)));
  state_->finished = true;
  return absl::OkStatus();
}

}  // namespace tessera
