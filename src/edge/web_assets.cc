#include "edge/web_assets.h"

#include <algorithm>

namespace tessera {

const WebAsset* FindWebAsset(std::string_view path) {
  const std::span<const WebAsset> assets = WebAssets();
  const auto found = std::ranges::lower_bound(assets, path, {}, &WebAsset::path);
  return found != assets.end() && found->path == path ? &*found : nullptr;
}

}  // namespace tessera
