#include <algorithm>

#include "extract/ascii.h"
#include "extract/readers.h"

namespace tessera {
namespace {

ExtractFailure ReadAs(FileFormat format, const InputFile& file, DocumentInfo& info, ReadJob& job) {
  switch (format) {
    case FileFormat::kText:
      return ReadPlainText(file, info, job);
    case FileFormat::kMarkdown:
      return ReadMarkdown(file, info, job);
    case FileFormat::kHtml:
      return ReadHtml(file, info, job);
    case FileFormat::kXml:
      return ReadXml(file, info, job);
    case FileFormat::kCsv:
      return ReadTable(file, ',', info, job);
    case FileFormat::kTsv:
      return ReadTable(file, '\t', info, job);
    case FileFormat::kJson:
      return ReadJson(file, info, job);
    case FileFormat::kCode:
      return ReadCode(file, info, job);
    case FileFormat::kMail:
      return ReadMail(file, info, job);
    case FileFormat::kPdf:
      return ReadPdf(file, info, job);
    case FileFormat::kDocx:
      return ReadDocx(file, info, job);
    case FileFormat::kPptx:
      return ReadPptx(file, info, job);
    case FileFormat::kXlsx:
      return ReadXlsx(file, info, job);
    case FileFormat::kArchive:
      return ReadArchive(file, info, job);
  }
  return std::nullopt;
}

}  // namespace

void ReadFile(const InputFile& file, ReadJob& job) {
  DocumentInfo info;
  info.name = file.name();
  Detection detection = DetectFormat(file);
  if (detection.failure) {
    job.out.End(info, detection.failure);
    return;
  }
  info.media_type = detection.media_type;
  if (!detection.note.empty()) info.notes.push_back(detection.note);
  const bool holds_documents =
      detection.format == FileFormat::kArchive || detection.format == FileFormat::kMail;
  ExtractFailure failure = ReadAs(detection.format, file, info, job);
  if (holds_documents) {  // has ended its own documents
    if (failure) job.out.End(info, failure);
    return;
  }
  if (!failure && !job.out.has_text()) {
    failure = ExtractError{ExtractCode::kNoText, "has no text: there is nothing to read"};
  }
  job.out.End(info, failure);
}

}  // namespace tessera
