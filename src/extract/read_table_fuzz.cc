// CSV.
#include "extract/testing/fuzz_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto read = [](const tessera::InputFile& file, tessera::DocumentInfo& info,
                       tessera::ReadJob& job) { return tessera::ReadTable(file, ',', info, job); };
  tessera::FuzzRead(data, size, "a.csv", read);
  return 0;
}
