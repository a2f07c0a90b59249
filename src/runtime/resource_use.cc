#include "runtime/resource_use.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace tessera {

class ResourceProbes {
 public:
  static ResourceProbes& Process() {
    static auto* const probes = new ResourceProbes;  // tidy: threads may end during exit
    return *probes;
  }
  void Add(const ResourceProbe* probe) {
    std::lock_guard lock(mutex_);
    live_.insert(probe);
  }
  void Remove(const ResourceProbe* probe) {
    std::lock_guard lock(mutex_);
    live_.erase(probe);
    const ResourceUse last = probe->read_();
    ResourceUse counted;
    counted.done = last.done;
    counted.rejected = last.rejected;
    counted.busy_seconds = last.busy_seconds;
    Sum(counted, gone_[{probe->kind_, probe->name_}]);
  }
  std::vector<NamedResourceUse> Read() {
    std::lock_guard lock(mutex_);
    Sums sums = gone_;
    for (const ResourceProbe* probe : live_)
      Sum(probe->read_(), sums[{probe->kind_, probe->name_}]);
    std::vector<NamedResourceUse> all;
    for (auto& [key, use] : sums) all.push_back({key.first, key.second, use});
    return all;
  }

 private:
  using Sums = std::map<std::pair<std::string, std::string>, ResourceUse>;
  static void Sum(const ResourceUse& from, ResourceUse& to) {
    to.capacity += from.capacity;
    to.used += from.used;
    to.waiting += from.waiting;
    to.done += from.done;
    to.rejected += from.rejected;
    to.busy_seconds += from.busy_seconds;
    to.lag_seconds = std::max(to.lag_seconds, from.lag_seconds);
  }

  std::mutex mutex_;
  std::set<const ResourceProbe*> live_;
  Sums gone_;
};

ResourceProbe::ResourceProbe(std::string kind, std::string name, std::function<ResourceUse()> read)
    : kind_(std::move(kind)), name_(std::move(name)), read_(std::move(read)) {
  ResourceProbes::Process().Add(this);
}

ResourceProbe::~ResourceProbe() { ResourceProbes::Process().Remove(this); }

std::vector<NamedResourceUse> ReadResourceUses() { return ResourceProbes::Process().Read(); }

}  // namespace tessera
