#include "extract/block.h"

namespace tessera {

std::string_view ToString(ExtractCode code) {
  switch (code) {
    case ExtractCode::kEncrypted:
      return "encrypted";
    case ExtractCode::kTruncated:
      return "truncated";
    case ExtractCode::kUnsupported:
      return "unsupported";
    case ExtractCode::kTooLarge:
      return "too_large";
    case ExtractCode::kZipBomb:
      return "zip_bomb";
    case ExtractCode::kNoText:
      return "no_text";
    case ExtractCode::kWrongType:
      return "wrong_type";
    case ExtractCode::kCorrupt:
      return "corrupt";
    case ExtractCode::kTimeout:
      return "timeout";
    case ExtractCode::kUnreadable:
      return "unreadable";
    case ExtractCode::kInternal:
      return "internal";
  }
  return "internal";
}

}  // namespace tessera
