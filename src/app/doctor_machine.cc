// The machine: memory, open files, clock, programs.
#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <optional>

#include <sys/resource.h>
#include <sys/timex.h>

#include "app/doctor.h"
#include "base/clock.h"
#include "base/str.h"
#include "extract/tool_run.h"

namespace tessera {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
// Both built-in models, an extraction's worker and some room (README: idle below 450 MB).
constexpr std::uint64_t kMemoryMin = 512 * kMiB;
constexpr std::uint64_t kMemoryComfortable = 1024 * kMiB;
// Connections (10,000 at most by default), stores, children.
constexpr rlim_t kFilesMin = 1024;
constexpr rlim_t kFilesComfortable = 16 * 1024;
// 2025-01-01: no clock that is right shows less.
constexpr std::int64_t kClockMinMs = 1'735'689'600'000;

std::optional<std::uint64_t> MemInfo(std::string_view wanted) {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kilobytes = 0;
  std::string unit;
  while (file >> name >> kilobytes) {
    std::getline(file, unit);
    if (name == wanted) return kilobytes * 1024;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> NumberIn(const char* path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;  // "max" is no limit
}

void CheckMemory(Report& report) {
  std::uint64_t free = MemInfo("MemAvailable:").value_or(kMemoryComfortable);
  const auto limit = NumberIn("/sys/fs/cgroup/memory.max");
  const auto used = NumberIn("/sys/fs/cgroup/memory.current");
  if (limit && used) free = std::min(free, *limit - std::min(*limit, *used));
  const std::string seen = StrCat(free / kMiB, " MiB available");
  if (free < kMemoryMin) {
    report.Bad("memory", seen,
               StrCat("the built-in models need about ", kMemoryMin / kMiB,
                      " MiB: give the machine or the container more, or end other programs"));
  } else if (free < kMemoryComfortable) {
    report.Warning("memory", seen, "large documents and models of your own will need more");
  } else {
    report.Good("memory", seen);
  }
}

void CheckOpenFiles(Report& report) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const std::string seen = StrCat(limit.rlim_cur, " open files allowed");
  if (limit.rlim_cur < kFilesMin) {
    report.Bad("open files", seen, "raise the limit: ulimit -n 16384, or LimitNOFILE= of the unit");
  } else if (limit.rlim_cur < kFilesComfortable && limit.rlim_max < kFilesComfortable) {
    report.Warning("open files", seen,
                   "many clients at once need more: ulimit -n 16384, or LimitNOFILE= of the unit");
  } else {
    report.Good("open files", seen);
  }
}

void CheckClock(Report& report) {
  if (WallMillis() < kClockMinMs) {
    report.Bad("clock", "the clock shows a time before 2025",
               "set it: certificates, sign-ins and jobs depend on it");
    return;
  }
  timex state = {};
  if (adjtimex(&state) == TIME_ERROR || (state.status & STA_UNSYNC) != 0) {
    report.Warning("clock", "no time service keeps the clock right",
                   "run chrony or systemd-timesyncd: certificates of other machines depend on it");
  } else {
    report.Good("clock", "kept right by a time service");
  }
}

struct Program {
  std::string_view name;
  std::string_view reads;
  std::string_view package;
};

void CheckPrograms(Report& report) {
  static constexpr std::array<Program, 3> kPrograms = {
      Program{"pdftotext", "PDF", "poppler-utils"},
      Program{"pdftoppm", "scanned PDF", "poppler-utils"},
      Program{"tesseract", "scanned PDF and images", "tesseract-ocr"}};
  for (const Program& program : kPrograms) {
    const std::string path = FindProgram(program.name);
    if (path.empty()) {
      report.Warning(
          program.name, "not installed",
          StrCat(program.reads, " cannot be read without it: install ", program.package));
    } else {
      report.Good(program.name, path);
    }
  }
}

}  // namespace

void CheckMachine(Report& report) {
  CheckMemory(report);
  CheckOpenFiles(report);
  CheckClock(report);
  CheckPrograms(report);
}

}  // namespace tessera
