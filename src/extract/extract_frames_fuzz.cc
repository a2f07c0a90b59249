// Frames and jobs as a worker that was taken over might send them; what is accepted must survive
// the way back.
#include "extract/frames.h"
#include "extract/testing/fuzz_reader.h"
#include "extract/worker_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  tessera::FrameReader reader;
  reader.Feed(bytes.substr(0, size / 2));
  bool second = false;
  while (true) {
    tessera::ExtractEvent event;
    const auto found = reader.Next(event);
    if (!found.ok()) break;
    if (*found == tessera::FrameReader::Found::kMore) {
      if (second) break;
      second = true;
      reader.Feed(bytes.substr(size / 2));
      continue;
    }
    if (*found != tessera::FrameReader::Found::kEvent) continue;
    CHECK(tessera::IsUtf8(event.block.text) && tessera::IsUtf8(event.info.name));
    std::string again;
    tessera::AppendFrame(event, again);
    tessera::FrameReader other;
    other.Feed(again);
    tessera::ExtractEvent copy;
    const auto read = other.Next(copy);
    CHECK(read.ok() && *read == tessera::FrameReader::Found::kEvent);
    CHECK(copy.block.text == event.block.text && copy.info.name == event.info.name);
  }
  tessera::WorkerJob job;
  if (tessera::DecodeWorkerJob(bytes, job).ok()) {
    tessera::WorkerJob copy;
    CHECK(tessera::DecodeWorkerJob(tessera::EncodeWorkerJob(job), copy).ok() &&
          copy.name == job.name);
  }
  return 0;
}
