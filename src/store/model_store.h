#pragma once
// Models that people bring: GGUF files kept in the data folder, each with a manifest.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace tessera {

/// What the head of a GGUF file says (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
struct GgufHead {
  std::string architecture;  ///< "llama", "bert" …
  std::string name;          ///< as its maker calls it; may be empty
  std::uint64_t context_tokens = 0;
  std::uint64_t tensors = 0;
};

/// Reads and checks the head: magic, version, every key and tensor entry inside the file.
/// INVALID_ARGUMENT says what is wrong with the file. Input is not trusted.
Result<GgufHead> ReadGgufHead(const std::string& path);

/// A model in the store.
struct StoredModel {
  std::string name;
  std::string kind;  ///< "language" or "embedder"
  std::string path;  ///< of the GGUF file, absolute
  std::string sha256;
  std::uint64_t bytes = 0;
  std::string architecture;
  std::string description;
  std::uint64_t context_tokens = 0;
  bool is_default = false;  ///< answers when a request and the configuration name no other
};

/// DATA/models: one folder a model (NAME/model.gguf, NAME/manifest.json). Adding is atomic, so a
/// server may start at any moment. Not thread-safe; several processes may read.
class ModelStore {
 public:
  explicit ModelStore(std::string data) : root_(std::move(data) + "/models") {}

  /// Another one whenever the list or the default has changed; nothing when that may have been just
  /// now, so that a second change could be missed. Costs two look-ups of files.
  std::optional<std::string> Version() const;
  /// By name. A folder without a readable manifest is left out.
  Result<std::vector<StoredModel>> List() const;
  struct AddOptions {
    std::string name;    ///< [a-z0-9][a-z0-9._-]{0,63}; empty: from the file's name
    std::string sha256;  ///< what the file must have; empty: not checked
    std::string description;
    bool make_default = true;
  };
  /// Checks, copies and syncs the file. ALREADY_EXISTS when there is a model of that name.
  Result<StoredModel> Add(const std::string& file, AddOptions options) const;
  /// NOT_FOUND when there is none of that name.
  Status Remove(const std::string& name) const;

 private:
  std::string DefaultName() const;

  const std::string root_;
};

/// Is that a name a model may have?
bool IsModelName(std::string_view name);

}  // namespace tessera
