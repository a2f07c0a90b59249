#pragma once
// What is needed of a thread to find its calls later: some registers, and a copy of its stack.

#include <cstddef>
#include <cstdint>

#include <signal.h>

namespace tessera {

/// Aggregate without constructors: it lives in memory that nobody has written yet.
struct CapturedStack {
  static constexpr std::size_t kBytes = 32 << 10;

  std::uint64_t pc;
  std::uint64_t sp;
  std::uint64_t fp;
  std::uint64_t rbx;
  std::uint64_t r12_to_r15[4];
  std::size_t size;  ///< of `bytes`: from `sp` up
  std::uint8_t bytes[kBytes];

  /// All of these are safe in a signal handler, and never read what may not be read.
  /// What a signal has interrupted.
  void CaptureInterrupted(const ucontext_t& context);
  /// The caller of the function that calls this.
  void CaptureCaller(void* frame_address);
  /// False outside the copy.
  bool Read(std::uint64_t address, std::uint64_t* value) const;

 private:
  void Copy();
};

/// False on processors other than x86-64, where stacks cannot be captured.
bool CanCaptureStacks();

}  // namespace tessera
