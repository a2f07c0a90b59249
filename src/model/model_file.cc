#include "model/model_file.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>

#include <openssl/evp.h>
#include <simdjson.h>

#include "absl/strings/escaping.h"
#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kMaxVocabularyBytes = 64 << 20;
constexpr std::size_t kMaxPieces = 4 << 20;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void Add(std::string_view bytes) {
    CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  std::string Finish() {
    std::string digest(EVP_MAX_MD_SIZE, '\0');
    unsigned int length = 0;
    CHECK(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()),
                             &length) == 1);
    digest.resize(length);
    return StrCat("sha256:", absl::BytesToHexString(digest));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t start = 0; start < text.size();) {
    std::size_t end = text.find('\n', start);
    if (end == std::string::npos) end = text.size();
    std::size_t trimmed = end;
    if (trimmed > start && text[trimmed - 1] == '\r') --trimmed;
    lines.emplace_back(text, start, trimmed - start);
    start = end + 1;
  }
  return lines;
}

Result<std::vector<std::string>> PiecesOfTokenizerJson(const std::string& path,
                                                       const std::string& text) {
  const auto wrong = [&path](std::string_view what) {
    return absl::InvalidArgumentError(StrCat(path, ": ", what));
  };
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  if (parser.parse(text).get(document) != simdjson::SUCCESS) return wrong("not JSON");
  std::string_view type;
  simdjson::dom::object vocabulary;
  if (document["model"]["type"].get(type) != simdjson::SUCCESS || type != "WordPiece")
    return wrong("model.type is not \"WordPiece\", the only tokenizer read from this file");
  if (document["model"]["vocab"].get(vocabulary) != simdjson::SUCCESS)
    return wrong("model.vocab is not an object");
  std::vector<std::string> pieces;
  for (const auto field : vocabulary) {
    std::uint64_t id = 0;
    if (field.value.get(id) != simdjson::SUCCESS || id >= kMaxPieces)
      return wrong("an id in model.vocab is not a small number");
    if (pieces.size() <= id) pieces.resize(id + 1);
    pieces[id] = std::string(field.key);
  }
  return pieces;
}

}  // namespace

Result<std::string> ReadWholeFile(const std::string& path, std::size_t limit) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return absl::NotFoundError(StrCat("cannot read ", path, ": ", error.message()));
  if (size > limit) {
    return absl::ResourceExhaustedError(
        StrCat(path, " has ", size, " bytes; at most ", limit, " are read"));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  if (!file.read(text.data(), static_cast<std::streamsize>(size)))
    return absl::DataLossError(StrCat("cannot read all of ", path));
  return text;
}

Result<std::vector<std::string>> ReadVocabulary(const std::string& path) {
  TRY(const std::string text, ReadWholeFile(path, kMaxVocabularyBytes));
  if (path.ends_with(".json")) return PiecesOfTokenizerJson(path, text);
  return SplitLines(text);
}

Result<std::string> Sha256OfFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(StrCat("cannot read ", path));
  Sha256 hash;
  std::array<char, 1 << 16> buffer;
  while (file) {
    file.read(buffer.data(), buffer.size());
    hash.Add({buffer.data(), static_cast<std::size_t>(file.gcount())});
  }
  if (file.bad()) return absl::DataLossError(StrCat("cannot read all of ", path));
  return hash.Finish();
}

std::string Sha256Of(std::string_view bytes) {
  Sha256 hash;
  hash.Add(bytes);
  return hash.Finish();
}

}  // namespace tessera
