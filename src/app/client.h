#pragma once
// What the commands need of a platform, whether it runs in this process or behind HTTP.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "base/status.h"
#include "tessera/v1/inference.pb.h"
#include "tessera/v1/orchestration.pb.h"
#include "tessera/v1/retrieval.pb.h"

namespace tessera {

/// A file to ingest and the name its document gets.
struct IngestFile {
  std::string path;
  std::string name;
  std::uint64_t bytes = 0;
};

struct IngestInput {
  std::string collection;
  std::vector<IngestFile> files;
  std::vector<std::string> links;
};

/// A file that could not be ingested: a short code ("encrypted") and a sentence.
struct IngestFailure {
  std::string name;
  std::string code;
  std::string message;
};

/// How far an ingest is; at the end, what became of it.
struct IngestStatus {
  std::uint64_t files = 0;  ///< known so far; files inside archives join as they are found
  std::uint64_t sent = 0;   ///< handed to the platform
  std::uint64_t done = 0;   ///< searchable (unchanged ones included) or failed
  std::uint64_t failed = 0;
  std::uint64_t unchanged = 0;
  std::uint64_t chunks = 0;
  std::uint64_t chunks_total = 0;  ///< of a re-embedding
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_done = 0;
  double chunks_per_second = 0;
  std::vector<IngestFailure> failures;
};
using IngestWatcher = std::function<void(const IngestStatus&)>;

struct SearchInput {
  std::string collection;
  std::string query;
  std::uint32_t limit = 10;
  v1::SearchMode mode = v1::SEARCH_MODE_UNSPECIFIED;
};

struct AskInput {
  std::string collection;
  std::string question;
  std::string model;
  v1::AnswerMode mode = v1::ANSWER_MODE_UNSPECIFIED;
};

/// The end of an answer; its text went to the watcher piece by piece.
struct Answer {
  std::string text;
  std::vector<v1::Citation> citations;
  std::string model;
  v1::AnswerMode mode = v1::ANSWER_MODE_UNSPECIFIED;
  bool nothing_found = false;
};
using TextWatcher = std::function<void(std::string_view)>;

/// A platform to talk to. Calls block; one at a time. They end early with CANCELLED when the token
/// given to the client's maker is cancelled, and an ingest then cancels its jobs.
class Client {
 public:
  virtual ~Client() = default;
  /// Returns when everything is searchable or has failed; an error only when the platform is of no
  /// use.
  virtual Result<IngestStatus> Ingest(const IngestInput& input, const IngestWatcher& watch) = 0;
  virtual Result<v1::ListCollectionsReply> ListCollections() = 0;
  /// Makes the vectors of a collection anew; "" is the configured embedder. Returns when all have
  /// changed, or the one failure says why not.
  virtual Result<IngestStatus> Reembed(const std::string& collection, const std::string& model,
                                       const IngestWatcher& watch) = 0;
  virtual Result<v1::SearchReply> Search(const SearchInput& input) = 0;
  virtual Result<Answer> Ask(const AskInput& input, const TextWatcher& watch) = 0;
  virtual Result<v1::ListModelsReply> ListModels() = 0;
  /// `folder` is on the platform's machine.
  virtual Result<v1::BackupReply> Backup(const std::string& folder) = 0;
};

/// A platform behind HTTP. Does not connect yet.
Result<std::unique_ptr<Client>> ConnectTo(const std::string& url, const std::string& key,
                                          CancelToken cancel);

}  // namespace tessera
