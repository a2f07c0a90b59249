// Archives of every kind, and how their names are cleaned.
#include "extract/testing/fuzz_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tessera::FuzzRead(data, size, "a.zip", tessera::ReadArchive);
  return 0;
}
