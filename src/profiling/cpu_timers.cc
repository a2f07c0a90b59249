#include "profiling/cpu_timers.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"

namespace tessera {
namespace {

constexpr std::size_t kThreadsMax = 4096;

std::atomic<SampleRing*> watched_ring;
std::atomic<std::uint32_t> watched_session;

void OnTimer(int, siginfo_t* info, void* context) {
  const int error = errno;
  SampleRing* const ring = watched_ring.load(std::memory_order_acquire);
  if (ring != nullptr && info->si_code == SI_TIMER) {
    SampleRing::Slot* const slot = ring->Claim();
    if (slot != nullptr) {
      slot->session = watched_session.load(std::memory_order_relaxed);
      slot->thread = static_cast<std::int32_t>(::syscall(SYS_gettid));
      slot->weight = 1 + static_cast<std::uint32_t>(info->si_overrun);
      slot->stack.CaptureInterrupted(*static_cast<const ucontext_t*>(context));
      SampleRing::Publish(slot);
    }
  }
  errno = error;
}

// For ever: the last signals may come after the last timer has gone, and would end the process.
bool InstallHandler() {
  struct sigaction action = {};
  action.sa_sigaction = OnTimer;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  return ::sigaction(SIGPROF, &action, nullptr) == 0;
}

// Of the processor time of any thread, as the kernel numbers clocks.
clockid_t ClockOf(std::int32_t thread) {
  constexpr unsigned kPerThread = 4, kScheduled = 2;
  return static_cast<clockid_t>((~static_cast<unsigned>(thread) << 3) | kPerThread | kScheduled);
}

bool StartTimer(std::int32_t thread, std::int64_t period_ns, timer_t* timer) {
  sigevent event = {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGPROF;
  event._sigev_un._tid = thread;
  if (::timer_create(ClockOf(thread), &event, timer) != 0) return false;
  itimerspec every = {};
  every.it_interval.tv_nsec = period_ns;
  // Threads that begin together are not interrupted together.
  every.it_value.tv_nsec = 1 + (thread * 7919L * 1000) % period_ns;
  if (::timer_settime(*timer, 0, &every, nullptr) == 0) return true;
  ::timer_delete(*timer);
  return false;
}

}  // namespace

CpuTimers::CpuTimers(SampleRing& ring, std::uint32_t session, std::int64_t period_ns)
    : period_ns_(period_ns) {
  static const bool installed = InstallHandler();
  watched_session = session;
  watched_ring = installed ? &ring : nullptr;
}

CpuTimers::~CpuTimers() {
  for (const auto& [thread, timer] : timers_) ::timer_delete(timer);
  watched_ring = nullptr;
}

Status CpuTimers::Update() {
  DIR* const folder = ::opendir("/proc/self/task");
  if (folder == nullptr) return absl::UnavailableError("the threads cannot be listed");
  int error = 0;
  std::map<std::int32_t, timer_t> now;
  while (const dirent* const entry = ::readdir(folder)) {
    const std::int32_t thread = std::atoi(entry->d_name);
    if (thread <= 0 || now.size() == kThreadsMax) continue;
    const auto known = timers_.find(thread);
    timer_t timer = {};
    if (known != timers_.end()) {
      now.insert(timers_.extract(known));
    } else if (StartTimer(thread, period_ns_, &timer)) {
      now.emplace(thread, timer);
    } else {
      error = errno;
    }
  }
  ::closedir(folder);
  for (const auto& [thread, timer] : timers_) ::timer_delete(timer);
  timers_ = std::move(now);
  if (!timers_.empty()) return absl::OkStatus();
  return absl::UnavailableError(
      StrCat("the system gives no clocks for threads: ", std::strerror(error)));
}

}  // namespace tessera
