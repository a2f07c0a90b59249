#pragma once
// Streams are pulled: the reader asks for the next item, so a slow reader slows the producer.

#include <memory>
#include <optional>
#include <utility>

#include "base/ctx.h"
#include "base/task.h"

namespace tessera {

/// A sequence of items that a server sends. Not thread-safe: one reader, one Next at a time.
/// Destroying it cancels the rest.
template <class T>
class Stream {
 public:
  virtual ~Stream() = default;
  /// The next item, or nothing at the end. After an error or the end it is not called again.
  virtual Task<Result<std::optional<T>>> Next(Ctx ctx) = 0;
};

template <class T>
using StreamPtr = std::unique_ptr<Stream<T>>;

}  // namespace tessera
