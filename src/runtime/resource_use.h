#pragma once
// How much of what is bounded is used: threads, connections, queues. Whoever owns such a thing says
// it where it is asked; nothing is counted twice for it.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tessera {

/// By the USE method: use, saturation, errors.
struct ResourceUse {
  std::int64_t capacity = 0;   ///< 0: it has no bound of its own
  std::int64_t used = 0;       ///< now
  std::int64_t waiting = 0;    ///< for it, now
  std::uint64_t done = 0;      ///< what it was used for, since the process began
  std::uint64_t rejected = 0;  ///< for lack of it
  double busy_seconds = 0;     ///< of all its threads together
  double lag_seconds = 0;      ///< how long what came last had to wait
};

/// What it is, and which: "threads" "cpu".
struct NamedResourceUse {
  std::string kind;
  std::string name;
  ResourceUse use;
};

/// While it lives, `read` is part of what ReadResourceUses gives. The last member of its owner, so
/// that what `read` looks at outlives it. `read` is called by any thread, under a lock of all
/// probes: it must be quick and make no probe.
class ResourceProbe {
 public:
  ResourceProbe(std::string kind, std::string name, std::function<ResourceUse()> read);
  ~ResourceProbe();
  ResourceProbe(const ResourceProbe&) = delete;

 private:
  friend class ResourceProbes;
  const std::string kind_;
  const std::string name_;
  const std::function<ResourceUse()> read_;
};

/// Of this process, by kind and name; those that are called the same are added up, and what was
/// counted by those that have gone stays counted. Thread-safe.
std::vector<NamedResourceUse> ReadResourceUses();

}  // namespace tessera
