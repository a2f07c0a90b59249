#pragma once
// One function a format: bytes in, blocks out. They run inside the sandboxed worker (and, on small
// inputs, inside tests and fuzzers).

#include <cstdint>
#include <string>

#include "extract/detect.h"
#include "extract/emitter.h"
#include "extract/input_file.h"

namespace tessera {

/// What the readers of one file share.
struct ReadJob {
  const ExtractConfig& limits;
  Emitter& out;
  std::string temp_dir;             ///< of this file alone; empty: nothing may be spooled
  std::uint64_t file_bytes = 0;     ///< of the file as given, for the ratio of archives
  std::uint64_t spooled_bytes = 0;  ///< unpacked so far
  std::uint32_t entries = 0;        ///< unpacked so far
  std::uint32_t depth = 0;          ///< of archives and mails around the current document
  bool bomb = false;                ///< a limit of archives was passed: everything stops
};

/// Detects the format, reads the document (or the archive's documents) and emits it from kStart to
/// kEnd. Whatever is wrong becomes the kEnd's error.
void ReadFile(const InputFile& file, ReadJob& job);

// The readers: `info` holds name and media type and gains what the document says of itself. Each
// calls `job.out.Start(info)` when it knows the title.
ExtractFailure ReadPlainText(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadMarkdown(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadCode(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadTable(const InputFile& file, char separator, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadJson(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadHtml(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadXml(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadDocx(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadPptx(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadXlsx(const InputFile& file, DocumentInfo& info, ReadJob& job);
ExtractFailure ReadPdf(const InputFile& file, DocumentInfo& info, ReadJob& job);
/// Emits the message as a document of its own, then its attachments as documents.
ExtractFailure ReadMail(const InputFile& file, DocumentInfo& info, ReadJob& job);
/// Emits only the members; the archive itself is a document only when it fails.
ExtractFailure ReadArchive(const InputFile& file, DocumentInfo& info, ReadJob& job);

/// HTML already at hand in UTF-8 (a mail's part).
ExtractFailure ReadHtmlText(const std::string& html, DocumentInfo& info, ReadJob& job);

}  // namespace tessera
