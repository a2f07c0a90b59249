// What a call of Log costs its caller.
#include <chrono>
#include <cstdio>
#include <string>

#include <fcntl.h>

#include "base/clock.h"
#include "telemetry/log_pipeline.h"
#include "telemetry/log_site.h"

namespace tessera {
namespace {

template <class Work>
double Nanoseconds(int count, Work work) {
  const SteadyTime start = Now();
  for (int i = 0; i < count; ++i) work(i);
  return std::chrono::duration<double, std::nano>(Now() - start).count() / count;
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
  Print("log_written", Nanoseconds(100'000, [&](int i) { say(LogLevel::kInfo, i); }));
  const SteadyTime start = Now();
  while (!pipeline.Flush(std::chrono::seconds(10))) {
  }
  Print("log_backlog_per_record",
        std::chrono::duration<double, std::nano>(Now() - start).count() / 100'000);
  SetLogStorm({.burst = 1, .per_second = 1});
  Print("log_suppressed", Nanoseconds(1'000'000, [&](int i) { say(LogLevel::kInfo, i); }));
  pipeline.Stop();
}

}  // namespace
}  // namespace tessera

int main() { tessera::Run(); }
