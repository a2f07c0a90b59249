#include "telemetry/process_figures.h"

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/resource_use.h"
#include "telemetry/metrics.h"

namespace tessera {
namespace {

void Append(std::string& out, std::string_view name, std::string_view kind, std::string_view help,
            double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  StrAppend(&out, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n", name, " ", text,
            "\n");
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::size_t EntriesOf(const char* folder) {
  std::error_code error;
  std::size_t entries = 0;
  for (std::filesystem::directory_iterator walk(folder, error), end; !error && walk != end;
       walk.increment(error))
    ++entries;
  return entries;
}

// Field 22 of /proc/self/stat: clock ticks between the start of the system and that of the process.
double Started() {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  double ticks = 0;
  fields >> ticks;
  timespec booted = {};
  ::clock_gettime(CLOCK_BOOTTIME, &booted);
  const double up = static_cast<double>(booted.tv_sec) + static_cast<double>(booted.tv_nsec) / 1e9;
  return static_cast<double>(WallMillis()) / 1000 - up +
         ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

template <class Value>
void AppendUses(std::string& out, const std::vector<NamedResourceUse>& all, std::string_view name,
                std::string_view kind, std::string_view help, Value value) {
  StrAppend(&out, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n");
  for (const NamedResourceUse& one : all) {
    StrAppend(&out, name, PrometheusLabels({{"kind", one.kind}, {"name", one.name}}), " ",
              MetricNumber(static_cast<double>(value(one.use))), "\n");
  }
}

}  // namespace

void WriteResourceUses(std::string& out) {
  using Use = ResourceUse;
  const std::vector<NamedResourceUse> all = ReadResourceUses();
  AppendUses(out, all, "tessera_resource_capacity", "gauge",
             "Threads of a pool, connections, places of a queue; 0: there is no bound.",
             [](const Use& use) { return use.capacity; });
  AppendUses(out, all, "tessera_resource_used", "gauge", "How many of them are used now.",
             [](const Use& use) { return use.used; });
  AppendUses(out, all, "tessera_resource_waiting", "gauge", "What waits for one now.",
             [](const Use& use) { return use.waiting; });
  AppendUses(out, all, "tessera_resource_done_total", "counter", "What was done with them.",
             [](const Use& use) { return use.done; });
  AppendUses(out, all, "tessera_resource_rejected_total", "counter",
             "What was refused because none was free.",
             [](const Use& use) { return use.rejected; });
  AppendUses(out, all, "tessera_resource_busy_seconds_total", "counter",
             "How long they were used, all together.",
             [](const Use& use) { return use.busy_seconds; });
  AppendUses(out, all, "tessera_resource_lag_seconds", "gauge",
             "How long what came last had to wait for its turn.",
             [](const Use& use) { return use.lag_seconds; });
}

void WriteProcessFigures(std::string& out) {
  rusage used = {};
  ::getrusage(RUSAGE_SELF, &used);
  Append(out, "process_cpu_seconds_total", "counter", "Processor time used, user and system.",
         Seconds(used.ru_utime) + Seconds(used.ru_stime));
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  Append(out, "process_virtual_memory_bytes", "gauge", "Address space.",
         static_cast<double>(pages) * page);
  Append(out, "process_resident_memory_bytes", "gauge", "Memory in use.",
         static_cast<double>(resident) * page);
  Append(out, "process_open_fds", "gauge", "Open files and sockets.",
         static_cast<double>(EntriesOf("/proc/self/fd")));
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  Append(out, "process_max_fds", "gauge", "Most open files and sockets.",
         static_cast<double>(files.rlim_cur));
  Append(out, "process_threads", "gauge", "Threads.",
         static_cast<double>(EntriesOf("/proc/self/task")));
  Append(out, "process_start_time_seconds", "gauge", "When it started, since 1970.", Started());
}

}  // namespace tessera
