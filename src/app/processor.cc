// Ends the program with a reason, instead of SIGILL, on a processor that lacks what it was built
// for. Built for plain x86-64 (CMakeLists.txt) and run before all other start-up code, so it uses
// nothing but system calls.
#include <cstring>

#include <unistd.h>

namespace {

#ifdef TESSERA_NEEDS_AVX2
__attribute__((constructor(101))) void CheckProcessor() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    return;
  }
  static constexpr char kMessage[] =
      "tessera: this program was built for a processor with AVX2, FMA and BMI2, which this one "
      "lacks; build it on this machine with ./run, which makes a portable program\n";
  const ssize_t written = write(STDERR_FILENO, kMessage, std::strlen(kMessage));
  _exit(written > 0 ? 1 : 2);
}
#endif

}  // namespace
