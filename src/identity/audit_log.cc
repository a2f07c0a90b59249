#include "identity/audit_log.h"

#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_writer.h"

namespace tessera {
namespace {

constexpr std::size_t kQueueBytes = 1 << 20;
constexpr int kWarningsPerSecond = 10;

}  // namespace

struct AuditLog::State {
  State(std::string to, Executor& on, std::size_t limit, std::string by)
      : path(std::move(to)), disk(on), bytes_max(limit), process(std::move(by)) {}
  ~State() {
    if (fd >= 0) ::close(fd);
  }
  void Empty();
  bool OpenLocked();
  void Append(const std::string& lines);
  bool MayWarn(SteadyTime now);

  const std::string path;
  Executor& disk;
  const std::size_t bytes_max;
  const std::string process;
  std::mutex mutex;
  std::condition_variable emptied;
  std::string queue;
  std::uint64_t dropped = 0;
  bool emptying = false;
  SteadyTime second;
  int warnings = 0;
  std::uint64_t not_warned = 0;
  // Touched by the one who empties.
  int fd = -1;
  std::size_t size = 0;
};

// On `disk`, by one at a time.
void AuditLog::State::Empty() {
  while (true) {
    std::string lines;
    {
      std::lock_guard lock(mutex);
      if (queue.empty()) {
        emptying = false;
        emptied.notify_all();
        return;
      }
      lines.swap(queue);
      if (const std::uint64_t lost = std::exchange(dropped, 0); lost > 0) {
        StrAppend(&lines, "{\"event\":\"audit_lines_lost\",\"count\":", lost, "}\n");
      }
    }
    Append(lines);
  }
}

// The file of now, locked, however often others have begun a new one; false when it cannot be had.
bool AuditLog::State::OpenLocked() {
  for (int tries = 0; tries < 10; ++tries) {
    if (fd < 0) fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || ::flock(fd, LOCK_EX) != 0) return false;
    struct stat mine{};
    struct stat named{};
    if (::fstat(fd, &mine) == 0 && ::stat(path.c_str(), &named) == 0 &&
        mine.st_ino == named.st_ino) {
      size = static_cast<std::size_t>(mine.st_size);
      return true;
    }
    ::close(std::exchange(fd, -1));
  }
  return false;
}

void AuditLog::State::Append(const std::string& lines) {
  bool open = OpenLocked();
  if (open && size > 0 && size + lines.size() > bytes_max) {
    ::rename(path.c_str(), (path + ".1").c_str());
    ::close(std::exchange(fd, -1));
    open = OpenLocked();
  }
  std::string_view left = lines;
  while (open && !left.empty()) {
    const ssize_t put = ::write(fd, left.data(), left.size());
    open = put > 0;
    if (open) left.remove_prefix(static_cast<std::size_t>(put));
  }
  if (!open) Log(LogLevel::kError, "cannot write the audit log", {{"file", path}});
  if (fd >= 0) ::flock(fd, LOCK_UN);
}

bool AuditLog::State::MayWarn(SteadyTime now) {
  if (now >= second + std::chrono::seconds(1)) {
    second = now;
    warnings = 0;
  }
  return ++warnings <= kWarningsPerSecond;
}

AuditLog::AuditLog(std::string path, Executor& disk, std::size_t bytes_max, std::string process)
    : state_(std::make_shared<State>(std::move(path), disk, bytes_max, std::move(process))) {}

AuditLog::~AuditLog() = default;

void AuditLog::Write(std::string_view event, std::initializer_list<LogField> fields,
                     LogLevel level) {
  char buffer[25];
  JsonWriter line;
  line.BeginObject().Field("time", Rfc3339(WallMillis(), buffer)).Field("event", event);
  if (!state_->process.empty()) line.Field("process", state_->process);
  for (const LogField& field : fields) line.Field(field.name, field.text());
  line.EndObject();
  bool told = true;
  bool begin = false;
  std::uint64_t not_warned = 0;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->queue.size() + line.text().size() > kQueueBytes) {
      ++state_->dropped;
    } else {
      state_->queue.append(line.text()).push_back('\n');
      begin = !std::exchange(state_->emptying, true);
    }
    if (level >= LogLevel::kWarning) told = state_->MayWarn(Now());
    if (told) {
      not_warned = std::exchange(state_->not_warned, 0);
    } else {
      ++state_->not_warned;
    }
  }
  if (begin) {
    state_->disk.Post([state = state_] { state->Empty(); });
  }
  if (told) {
    Log(level, "audit", {{"record", line.text()}, {"not_logged_before", not_warned}});
  }
}

void AuditLog::Flush() {
  std::unique_lock lock(state_->mutex);
  state_->emptied.wait(lock, [this] { return !state_->emptying; });
}

}  // namespace tessera
