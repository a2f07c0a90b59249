#include "net/compress.h"

#include <algorithm>
#include <limits>

#include <brotli/decode.h>
#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "base/str.h"
#include "net/header_values.h"
#include "net/http_error.h"

namespace tessera {
namespace {

constexpr int kGzipLevel = 5;
constexpr int kBrotliQuality = 4;
constexpr int kZstdLevel = 3;
constexpr int kGzipWindow = 15 + 16;  // zlib: +16 asks for gzip framing
constexpr std::size_t kBuffer = 32 << 10;

std::string Gzip(std::string_view bytes) {
  z_stream stream = {};
  CHECK(deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Brotli(std::string_view bytes) {
  std::size_t size = BrotliEncoderMaxCompressedSize(bytes.size());
  std::string out(size, '\0');
  CHECK(BrotliEncoderCompress(kBrotliQuality, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, bytes.size(),
                              reinterpret_cast<const std::uint8_t*>(bytes.data()), &size,
                              reinterpret_cast<std::uint8_t*>(out.data())) == BROTLI_TRUE);
  out.resize(size);
  return out;
}

std::string Zstd(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size =
      ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), kZstdLevel);
  CHECK(!ZSTD_isError(size));
  out.resize(size);
  return out;
}

Status TooLarge(std::uint64_t bytes_max) {
  return WithHttpStatus(
      absl::ResourceExhaustedError(StrCat("the content is larger than ", bytes_max, " bytes")),
      413);
}
Status Broken(Coding coding) {
  return absl::InvalidArgumentError(StrCat("the content is not valid ", Name(coding), " data"));
}
Status CutShort(Coding coding) {
  return absl::InvalidArgumentError(StrCat("the ", Name(coding), " data is cut short"));
}

}  // namespace

std::string_view Name(Coding coding) {
  switch (coding) {
    case Coding::kIdentity:
      return "identity";
    case Coding::kGzip:
      return "gzip";
    case Coding::kBrotli:
      return "br";
    case Coding::kZstd:
      return "zstd";
  }
  return "";
}

std::optional<Coding> ParseCoding(std::string_view token) {
  for (const Coding coding : {Coding::kIdentity, Coding::kGzip, Coding::kBrotli, Coding::kZstd}) {
    if (EqualsIgnoreCase(token, Name(coding))) return coding;
  }
  if (EqualsIgnoreCase(token, "x-gzip")) return Coding::kGzip;
  return std::nullopt;
}

std::optional<Coding> NegotiateCoding(std::string_view accept_encoding) {
  if (Trim(accept_encoding).empty()) return Coding::kIdentity;
  const auto weights = ParseWeightedList(accept_encoding);
  int star = -1;
  for (const Weighted& item : weights) {
    if (item.value == "*") star = item.weight;
  }
  const auto weight_of = [&](Coding coding) {
    for (const Weighted& item : weights) {
      if (ParseCoding(item.value) == coding) return item.weight;
    }
    if (star >= 0) return star;
    return coding == Coding::kIdentity ? 1 : 0;
  };
  // The order is the preference at equal weight; identity is taken only when nothing else may be.
  std::optional<Coding> best;
  int best_weight = 0;
  for (const Coding coding : {Coding::kZstd, Coding::kBrotli, Coding::kGzip, Coding::kIdentity}) {
    const int weight = weight_of(coding);
    if (weight > best_weight) {
      best = coding;
      best_weight = weight;
    }
  }
  return best;
}

std::string Compress(Coding coding, std::string_view bytes) {
  CHECK(bytes.size() <= std::numeric_limits<uInt>::max());
  switch (coding) {
    case Coding::kGzip:
      return Gzip(bytes);
    case Coding::kBrotli:
      return Brotli(bytes);
    case Coding::kZstd:
      return Zstd(bytes);
    case Coding::kIdentity:
      break;
  }
  return std::string(bytes);
}

struct Decompressor::State {
  State(Coding which, Room& counted) : coding(which), total(counted), buffer(kBuffer, '\0') {
    if (coding == Coding::kGzip) CHECK(inflateInit2(&zlib, kGzipWindow) == Z_OK);
    if (coding == Coding::kBrotli) {
      brotli = BrotliDecoderCreateInstance(nullptr, nullptr, nullptr);
    }
    if (coding == Coding::kZstd) {
      zstd = ZSTD_createDStream();
      // A frame may ask for a window of gigabytes; 8 MiB is what RFC 8878 wants supported.
      ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, 23);
    }
  }
  ~State() {
    if (coding == Coding::kGzip) inflateEnd(&zlib);
    if (brotli != nullptr) BrotliDecoderDestroyInstance(brotli);
    if (zstd != nullptr) ZSTD_freeDStream(zstd);
  }
  State(const State&) = delete;

