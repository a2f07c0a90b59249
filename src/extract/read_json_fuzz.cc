// JSON, whole and by lines.
#include "extract/testing/fuzz_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tessera::FuzzRead(data, size, "a.json", tessera::ReadJson);
  const auto lines = [](const tessera::InputFile& file, tessera::DocumentInfo& info,
                        tessera::ReadJob& job) {
    info.media_type = "application/x-ndjson";
    return tessera::ReadJson(file, info, job);
  };
  tessera::FuzzRead(data, size, "a.jsonl", lines);
  return 0;
}
