#pragma once
// Ctrl-C and SIGTERM as cancellation.

#include <thread>

#include "base/cancel.h"

namespace tessera {

/// While it lives, the first SIGINT or SIGTERM cancels the token; a second one ends the process at
/// once. Make it before any thread, which then leaves the signals to it.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  CancelToken token() const { return source_.token(); }

 private:
  void Watch();

  CancelSource source_;
  int wake_ = -1;
  int signals_ = -1;
  std::thread thread_;
};

}  // namespace tessera
