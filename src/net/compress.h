#pragma once
// Content codings: gzip, br and zstd, both ways, with limits.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tessera {

enum class Coding : std::uint8_t { kIdentity, kGzip, kBrotli, kZstd };

/// "gzip", "br", "zstd", "identity".
std::string_view Name(Coding coding);
/// A token of Content-Encoding ("x-gzip" too), or nothing when it is not known here.
std::optional<Coding> ParseCoding(std::string_view token);
/// The best coding that an Accept-Encoding value allows (zstd, br, gzip at equal weight); nothing
/// when the client accepts none of them and not even identity.
std::optional<Coding> NegotiateCoding(std::string_view accept_encoding);

/// `bytes` in one go at a level fit for serving.
std::string Compress(Coding coding, std::string_view bytes);

/// Undoes one coding, in pieces. INVALID_ARGUMENT on broken data; RESOURCE_EXHAUSTED (HTTP 413)
/// beyond `bytes_max`, so that a small bomb stays small. Not thread-safe.
class Decompressor {
 public:
  Decompressor(Coding coding, std::uint64_t bytes_max);
  ~Decompressor();
  /// Appends what comes out of `piece` to `out`.
  Status Feed(std::string_view piece, std::string* out);
  /// The same; what needs no decoding is moved into an empty `out`.
  Status Take(std::string piece, std::string* out);
  /// After the last piece: an error when the data was cut short.
  Status Finish();

 private:
  struct State;
  /// How many bytes came out, and may.
  struct Room {
    std::uint64_t bytes_max;
    std::uint64_t bytes = 0;
    Status Take(std::size_t size);
  };

  Room room_;
  std::unique_ptr<State> state_;  ///< of a coding; nothing: there is none
};

/// All of `bytes` at once.
Result<std::string> Decompress(Coding coding, std::string_view bytes, std::uint64_t bytes_max);

}  // namespace tessera
