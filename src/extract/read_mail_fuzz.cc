// Mail with its parts; attachments are read as the files they are.
#include "extract/testing/fuzz_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tessera::FuzzRead(data, size, "a.eml", tessera::ReadMail);
  return 0;
}
