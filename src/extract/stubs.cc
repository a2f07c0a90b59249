#include "extract/readers.h"
namespace tessera {
namespace {
ExtractFailure Later() { return ExtractError{ExtractCode::kUnsupported, "is not read yet"}; }
}  // namespace
ExtractFailure ReadXml(const InputFile& f, DocumentInfo& i, ReadJob& j) {
  return ReadPlainText(f, i, j);
}
ExtractFailure ReadDocx(const InputFile&, DocumentInfo&, ReadJob&) { return Later(); }
ExtractFailure ReadPptx(const InputFile&, DocumentInfo&, ReadJob&) { return Later(); }
ExtractFailure ReadXlsx(const InputFile&, DocumentInfo&, ReadJob&) { return Later(); }
ExtractFailure ReadPdf(const InputFile&, DocumentInfo&, ReadJob&) { return Later(); }
ExtractFailure ReadMail(const InputFile&, DocumentInfo&, ReadJob&) { return Later(); }
ExtractFailure ReadArchive(const InputFile&, DocumentInfo&, ReadJob&) { return Later(); }
}  // namespace tessera
