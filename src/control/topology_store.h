#pragma once
// The topologies that were reached, on the disk: what a restart comes back to.

#include <optional>
#include <string>

#include "control/topology_spec.h"

namespace tessera {

/// DATA/topology/000001.yaml, …: one file for each topology that was reached; the highest number
/// holds. A move that is cut off by a crash at any moment has either written its file or not. Not
/// thread-safe.
class TopologyStore {
 public:
  struct Revision {
    std::uint64_t number = 0;
    TopologySpec spec;
  };
  /// Makes the folder where it is missing.
  static Result<TopologyStore> Open(const std::string& data);

  /// Nothing before the first Commit.
  Result<std::optional<Revision>> Current() const { return Nth(0); }
  /// The one before; nothing when there is none.
  Result<std::optional<Revision>> Previous() const { return Nth(1); }
  /// On the disk when it returns; its number. The same as the present one is no revision of its
  /// own, so that one can go back from it. Old ones are removed.
  Result<std::uint64_t> Commit(const TopologySpec& spec);

 private:
  explicit TopologyStore(std::string folder) : folder_(std::move(folder)) {}
  Result<std::optional<Revision>> Nth(std::size_t from_last) const;

  std::string folder_;
};

}  // namespace tessera
