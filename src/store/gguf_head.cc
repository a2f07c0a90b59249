// The head of a GGUF file, read with every length checked: the file comes from anywhere.
#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include "base/str.h"
#include "store/model_store.h"

namespace tessera {
namespace {

constexpr std::uint64_t kKeysMax = 100'000;
constexpr std::uint64_t kTensorsMax = 1'000'000;
constexpr std::uint64_t kTextMax = 64 << 10;  // of what is kept
constexpr std::uint32_t kDimensionsMax = 8;

enum GgufType : std::uint32_t { kUint32 = 4, kInt32 = 5, kString = 8, kArray = 9, kUint64 = 10 };

// Bytes of a fixed-size value of that type; 0 for string, array and unknown ones.
std::uint64_t SizeOf(std::uint32_t type) {
  constexpr std::array<std::uint64_t, 13> kSizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < kSizes.size() ? kSizes[type] : 0;
}

// Reads forward through the file; after the first failure everything fails.
class Reader {
 public:
  Reader(std::ifstream& file, std::uint64_t size) : file_(file), left_(size) {}

  bool ok() const { return ok_; }
  std::uint64_t left() const { return left_; }

  template <class T>
  T Number() {
    T value{};
    Bytes(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }
  // A string; only its first kTextMax bytes are kept.
  std::string Text() {
    const auto size = Number<std::uint64_t>();
    std::string text(static_cast<std::size_t>(std::min(size, std::min(kTextMax, left_))), '\0');
    Bytes(text.data(), text.size());
    Skip(size - std::min<std::uint64_t>(size, text.size()));
    return text;
  }
  void Skip(std::uint64_t bytes) {
    if (!ok_ || bytes > left_) {
      ok_ = false;
      return;
    }
    left_ -= bytes;
    file_.seekg(static_cast<std::streamoff>(bytes), std::ios::cur);
    ok_ = file_.good();
  }
  void SkipValue(std::uint32_t type) {
    if (type == kString) {
      Skip(Number<std::uint64_t>());
    } else if (type == kArray) {
      SkipArray();
    } else {
      ok_ = ok_ && SizeOf(type) > 0;
      Skip(SizeOf(type));
    }
  }

 private:
  void Bytes(char* to, std::uint64_t size) {
    if (!ok_ || size > left_) {
      ok_ = false;
      return;
    }
    left_ -= size;
    ok_ = static_cast<bool>(file_.read(to, static_cast<std::streamsize>(size)));
  }
  void SkipArray() {
    const auto type = Number<std::uint32_t>();
    const auto count = Number<std::uint64_t>();
    if (type == kString) {
      // Each one takes eight bytes at least, so the file's size bounds the loop.
      for (std::uint64_t i = 0; i < count && ok_; ++i) Skip(Number<std::uint64_t>());
    } else {
      ok_ = ok_ && SizeOf(type) > 0 && count <= left_ / SizeOf(type);
      Skip(ok_ ? count * SizeOf(type) : 0);
    }
  }

  std::ifstream& file_;
  std::uint64_t left_;
  bool ok_ = true;
};

void TakeKey(Reader& reader, GgufHead& head) {
  const std::string key = reader.Text();
  const auto type = reader.Number<std::uint32_t>();
  if (type == kString && key == "general.architecture") {
    head.architecture = reader.Text();
  } else if (type == kString && key == "general.name") {
    head.name = reader.Text();
  } else if (key == head.architecture + ".context_length" && (type == kUint32 || type == kInt32)) {
    head.context_tokens = reader.Number<std::uint32_t>();
  } else if (key == head.architecture + ".context_length" && type == kUint64) {
    head.context_tokens = reader.Number<std::uint64_t>();
  } else {
    reader.SkipValue(type);
  }
}

}  // namespace

Result<GgufHead> ReadGgufHead(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return absl::NotFoundError(StrCat(path, ": cannot be read"));
  const auto size = static_cast<std::uint64_t>(file.tellg());
  file.seekg(0);
  Reader reader(file, size);
  const auto magic = reader.Number<std::array<char, 4>>();
  if (!reader.ok() || std::memcmp(magic.data(), "GGUF", 4) != 0)
    return absl::InvalidArgumentError(StrCat(
        path, ": is no GGUF file; convert the model with llama.cpp's convert_hf_to_gguf.py"));
  const auto version = reader.Number<std::uint32_t>();
  if (version != 2 && version != 3)
    return absl::InvalidArgumentError(
        StrCat(path, ": has GGUF version ", version, "; versions 2 and 3 are read"));
  GgufHead head;
  head.tensors = reader.Number<std::uint64_t>();
  const auto keys = reader.Number<std::uint64_t>();
  Status damaged =
      absl::InvalidArgumentError(StrCat(path, ": is damaged or cut off; fetch it again"));
  if (!reader.ok() || keys > kKeysMax || head.tensors > kTensorsMax) return damaged;
  for (std::uint64_t i = 0; i < keys && reader.ok(); ++i) TakeKey(reader, head);
  std::uint64_t last_offset = 0;
  for (std::uint64_t i = 0; i < head.tensors && reader.ok(); ++i) {
    reader.Text();
    const auto dimensions = reader.Number<std::uint32_t>();
    if (dimensions > kDimensionsMax) return damaged;
    reader.Skip(8 * std::uint64_t{dimensions} + 4);
    last_offset = std::max(last_offset, reader.Number<std::uint64_t>());
  }
  if (!reader.ok() || (head.tensors > 0 && last_offset >= reader.left())) return damaged;
  if (head.tensors == 0 || head.architecture.empty())
    return absl::InvalidArgumentError(
        StrCat(path, ": holds no model: no ", head.tensors == 0 ? "tensors" : "architecture"));
  return head;
}

}  // namespace tessera
