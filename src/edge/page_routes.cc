#include "edge/page_routes.h"

#include "base/str.h"
#include "edge/web_assets.h"
#include "net/compress.h"
#include "net/header_values.h"

namespace tessera {
namespace {

// The page loads nothing from elsewhere and holds no inline script or style.
constexpr std::string_view kPagePolicy =
    "default-src 'self'; img-src 'self' data: blob:; frame-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

HttpReply AssetReply(const WebAsset& asset, const HttpRequest& request) {
  HttpReply reply;
  std::string_view bytes = asset.identity;
  std::string_view coding;
  const auto best = NegotiateCoding(request.headers.Get("accept-encoding"));
  if (!asset.brotli.empty() && best && (best == Coding::kBrotli || best == Coding::kZstd)) {
    // zstd is not made ahead; whoever takes it takes br as well, when it is named.
    const bool brotli = Accepts(request.headers.Get("accept-encoding"), "br");
    if (brotli) {
      bytes = asset.brotli;
      coding = "br";
    }
  }
  if (coding.empty() && !asset.gzip.empty() &&
      Accepts(request.headers.Get("accept-encoding"), "gzip") && best &&
      best != Coding::kIdentity) {
    bytes = asset.gzip;
    coding = "gzip";
  }
  std::string etag(asset.etag);
  if (!coding.empty() && etag.size() > 1) etag.insert(etag.size() - 1, StrCat("-", coding));
  reply.headers.Add("etag", etag);
  reply.headers.Add("vary", "accept-encoding");
  reply.headers.Add("cache-control",
                    asset.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (asset.media_type.starts_with("text/html")) {
    reply.headers.Add("content-security-policy", kPagePolicy);
    reply.headers.Add("referrer-policy", "same-origin");
  }
  const std::string_view known = request.headers.Get("if-none-match");
  if (!known.empty() && MatchesEtag(known, etag)) {
    reply.status = 304;
    return reply;
  }
  reply.headers.Add("content-type", asset.media_type);
  if (!coding.empty()) reply.headers.Add("content-encoding", coding);
  reply.body = SharedBody{bytes, nullptr};
  return reply;
}

Task<Result<HttpReply>> ServeFile(HttpRequest request) {
  const WebAsset* asset = FindWebAsset(request.path);
  if (asset == nullptr) co_return absl::NotFoundError("the page has no such file");
  co_return AssetReply(*asset, request);
}

// The page's addresses have no file: they are for index.html to understand. What looks like a file
// is not found.
Task<Result<HttpReply>> ServePage(HttpRequest request) {
  const WebAsset* asset = FindWebAsset(request.path);
  if (asset != nullptr) co_return AssetReply(*asset, request);
  const std::string_view last = std::string_view(request.path).substr(request.path.rfind('/'));
  asset = FindWebAsset("/index.html");
  if (last.find('.') != std::string_view::npos || asset == nullptr) {
    co_return absl::NotFoundError(StrCat("there is nothing at ", request.path.substr(0, 200),
                                         "; /openapi.json lists what is there"));
  }
  co_return AssetReply(*asset, request);
}

}  // namespace

void AddPageRoutes(HttpRoutes& routes) {
  Route files;
  files.pattern = "/assets/{file*}";
  files.open = true;
  files.handler = [](Ctx, HttpRequest request) { return ServeFile(std::move(request)); };
  files.doc.summary = "files of the page";
  files.doc.tag = "page";
  files.doc.reply_media_type = "";
  routes.Add(std::move(files));
  Route page;
  page.pattern = "/";
  page.open = true;
  page.handler = [](Ctx, HttpRequest request) { return ServePage(std::move(request)); };
  page.doc.summary = "the page";
  page.doc.tag = "page";
  page.doc.reply_media_type = "";
  routes.SetFallback(page);
  routes.Add(std::move(page));
}

}  // namespace tessera
