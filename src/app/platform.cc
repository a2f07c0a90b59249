#include "app/platform.h"

namespace tessera {

Result<std::unique_ptr<Platform>> StartPlatform(const ConfigSnapshot& config,
                                                const std::string& data) {
  return absl::UnimplementedError("the services are not wired yet");
}

}  // namespace tessera
