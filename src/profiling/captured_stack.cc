#include "profiling/captured_stack.h"

#include <algorithm>
#include <cstring>

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace tessera {
namespace {
constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kPieces = CapturedStack::kBytes / kPage + 1;
}  // namespace

// A system call copies, because it stops at what is not mapped where a plain read would end the
// process. It gives whole pieces, so there is one for each page.
void CapturedStack::Copy() {
  iovec here = {.iov_base = bytes, .iov_len = kBytes};
  iovec there[kPieces];
  std::size_t pieces = 0;
  std::uint64_t at = sp;
  const std::uint64_t end = sp + kBytes;
  while (at < end) {
    const std::uint64_t next = std::min((at / kPage + 1) * kPage, end);
    there[pieces++] = {.iov_base = reinterpret_cast<void*>(at), .iov_len = next - at};
    at = next;
  }
  const long copied = ::syscall(SYS_process_vm_readv, ::getpid(), &here, 1L, there, pieces, 0L);
  size = copied > 0 ? static_cast<std::size_t>(copied) : 0;
}

void CapturedStack::CaptureInterrupted(const ucontext_t& context) {
#if defined(__x86_64__)
  const auto& registers = context.uc_mcontext.gregs;
  const auto of = [&registers](int name) { return static_cast<std::uint64_t>(registers[name]); };
  pc = of(REG_RIP);
  sp = of(REG_RSP);
  fp = of(REG_RBP);
  rbx = of(REG_RBX);
  r12_to_r15[0] = of(REG_R12);
  r12_to_r15[1] = of(REG_R13);
  r12_to_r15[2] = of(REG_R14);
  r12_to_r15[3] = of(REG_R15);
  Copy();
#endif
}

void CapturedStack::CaptureCaller(void* frame_address) {
  const auto frame = reinterpret_cast<std::uint64_t>(frame_address);
  std::memcpy(&fp, frame_address, sizeof(fp));
  std::memcpy(&pc, static_cast<const char*>(frame_address) + 8, sizeof(pc));
  pc -= 1;  // it returns there: the call is before it
  sp = frame + 16;
  Copy();
}

bool CapturedStack::Read(std::uint64_t address, std::uint64_t* value) const {
  if (address < sp || size < sizeof(*value) || address - sp > size - sizeof(*value)) return false;
  std::memcpy(value, bytes + (address - sp), sizeof(*value));
  return true;
}

bool CanCaptureStacks() {
#if defined(__x86_64__)
  return true;
#else
  return false;
#endif
}

}  // namespace tessera
