#include "edge/web_assets.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(WebAssetsTest, HoldsThePage) {
  const WebAsset* page = FindWebAsset("/index.html");
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(page->media_type, "text/html; charset=utf-8");
  EXPECT_THAT(std::string(page->identity), HasSubstr("<title>Tessera</title>"));
  EXPECT_FALSE(page->immutable);
  EXPECT_EQ(page->etag.front(), '"');
  EXPECT_EQ(page->etag.back(), '"');
}

TEST(WebAssetsTest, FindsExactPathsOnly) {
  EXPECT_EQ(FindWebAsset(""), nullptr);
  EXPECT_EQ(FindWebAsset("/"), nullptr);
  EXPECT_EQ(FindWebAsset("index.html"), nullptr);
  EXPECT_EQ(FindWebAsset("/index.html.gz"), nullptr);
  EXPECT_EQ(FindWebAsset("/assets/"), nullptr);
  EXPECT_TRUE(std::ranges::is_sorted(WebAssets(), {}, &WebAsset::path));
  for (const WebAsset& asset : WebAssets()) {
    EXPECT_EQ(FindWebAsset(asset.path), &asset);
  }
}

TEST(WebAssetsTest, HoldsEverythingThatThePageNames) {
  const std::string_view page = FindWebAsset("/index.html")->identity;
  for (std::size_t at = page.find("\"/assets/"); at != std::string_view::npos;
       at = page.find("\"/assets/", at + 1)) {
    const std::string_view path = page.substr(at + 1, page.find('"', at + 1) - at - 1);
    const WebAsset* asset = FindWebAsset(path);
    ASSERT_NE(asset, nullptr) << path;
    EXPECT_TRUE(asset->immutable) << path;
    EXPECT_FALSE(asset->identity.empty()) << path;
  }
}

TEST(WebAssetsTest, NeedsNothingInlineNorFromElsewhere) {
  const std::string page(FindWebAsset("/index.html")->identity);
  EXPECT_THAT(page, Not(HasSubstr("<style")));
  EXPECT_THAT(page, Not(HasSubstr(" style=")));
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, Not(HasSubstr("//")));
}

TEST(WebAssetsTest, CompressedFormsAreSmallerAndOfTheirKind) {
  for (const WebAsset& asset : WebAssets()) {
    if (!asset.gzip.empty()) {
      EXPECT_LT(asset.gzip.size(), asset.identity.size()) << asset.path;
      EXPECT_EQ(asset.gzip.substr(0, 2), "\x1f\x8b") << asset.path;
    }
    if (!asset.brotli.empty()) {
      EXPECT_LT(asset.brotli.size(), asset.identity.size()) << asset.path;
    }
  }
}

}  // namespace
}  // namespace tessera
