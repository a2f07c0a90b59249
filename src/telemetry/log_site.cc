#include "telemetry/log_site.h"

#include <array>
#include <chrono>
#include <memory>
#include <mutex>

#include "base/clock.h"

namespace tessera {
namespace {

constexpr std::size_t kSitesMax = 4096;  // a power of two
constexpr std::int64_t kSecond = 1'000'000'000;

std::atomic<LogLevel> lowest{LogLevel::kInfo};
std::atomic<std::int64_t> ns_per_record{kSecond / 10};
std::atomic<std::int64_t> burst_ns{kSecond / 10 * 100};

/// Modules are few and are made once; all of it is under one lock.
class Modules {
 public:
  static Modules& Process() {
    static Modules* const modules = std::make_unique<Modules>().release();  // never destroyed
    return *modules;
  }
  LogModule& Of(std::string_view name) {
    std::lock_guard lock(mutex_);
    const auto [at, is_new] = modules_.try_emplace(std::string(name));
    if (is_new) {
      at->second = std::make_unique<LogModule>();
      at->second->name = name;
      at->second->level = LockedLevelOf(name);
    }
    return *at->second;
  }
  void Set(LogLevels levels) {
    std::lock_guard lock(mutex_);
    levels_ = std::move(levels);
    LogLevel low = levels_.others;
    for (const auto& [name, level] : levels_.modules) low = std::min(low, level);
    for (const auto& [name, module] : modules_) module->level = LockedLevelOf(name);
    lowest = low;
  }
  LogLevels levels() const {
    std::lock_guard lock(mutex_);
    return levels_;
  }

 private:
  LogLevel LockedLevelOf(std::string_view name) const {
    while (true) {
      if (const auto found = levels_.modules.find(std::string(name));
          found != levels_.modules.end())
        return found->second;
      const std::size_t slash = name.rfind('/');
      if (slash == std::string_view::npos) return levels_.others;
      name = name.substr(0, slash);
    }
  }

  mutable std::mutex mutex_;
  LogLevels levels_;
  std::map<std::string, std::unique_ptr<LogModule>> modules_;
};

std::string_view BelowSource(std::string_view file) {
  const std::size_t at = file.rfind("/src/");
  if (at != std::string_view::npos) return file.substr(at + 1);
  return file.starts_with("src/") ? file : std::string_view();
}

std::int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Now().time_since_epoch()).count();
}

std::array<std::atomic<LogSite*>, kSitesMax> sites{};

}  // namespace

void SetLogLevels(LogLevels levels) { Modules::Process().Set(std::move(levels)); }
LogLevels CurrentLogLevels() { return Modules::Process().levels(); }
LogLevel LowestLogLevel() { return lowest.load(std::memory_order_relaxed); }

void SetLogStorm(LogStorm storm) {
  ns_per_record = storm.per_second == 0 ? 0 : kSecond / storm.per_second;
  burst_ns = ns_per_record * storm.burst;
}

std::string_view ModuleOf(std::string_view file) {
  std::string_view name = BelowSource(file);
  if (name.empty()) return "other";
  name.remove_prefix(4);
  const std::size_t slash = name.rfind('/');
  return slash == std::string_view::npos ? "other" : name.substr(0, slash);
}

LogSite::LogSite(const LogPlace& place, LogModule& module)
    : name_(place.file_name()),
      line_(place.line()),
      module_(module),
      file_(BelowSource(name_).empty() ? std::string_view(name_) : BelowSource(name_)),
      function_(place.function_name()) {}

LogSite& LogSite::Of(const LogPlace& place) {
  const auto hash =
      (reinterpret_cast<std::uintptr_t>(place.file_name()) + std::uint64_t{place.line()} * 0x9e37) *
      0x9e3779b97f4a7c15ULL;
  for (std::size_t i = 0; i < kSitesMax; ++i) {
    std::atomic<LogSite*>& slot = sites[((hash >> 40) + i) % kSitesMax];
    LogSite* site = slot.load(std::memory_order_acquire);
    if (site == nullptr) {
      auto made =
          std::make_unique<LogSite>(place, Modules::Process().Of(ModuleOf(place.file_name())));
      if (slot.compare_exchange_strong(site, made.get(), std::memory_order_acq_rel))
        return *made.release();  // for as long as the process lives
    }
    if (site->Is(place)) return *site;
  }
  static LogSite other(place, Modules::Process().Of("other"));  // there are not so many
  return other;
}

// The generic cell rate algorithm: one number holds how full the bucket is.
bool LogSite::Admit(std::uint64_t* suppressed) {
  const std::int64_t step = ns_per_record.load(std::memory_order_relaxed);
  if (step == 0) return true;
  const std::int64_t now = NowNs();
  const std::int64_t room = burst_ns.load(std::memory_order_relaxed);
  std::int64_t full = full_until_.load(std::memory_order_relaxed);
  while (true) {
    const std::int64_t next = std::max(full, now) + step;
    if (next - now > room) {
      suppressed_.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    if (full_until_.compare_exchange_weak(full, next, std::memory_order_relaxed)) break;
  }
  if (suppressed_.load(std::memory_order_relaxed) != 0) *suppressed = suppressed_.exchange(0);
  return true;
}

}  // namespace tessera
