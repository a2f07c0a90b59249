#pragma once
// The end of a reply that is a stream of events.

#include <optional>
#include <string>

#include "base/status.h"

namespace tessera {

/// How a stream has ended that tells its client of errors in an event of its own: for the client
/// the reply ends well then, and the edge counts what it became. Not thread-safe.
class StreamEnd {
 public:
  bool reached() const { return reached_; }
  void Well() { reached_ = true; }
  /// Its client is told of `status` by the event that is returned now.
  void Told(Status status);
  /// What the stream's Next returns from then on.
  Result<std::optional<std::string>> Next() const;

  /// Whether a client knows of an error already.
  static bool WasTold(const Status& status);

 private:
  bool reached_ = false;
  Status status_;
};

}  // namespace tessera
