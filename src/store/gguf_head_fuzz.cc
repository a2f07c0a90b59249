// A model file from anywhere: what is accepted names its architecture and has tensors.
#include <cstdint>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "store/model_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = ::memfd_create("gguf", 0);
  CHECK(file >= 0 && ::ftruncate(file, 0) == 0);
  CHECK(::pwrite(file, data, size, 0) == static_cast<ssize_t>(size));
  const auto head = tessera::ReadGgufHead(tessera::StrCat("/proc/self/fd/", file));
  if (!head.ok()) {
    CHECK(absl::IsInvalidArgument(head.status()));
    return 0;
  }
  CHECK(!head->architecture.empty() && head->architecture.size() <= 64 << 10);
  CHECK(head->tensors > 0 && head->tensors * 16 <= size);
  return 0;
}
