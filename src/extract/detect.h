#pragma once
// What a file is: by its content first, by its name where content does not say.

#include <cstdint>
#include <string>
#include <string_view>

#include "extract/input_file.h"

namespace tessera {

enum class FileFormat : std::uint8_t {
  kText,
  kMarkdown,
  kHtml,
  kXml,
  kCsv,
  kTsv,
  kJson,  ///< one value, or many one after the other (JSON Lines)
  kCode,
  kMail,
  kPdf,
  kDocx,
  kPptx,
  kXlsx,
  kArchive,
};

/// What was found. With a `failure` nothing else counts.
struct Detection {
  FileFormat format = FileFormat::kText;
  std::string media_type;
  std::string note;  ///< "named .txt but is a PDF"; empty where name and content agree
  ExtractFailure failure;
};

Detection DetectFormat(const InputFile& file);

}  // namespace tessera
