#include "telemetry/process_name.h"

#include <mutex>
#include <utility>

namespace tessera {
namespace {

std::mutex mutex;
// Never destroyed: the log's last words have it too.
ProcessName& Locked() {
  static auto* const name = new ProcessName;
  return *name;
}

}  // namespace

void SetProcessName(ProcessName name) {
  std::lock_guard lock(mutex);
  Locked() = std::move(name);
}

ProcessName CurrentProcessName() {
  std::lock_guard lock(mutex);
  return Locked();
}

}  // namespace tessera
