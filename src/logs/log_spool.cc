#include "logs/log_spool.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "telemetry/process_name.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".spool";
constexpr std::size_t kHead = 8;  // size and check sum
constexpr std::size_t kFrameMax = 4 << 20;
constexpr std::uint64_t kSegmentMax = 4 << 20;
constexpr auto kPatience = std::chrono::seconds(5);
constexpr std::uint64_t kSegmentsMin = 8;  // of a full spool

// FNV-1a: tells a frame that was cut short or never written.
std::uint32_t CheckSum(std::string_view bytes) {
  std::uint64_t sum = 0xcbf29ce484222325ULL;
  for (const char c : bytes) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return static_cast<std::uint32_t>(sum ^ (sum >> 32));
}

void AppendFrame(std::string* out, const v1::LogRecord& record) {
  const std::string bytes = record.SerializeAsString();
  const std::uint32_t head[] = {static_cast<std::uint32_t>(bytes.size()), CheckSum(bytes)};
  static_assert(sizeof head == kHead);
  out->append(reinterpret_cast<const char*>(head), kHead);
  *out += bytes;
}

/// The frame at the front of `bytes`; nothing when it is not whole.
std::optional<std::string_view> FrameAt(std::string_view bytes) {
  std::uint32_t head[2];
  if (bytes.size() < kHead) return std::nullopt;
  std::memcpy(head, bytes.data(), kHead);
  if (head[0] > kFrameMax || bytes.size() - kHead < head[0]) return std::nullopt;
  const std::string_view frame = bytes.substr(kHead, head[0]);
  if (CheckSum(frame) != head[1]) return std::nullopt;
  return frame;
}

std::string ReadFile(const std::string& path, std::uint64_t from, std::size_t max) {
  std::string bytes(max, '\0');
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::size_t size = 0;
  while (fd >= 0 && size < max) {
    const ssize_t got =
        ::pread(fd, bytes.data() + size, max - size, static_cast<off_t>(from + size));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (fd >= 0) ::close(fd);
  bytes.resize(size);
  return bytes;
}

}  // namespace

LogSpool::LogSpool(std::string folder, std::uint64_t bytes_max)
    : folder_(std::move(folder)),
      bytes_max_(bytes_max),
      segment_max_(std::min(kSegmentMax, bytes_max / kSegmentsMin)) {}

LogSpool::~LogSpool() {
  if (position_fd_ >= 0) ::close(position_fd_);
  if (write_fd_ >= 0) ::close(write_fd_);
}

std::string LogSpool::PathOf(std::uint64_t segment) const {
  std::string digits = StrCat(segment);
  digits.insert(0, 12 - std::min<std::size_t>(digits.size(), 12), '0');
  return StrCat(folder_, "/", digits, kSuffix);
}

Result<std::unique_ptr<LogSpool>> LogSpool::Open(std::string folder, std::uint64_t bytes_max) {
  std::error_code error;
  fs::create_directories(folder, error);
  std::unique_ptr<LogSpool> spool(new LogSpool(std::move(folder), bytes_max));
  ::chmod(spool->folder_.c_str(), 0700);
  const std::string path = StrCat(spool->folder_, "/position");
  spool->position_fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (spool->position_fd_ < 0)
    return absl::UnavailableError(StrCat("cannot open ", path, ": ", std::strerror(errno)));
  // The predecessor of this process may be about to let go of it.
  const SteadyTime end = Now() + kPatience;
  while (::flock(spool->position_fd_, LOCK_EX | LOCK_NB) != 0) {
    if (Now() > end) return absl::UnavailableError(StrCat("another process uses ", spool->folder_));
    const timespec pause = {.tv_sec = 0, .tv_nsec = 10'000'000};
    ::nanosleep(&pause, nullptr);
  }
  TRY(spool->TakeOver());
  return spool;
}

Status LogSpool::TakeOver() {
  Position saved;
  if (::pread(position_fd_, &saved, sizeof saved, 0) == sizeof saved) position_ = saved;
  std::vector<std::uint64_t> indexes;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string name = entry.path().filename().string();
    std::uint64_t index = 0;
    if (!name.ends_with(kSuffix)) continue;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), index);
    if (parsed.ec == std::errc()) indexes.push_back(index);
  }
  if (error) return absl::UnavailableError(StrCat("cannot read ", folder_, ": ", error.message()));
  std::sort(indexes.begin(), indexes.end());
  for (const std::uint64_t index : indexes) {
    if (index < position_.segment) {  // the reader was done with it
      ::unlink(PathOf(index).c_str());
      continue;
    }
    const std::string bytes = ReadFile(PathOf(index), 0, fs::file_size(PathOf(index), error));
    Segment segment{.index = index};
    const std::uint64_t from = index == position_.segment ? position_.offset : 0;
    while (const auto frame = FrameAt(std::string_view(bytes).substr(segment.bytes))) {
      if (segment.bytes >= from) ++segment.records;
      segment.bytes += kHead + frame->size();
    }
    // What a killed process was about to write.
    if (segment.bytes < bytes.size() &&
        ::truncate(PathOf(index).c_str(), static_cast<off_t>(segment.bytes)) != 0)
      return absl::UnavailableError(StrCat("cannot mend ", PathOf(index)));
    segments_.push_back(segment);
  }
  if (segments_.empty() || segments_.front().index != position_.segment) {
    position_.segment = segments_.empty() ? position_.segment + 1 : segments_.front().index;
    position_.offset = 0;
  }
  if (!LockedNewSegment())
    return absl::UnavailableError(StrCat("cannot write in ", folder_, ": ", std::strerror(errno)));
  return absl::OkStatus();
}

