#pragma once
// The page: files that the build put into the program (cmake/EmbedWeb.cmake).

#include <span>
#include <string_view>

namespace tessera {

/// One file of the page. All views point into the program and live as long as the process.
struct WebAsset {
  std::string_view path;  ///< as in a URL: "/index.html", "/assets/index-CrPTmNVY.js"
  std::string_view media_type;
  std::string_view identity;
  std::string_view gzip;    ///< the same, compressed; empty where that was not made
  std::string_view brotli;  ///< likewise
  std::string_view
      etag;  ///< quoted; of the identity bytes, so another one is needed when compressed
  bool immutable = false;  ///< the name changes with the content: may be cached for ever
};

/// Every file, sorted by path. Thread-safe.
std::span<const WebAsset> WebAssets();

/// The file at exactly this path, else null. Thread-safe. The page's own addresses ("/",
/// "/documents/{id}") are no files: they are answered with "/index.html".
const WebAsset* FindWebAsset(std::string_view path);

}  // namespace tessera
