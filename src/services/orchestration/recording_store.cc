#include "services/orchestration/recording_store.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tessera/v1/retrieval.pb.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::string_view kEnding = ".run";
constexpr std::size_t kIdMax = 128;
constexpr std::size_t kListed = 200;

// Whether anything was hidden in the message's texts.
bool Redact(const Redactor& redactor, Message* message) {
  const auto& reflection = *message->GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(*message, &fields);
  bool hidden = false;
  for (const FieldDescriptor* field : fields) {
    if (field->is_map()) continue;
    const int count = field->is_repeated() ? reflection.FieldSize(*message, field) : 1;
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Message* const part = field->is_repeated()
                                  ? reflection.MutableRepeatedMessage(message, field, i)
                                  : reflection.MutableMessage(message, field);
        hidden = Redact(redactor, part) || hidden;
      } else if (field->type() == FieldDescriptor::TYPE_STRING) {
        const std::string text = field->is_repeated()
                                     ? reflection.GetRepeatedString(*message, field, i)
                                     : reflection.GetString(*message, field);
        std::string clean = redactor.Redact(text);
        if (clean == text) continue;
        hidden = true;
        if (field->is_repeated()) {
          reflection.SetRepeatedString(message, field, i, std::move(clean));
        } else {
          reflection.SetString(message, field, std::move(clean));
        }
      }
    }
  }
  return hidden;
}

// Messages inside of bytes.
template <class T>
bool RedactBytes(const Redactor& redactor, std::string* bytes) {
  T message;
  if (!message.ParseFromString(*bytes) || !Redact(redactor, &message)) return false;
  *bytes = message.SerializeAsString();
  return true;
}

template <class Request, class Reply>
bool RedactAs(const Redactor& redactor, v1::RecordedCall* call) {
  const bool request = RedactBytes<Request>(redactor, call->mutable_request());
  return RedactBytes<Reply>(redactor, call->mutable_reply()) || request;
}

bool RedactCall(const Redactor& redactor, v1::RecordedCall* call) {
  if (call->method() == "Search")
    return RedactAs<v1::SearchRequest, v1::SearchReply>(redactor, call);
  if (call->method() == "Embed") return RedactAs<v1::EmbedRequest, v1::EmbedReply>(redactor, call);
  if (call->method() == "Rerank")
    return RedactAs<v1::RerankRequest, v1::RerankReply>(redactor, call);
  return RedactAs<v1::GetCollectionRequest, v1::Collection>(redactor, call);
}

Status WriteFile(const std::string& path, const std::string& bytes) {
  static std::atomic<std::uint64_t> next{0};
  const std::string temporary = StrCat(path, ".", ::getpid(), "-", ++next, ".new");
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return absl::UnavailableError("a recording cannot be written to the data folder");
  const ssize_t written = ::write(fd, bytes.data(), bytes.size());
  ::close(fd);
  if (written == static_cast<ssize_t>(bytes.size()) &&
      std::rename(temporary.c_str(), path.c_str()) == 0)
    return absl::OkStatus();
  ::unlink(temporary.c_str());
  return absl::UnavailableError("a recording cannot be written to the data folder");
}

}  // namespace

struct RecordingStore::File {
  std::string path;
  std::uint64_t size;
  std::int64_t seconds;  // since 1970
};

void RecordingConfig::Describe(Fields<RecordingConfig>& f) {
  f.Optional("enabled", &RecordingConfig::enabled,
             "Answers may be recorded, with questions and passages, in DATA/recordings.");
  f.Optional("percent", &RecordingConfig::percent,
             "So many of all runs are recorded; besides them those that an administrator asks for "
             "with the header \"Baggage: tessera-record=1\".",
             0.0, 100.0);
  f.Optional("runs_max", &RecordingConfig::runs_max, "Most recordings that are kept.", 1u,
             100'000u);
  f.Optional("bytes_max", &RecordingConfig::bytes_max, "Most room that they take.", Bytes{1 << 20},
             Bytes{std::uint64_t{1} << 40});
  f.Optional("age_max", &RecordingConfig::age_max, "Older ones are deleted.",
             std::chrono::seconds(60), std::chrono::seconds(std::chrono::hours(24 * 365)));
}

RecordingStore::RecordingStore(std::string folder, const RecordingConfig& config,
                               std::shared_ptr<const Redactor> redactor)
    : folder_(std::move(folder)), config_(config), redactor_(std::move(redactor)) {}

Result<std::string> RecordingStore::PathOf(const std::string& id) const {
  const bool plain = !id.empty() && id.size() <= kIdMax && id.front() != '.' &&
                     std::all_of(id.begin(), id.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                     });
  if (!plain) return absl::NotFoundError("there is no recording of that id");
  return StrCat(folder_, "/", id, kEnding);
}

// Those that are too old are not there any more.
std::vector<RecordingStore::File> RecordingStore::Files() const {
  std::vector<File> files;
  std::error_code ignored;
  const std::int64_t oldest = WallMillis() / 1000 - config_.age_max.count();
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, ignored)) {
    struct stat about = {};
    const std::string path = entry.path().string();
    if (!path.ends_with(kEnding) || ::stat(path.c_str(), &about) != 0) continue;
    if (about.st_mtime < oldest) {
      ::unlink(path.c_str());
      continue;
    }
    files.push_back({path, static_cast<std::uint64_t>(about.st_size), about.st_mtime});
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.seconds > b.seconds; });
  return files;
}

Status RecordingStore::Put(v1::RecordedRun run) {
  TRY(const std::string path, PathOf(run.about().id()));
  bool hidden = Redact(*redactor_, &run);
  for (v1::RecordedCall& call : *run.mutable_calls())
    hidden = RedactCall(*redactor_, &call) || hidden;
  run.mutable_about()->set_redacted(hidden);
  const std::string bytes = run.SerializeAsString();
  if (bytes.size() > config_.bytes_max.count / 8)
    return absl::ResourceExhaustedError("the run is too large to be recorded");
  ::mkdir(folder_.c_str(), 0700);
  TRY(WriteFile(path, bytes));
  std::uint64_t all = 0;
  std::uint32_t count = 0;
  for (const File& file : Files()) {
    all += file.size;
    if (++count > config_.runs_max || all > config_.bytes_max.count) ::unlink(file.path.c_str());
  }
  return absl::OkStatus();
}

Result<v1::RecordedRun> RecordingStore::Get(const std::string& id) const {
  TRY(const std::string path, PathOf(id));
  std::ifstream file(path, std::ios::binary);
  v1::RecordedRun run;
  if (!file || !run.ParseFromIstream(&file))
    return absl::NotFoundError(StrCat("the request ", id, " was not recorded, or not kept"));
  return run;
}

Status RecordingStore::Delete(const std::string& id) {
  TRY(const std::string path, PathOf(id));
  if (::unlink(path.c_str()) == 0) return absl::OkStatus();
  return absl::NotFoundError(StrCat("the request ", id, " was not recorded, or not kept"));
}

std::vector<v1::Recording> RecordingStore::List() const {
  std::vector<v1::Recording> all;
  for (const File& file : Files()) {
    if (all.size() == kListed) break;
    v1::RecordedRun run;
    std::ifstream in(file.path, std::ios::binary);
    if (in && run.ParseFromIstream(&in)) all.push_back(std::move(*run.mutable_about()));
  }
  return all;
}

}  // namespace tessera