bool LogSpool::LockedNewSegment() {
  const std::uint64_t index = segments_.empty() ? position_.segment : segments_.back().index + 1;
  const int fd = ::open(PathOf(index).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  if (write_fd_ >= 0) ::close(write_fd_);
  write_fd_ = fd;
  segments_.push_back({.index = index});
  return true;
}

void LogSpool::LockedSavePosition() const {
  [[maybe_unused]] const ssize_t written = ::pwrite(position_fd_, &position_, sizeof position_, 0);
}

std::uint64_t LogSpool::LockedBytes() const {
  std::uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.bytes;
  return sum;
}

// All of it or nothing.
bool LogSpool::LockedPut(const std::string& frames, std::uint64_t records) {
  if (LockedBytes() + frames.size() > bytes_max_) return false;
  if (segments_.back().bytes >= segment_max_ && !LockedNewSegment()) return false;
  std::size_t put = 0;
  while (put < frames.size()) {
    const ssize_t size = ::write(write_fd_, frames.data() + put, frames.size() - put);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      [[maybe_unused]] const int cut =
          ::ftruncate(write_fd_, static_cast<off_t>(segments_.back().bytes));
      return false;
    }
    put += static_cast<std::size_t>(size);
  }
  segments_.back().bytes += frames.size();
  segments_.back().records += records;
  return true;
}

std::string LogSpool::LockedNoteOfDrops() const {
  v1::LogRecord note;
  note.set_time_us(WallMillis() * 1000);
  note.set_level(v1::LOG_LEVEL_WARNING);
  note.set_module("logs");
  note.set_message("log records were dropped here: their spool was full");
  (*note.mutable_fields())["records"] = StrCat(position_.untold);
  note.set_process(CurrentProcessName().process);
  note.set_pid(::getpid());
  note.set_epoch_us(note.time_us());
  note.set_number(position_.untold);
  note.set_file("src/logs/log_spool.cc");
  std::string frame;
  AppendFrame(&frame, note);
  return frame;
}

std::uint64_t LogSpool::Append(const std::vector<GatheredLog>& records) {
  std::lock_guard lock(mutex_);
  std::uint64_t lost = 0;
  std::string frames;
  std::uint64_t count = 0;
  const auto put = [&] {
    if (count == 0) return;
    const bool tells = position_.untold > 0;
    if (LockedPut(tells ? LockedNoteOfDrops() + frames : frames, count + (tells ? 1 : 0))) {
      if (tells) {
        position_.untold = 0;
        LockedSavePosition();
      }
    } else {
      lost += count;
      position_.untold += count;
      LockedSavePosition();
    }
    frames.clear();
    count = 0;
  };
  // In pieces: a piece that has no room is dropped as a whole.
  constexpr std::size_t kPiece = 16 << 10;
  for (const GatheredLog& record : records) {
    AppendFrame(&frames, *record);
    ++count;
    if (frames.size() >= std::min<std::size_t>(kPiece, segment_max_)) put();
  }
  put();
  dropped_ += lost;
  return lost;
}

LogSpool::Batch LogSpool::Peek(std::size_t records_max, std::size_t bytes_max) {
  std::lock_guard lock(mutex_);
  Batch batch{.records = {}, .segment = position_.segment, .offset = position_.offset};
  std::size_t bytes = 0;
  for (const Segment& segment : segments_) {
    if (segment.index < batch.segment) continue;
    if (segment.index > batch.segment) {
      batch.segment = segment.index;
      batch.offset = 0;
    }
    if (batch.offset >= segment.bytes) continue;
    const std::string text =
        ReadFile(PathOf(segment.index), batch.offset, segment.bytes - batch.offset);
    std::string_view rest = text;
    while (const auto frame = FrameAt(rest)) {
      if (batch.records.size() == records_max || (bytes > 0 && bytes + frame->size() > bytes_max))
        return batch;
      v1::LogRecord& record = batch.records.emplace_back();
      if (!record.ParseFromArray(frame->data(), static_cast<int>(frame->size())))
        batch.records.pop_back();
      bytes += frame->size();
      batch.offset += kHead + frame->size();
      rest.remove_prefix(kHead + frame->size());
    }
    // Nothing whole is behind it: somebody has changed the file. The rest of it is given up.
    if (!rest.empty()) batch.offset = segment.bytes;
  }
  return batch;
}

void LogSpool::Done(const Batch& batch) {
  std::lock_guard lock(mutex_);
  position_.segment = batch.segment;
  position_.offset = batch.offset;
  LockedSavePosition();
  std::uint64_t left = batch.records.size();
  for (Segment& segment : segments_) {
    const std::uint64_t of_it = std::min(left, segment.records);
    segment.records -= of_it;
    left -= of_it;
    if (left == 0) break;
  }
  if (segments_.back().bytes > 0 && segments_.back().index == position_.segment &&
      position_.offset >= segments_.back().bytes && LockedNewSegment()) {
    position_.segment = segments_.back().index;
    position_.offset = 0;
    LockedSavePosition();
  }
  while (segments_.front().index < position_.segment) {
    ::unlink(PathOf(segments_.front().index).c_str());
    segments_.pop_front();
  }
}

std::uint64_t LogSpool::records() const {
  std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.records;
  return sum;
}

std::uint64_t LogSpool::bytes() const {
  std::lock_guard lock(mutex_);
  return LockedBytes();
}

std::uint64_t LogSpool::dropped() const {
  std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace tessera
