// Whole files by their content, as they come from a stranger: detection, ZIP, Office. PDFs are left
// to their own target: here they would start programs.
#include "extract/testing/fuzz_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.find("%PDF-") != std::string_view::npos) return 0;
  const auto read = [](const tessera::InputFile& file, tessera::DocumentInfo&,
                       tessera::ReadJob& job) -> tessera::ExtractFailure {
    tessera::ReadFile(file, job);
    return {};
  };
  tessera::FuzzRead(data, size, "a", read);
  return 0;
}
