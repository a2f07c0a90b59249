#include "store/model_store.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/str.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Writes GGUF heads by hand.
class Gguf {
 public:
  Gguf(std::uint32_t version, std::uint64_t tensors, std::uint64_t keys) {
    text_ = "GGUF";
    Put(version).Put(tensors).Put(keys);
  }
  template <class T>
  Gguf& Put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Gguf& Text(const std::string& text) {
    Put<std::uint64_t>(text.size());
    text_ += text;
    return *this;
  }
  Gguf& Key(const std::string& key, const std::string& value) {
    return Text(key).Put<std::uint32_t>(8).Text(value);
  }
  Gguf& Tensor(const std::string& name, std::uint64_t offset) {
    return Text(name).Put<std::uint32_t>(1).Put<std::uint64_t>(4).Put<std::uint32_t>(0).Put(offset);
  }
  Gguf& Bytes(std::size_t count) {
    text_.append(count, 'x');
    return *this;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string Small() {
  return Gguf(3, 2, 4)
      .Key("general.architecture", "llama")
      .Key("general.name", "Tiny")
      .Text("tokenizer.ggml.tokens")
      .Put<std::uint32_t>(9)
      .Put<std::uint32_t>(8)
      .Put<std::uint64_t>(2)
      .Text("a")
      .Text("b")
      .Text("llama.context_length")
      .Put<std::uint32_t>(4)
      .Put<std::uint32_t>(2048)
      .Tensor("w1", 0)
      .Tensor("w2", 32)
      .Bytes(64)
      .text();
}

// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor): googletest derives from it
class ModelStoreTest : public ::testing::Test {
 protected:
  ModelStoreTest() {
    std::string path = (fs::temp_directory_path() / "tessera-models-XXXXXX").string();
    CHECK(::mkdtemp(path.data()) != nullptr);
    root_ = path;
  }
  ~ModelStoreTest() override { fs::remove_all(root_); }
  std::string Write(const std::string& name, const std::string& bytes) {
    std::ofstream(root_ / name, std::ios::binary) << bytes;
    return (root_ / name).string();
  }
  fs::path root_;
};

TEST_F(ModelStoreTest, ReadsTheHead) {
  const auto head = ReadGgufHead(Write("m.gguf", Small()));
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->architecture, "llama");
  EXPECT_EQ(head->name, "Tiny");
  EXPECT_EQ(head->context_tokens, 2048u);
  EXPECT_EQ(head->tensors, 2u);
}

TEST_F(ModelStoreTest, RefusesWhatIsNoWholeModel) {
  const auto error = [&](const std::string& bytes) {
    return ReadGgufHead(Write("bad.gguf", bytes)).status().ToString();
  };
  EXPECT_THAT(error("PK\x03\x04zip"), HasSubstr("is no GGUF file"));
  EXPECT_THAT(error(""), HasSubstr("is no GGUF file"));
  EXPECT_THAT(error(Gguf(9, 0, 0).text()), HasSubstr("GGUF version 9"));
  EXPECT_THAT(error(Gguf(3, 0, 1).Key("general.architecture", "llama").text()),
              HasSubstr("no tensors"));
  EXPECT_THAT(error(Gguf(3, 1ull << 60, 1ull << 60).text()), HasSubstr("damaged or cut off"));
  // Cut anywhere but inside the last tensor's bytes, it is refused.
  const std::string whole = Small();
  for (std::size_t size = 8; size + 32 <= whole.size(); ++size)
    EXPECT_NE(error(whole.substr(0, size)), "OK") << size;
  // A length of nearly 2^64 does not wrap round.
  std::string huge = Small();
  const std::uint64_t length = ~std::uint64_t{0} - 3;
  std::memcpy(huge.data() + 24, &length, sizeof length);
  EXPECT_THAT(error(huge), HasSubstr("damaged or cut off"));
}

TEST_F(ModelStoreTest, AddsListsAndRemoves) {
  const std::string file = Write("My Model-Q4.GGUF", Small());
  const ModelStore store(root_.string());
  EXPECT_TRUE(store.List()->empty());
  const auto added = store.Add(file, {});
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->name, "my-model-q4");
  EXPECT_EQ(added->kind, "language");
  EXPECT_EQ(added->sha256.size(), 64u);
  ASSERT_TRUE(store.Add(file, {.name = "other", .make_default = false}).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store.Add(file, {.name = "other"}).status()));
  const auto models = store.List();
  ASSERT_TRUE(models.ok());
  ASSERT_EQ(models->size(), 2u);
  EXPECT_TRUE((*models)[0].is_default);
  EXPECT_FALSE((*models)[1].is_default);
  EXPECT_EQ((*models)[0].context_tokens, 2048u);
  EXPECT_TRUE(fs::exists((*models)[1].path));
  ASSERT_TRUE(store.Remove("my-model-q4").ok());
  EXPECT_EQ(store.List()->size(), 1u);
  EXPECT_FALSE(store.List()->front().is_default);
  EXPECT_TRUE(absl::IsNotFound(store.Remove("my-model-q4")));
  EXPECT_TRUE(absl::IsNotFound(store.Remove("../models")));
}

TEST_F(ModelStoreTest, AWrongSumOrNameLeavesNothing) {
  const std::string file = Write("m.gguf", Small());
  const ModelStore store(root_.string());
  EXPECT_THAT(store.Add(file, {.sha256 = std::string(64, '0')}).status().ToString(),
              HasSubstr("not the one asked for"));
  EXPECT_FALSE(store.Add(file, {.name = "../x"}).ok());
  EXPECT_FALSE(store.Add(file, {.name = "UPPER"}).ok());
  EXPECT_TRUE(store.List()->empty());
  EXPECT_TRUE(fs::is_empty(root_ / "models"));
}

}  // namespace
}  // namespace tessera
