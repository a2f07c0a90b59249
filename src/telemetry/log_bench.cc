// What a call of Log costs its caller.
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>

#include <fcntl.h>

#include "telemetry/log_pipeline.h"
#include "telemetry/log_site.h"

namespace tessera {
namespace {

// Of this thread or of the process: what others do on the machine is left out.
double ProcessorTime(clockid_t clock) {
  timespec now = {};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class Work>
double Nanoseconds(int count, Work work) {
  const double start = ProcessorTime(CLOCK_THREAD_CPUTIME_ID);
  for (int i = 0; i < count; ++i) work(i);
  return (ProcessorTime(CLOCK_THREAD_CPUTIME_ID) - start) / count;
}

void Print(const char* name, double nanoseconds) {
  std::printf("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"ns\"}\n", name, nanoseconds);
}

void Run() {
  LogPipeline& pipeline = LogPipeline::Process();
  LogPipeline::Options options;
  options.fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  options.queue_bytes = std::size_t{1} << 30;
  options.format = LogFormat::kJson;
  pipeline.Start(options);
  const std::string who = "somebody with a name";
  const auto say = [&who](LogLevel level, int i) {
    Log(level, "something happened", {{"i", i}, {"who", who}});
  };
  SetLogStorm({.burst = 0, .per_second = 0});
  Print("log_filtered", Nanoseconds(10'000'000, [&](int i) { say(LogLevel::kDebug, i); }));
  SetLogLevels({.others = LogLevel::kInfo, .modules = {{"other", LogLevel::kDebug}}});
  Print("log_filtered_by_module",
        Nanoseconds(10'000'000, [&](int i) { say(LogLevel::kDebug, i); }));
  const double start = ProcessorTime(CLOCK_PROCESS_CPUTIME_ID);
  const double written = Nanoseconds(100'000, [&](int i) { say(LogLevel::kInfo, i); });
  Print("log_written", written);
  while (!pipeline.Flush(std::chrono::seconds(10))) {
  }
  Print("log_pipeline_per_record",
        (ProcessorTime(CLOCK_PROCESS_CPUTIME_ID) - start) / 100'000 - written);
  SetLogStorm({.burst = 1, .per_second = 1});
  Print("log_suppressed", Nanoseconds(1'000'000, [&](int i) { say(LogLevel::kInfo, i); }));
  pipeline.Stop();
}

}  // namespace
}  // namespace tessera

int main() { tessera::Run(); }