  Status Append(std::string_view piece, std::string* out) {
    TRY(total.Take(piece.size()));
    out->append(piece);
    return absl::OkStatus();
  }

  Status FeedGzip(std::string_view piece, std::string* out) {
    zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    zlib.avail_in = static_cast<uInt>(piece.size());
    do {
      if (ended) {
        if (zlib.avail_in == 0) break;
        inflateReset(&zlib);  // another member follows
        ended = false;
      }
      zlib.next_out = reinterpret_cast<Bytef*>(buffer.data());
      zlib.avail_out = kBuffer;
      const int result = inflate(&zlib, Z_NO_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return Broken(coding);
      TRY(Append(std::string_view(buffer).substr(0, kBuffer - zlib.avail_out), out));
      ended = result == Z_STREAM_END;
      if (result == Z_BUF_ERROR) break;
    } while (zlib.avail_in > 0 || zlib.avail_out == 0);
    return absl::OkStatus();
  }

  Status FeedBrotli(std::string_view piece, std::string* out) {
    const auto* in = reinterpret_cast<const std::uint8_t*>(piece.data());
    std::size_t left = piece.size();
    if (ended && left > 0) return Broken(coding);
    while (!ended) {
      auto* next = reinterpret_cast<std::uint8_t*>(buffer.data());
      std::size_t room = kBuffer;
      const auto result = BrotliDecoderDecompressStream(brotli, &left, &in, &room, &next, nullptr);
      if (result == BROTLI_DECODER_RESULT_ERROR) return Broken(coding);
      TRY(Append(std::string_view(buffer).substr(0, kBuffer - room), out));
      ended = result == BROTLI_DECODER_RESULT_SUCCESS;
      if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT) break;
    }
    return left > 0 && ended ? Broken(coding) : absl::OkStatus();
  }

  Status FeedZstd(std::string_view piece, std::string* out) {
    ZSTD_inBuffer in = {piece.data(), piece.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
      ZSTD_outBuffer room = {buffer.data(), kBuffer, 0};
      const std::size_t result = ZSTD_decompressStream(zstd, &room, &in);
      if (ZSTD_isError(result)) return Broken(coding);
      TRY(Append(std::string_view(buffer).substr(0, room.pos), out));
      ended = result == 0;
      full = room.pos == room.size;
    }
    return absl::OkStatus();
  }

  Status Feed(std::string_view piece, std::string* out) {
    any = true;
    if (coding == Coding::kGzip) return FeedGzip(piece, out);
    if (coding == Coding::kBrotli) return FeedBrotli(piece, out);
    return FeedZstd(piece, out);
  }

  const Coding coding;
  Room& total;
  std::string buffer;
  bool ended = false;
  bool any = false;
  z_stream zlib = {};
  BrotliDecoderState* brotli = nullptr;
  ZSTD_DStream* zstd = nullptr;
};

Status Decompressor::Room::Take(std::size_t size) {
  if (size > bytes_max - bytes) return TooLarge(bytes_max);
  bytes += size;
  return absl::OkStatus();
}

Decompressor::Decompressor(Coding coding, std::uint64_t bytes_max) : room_{bytes_max} {
  if (coding != Coding::kIdentity) state_ = std::make_unique<State>(coding, room_);
}
Decompressor::~Decompressor() = default;

Status Decompressor::Feed(std::string_view piece, std::string* out) {
  if (piece.empty()) return absl::OkStatus();
  if (!state_) {
    TRY(room_.Take(piece.size()));
    out->append(piece);
    return absl::OkStatus();
  }
  if (piece.size() > std::numeric_limits<uInt>::max()) return TooLarge(room_.bytes_max);
  return state_->Feed(piece, out);
}

Status Decompressor::Take(std::string piece, std::string* out) {
  if (state_ || !out->empty()) return Feed(piece, out);
  TRY(room_.Take(piece.size()));
  *out = std::move(piece);
  return absl::OkStatus();
}

Status Decompressor::Finish() {
  if (!state_ || !state_->any || state_->ended) return absl::OkStatus();
  return CutShort(state_->coding);
}

Result<std::string> Decompress(Coding coding, std::string_view bytes, std::uint64_t bytes_max) {
  Decompressor decompressor(coding, bytes_max);
  std::string out;
  TRY(decompressor.Feed(bytes, &out));
  TRY(decompressor.Finish());
  return out;
}

}  // namespace tessera
