// Plain text in any encoding, code, XML.
#include "extract/testing/fuzz_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tessera::FuzzRead(data, size, "a.txt", tessera::ReadPlainText);
  tessera::FuzzRead(data, size, "a.c", tessera::ReadCode);
  tessera::FuzzRead(data, size, "a.xml", tessera::ReadXml);
  return 0;
}
