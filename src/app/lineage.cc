#include "app/lineage.h"

#include <array>
#include <chrono>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "base/str.h"
#include "control/passed_descriptors.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

constexpr int kProgramAbove = 300;  // no child's descriptor has such a number
constexpr int kAwaitedFd = 3;       // of RunAwait
constexpr std::string_view kGatewayNow = "gateway";
constexpr std::string_view kEnds = "ends ";

OwnedFd PidFd(int pid) { return OwnedFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))); }

sigset_t SignalSet(std::initializer_list<int> signals) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : signals) ::sigaddset(&set, signal);
  return set;
}

OwnedFd SignalFd(std::initializer_list<int> signals) {
  const sigset_t set = SignalSet(signals);
  return OwnedFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int TakeSignal(const OwnedFd& signals) {
  signalfd_siginfo info{};
  return ::read(signals.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo)
                                                                  : 0;
}

/// What those who took the place of the first process have told it.
struct Heard {
  OwnedFd gateway;  ///< a pidfd
  ExitCode code = ExitCode::kFailed;
  bool gone = false;  ///< nobody is there who could tell more

  /// Takes what has come; does not wait.
  void Listen(int home) {
    while (!gone) {
      Result<PassedDescriptors> told = ReceiveDescriptors(home, Duration::zero());
      if (absl::IsDeadlineExceeded(told.status())) return;
      if (!told.ok()) {
        gone = true;
        return;
      }
      int number = 0;
      if (told->text == kGatewayNow && !told->descriptors.empty())
        gateway = std::move(told->descriptors.front());
      if (told->text.starts_with(kEnds) &&
          absl::SimpleAtoi(told->text.substr(kEnds.size()), &number))
        code = static_cast<ExitCode>(number);
    }
  }
};

void Pass(int signal, const OwnedFd& to) {
  ::syscall(SYS_pidfd_send_signal, to.get(), signal, nullptr, 0);
}

}  // namespace

Lineage::Lineage(bool first, OwnedFd home, OwnedFd signals, OwnedFd wake)
    : first_(first), home_(std::move(home)), signals_(std::move(signals)), wake_(std::move(wake)) {}

Result<std::unique_ptr<Lineage>> Lineage::First() {
  TRY(auto ends, MakeSocketPair());
  std::unique_ptr<Lineage> lineage(new Lineage(true, std::move(ends.first),
                                               SignalFd({SIGTERM, SIGINT}),
                                               OwnedFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))));
  lineage->home_away_ = std::move(ends.second);
  const OwnedFd program(::open("/proc/self/exe", O_PATH | O_CLOEXEC));
  if (program) lineage->program_ = OwnedFd(::fcntl(program.get(), F_DUPFD_CLOEXEC, kProgramAbove));
  return lineage;
}

Result<std::unique_ptr<Lineage>> Lineage::OfSuccessor(bool has_program) {
  std::unique_ptr<Lineage> lineage(new Lineage(false, OwnedFd(kHomeFd), SignalFd({SIGTERM, SIGINT}),
                                               OwnedFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))));
  if (has_program) lineage->program_ = OwnedFd(kProgramFd);
  lineage->leash_ = std::make_unique<Leash>(kLeashFd);
  return lineage;
}

Result<std::vector<OwnedFd>> Lineage::ForSuccessor() {
  // Grandchildren whose parent has left are this process's to bury.
  if (first_) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const OwnedFd& home = first_ ? home_away_ : home_;
  std::vector<OwnedFd> descriptors;
  for (const OwnedFd* fd : {&home, program_ ? &program_ : &home}) {
    descriptors.emplace_back(::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0));
    if (!descriptors.back()) return absl::UnavailableError("cannot copy a descriptor");
  }
  return descriptors;
}

void Lineage::CutLoose() {
  auto leash = std::make_unique<Leash>(home_.get());
  leash_.swap(leash);
}

void Lineage::Announce() {
  const OwnedFd self = PidFd(::getpid());
  const Status told = SendDescriptors(home_.get(), std::string(kGatewayNow), {self.get()});
  if (!told.ok())
    Log(LogLevel::kError, "the first process does not hear who has taken its place",
        {{"reason", told.ToString()}});
  Push(TurnOfLife::kTookOver);
}

void Lineage::SayEnd(ExitCode code) {
  if (first_) return;
  const Status ignored = SendDescriptors(home_.get(), StrCat(kEnds, static_cast<int>(code)), {});
}

void Lineage::HandedOver(int successor) {
  {
    std::lock_guard lock(mutex_);
    successor_ = PidFd(successor);
  }
  Push(TurnOfLife::kHandedOver);
}

bool Lineage::handed_over() const {
  std::lock_guard lock(mutex_);
  return static_cast<bool>(successor_);
}

void Lineage::Push(TurnOfLife turn) {
  std::lock_guard lock(mutex_);
  turns_.push_back(turn);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

TurnOfLife Lineage::Next() {
  while (true) {
    pollfd waits[] = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                      {.fd = signals_.get(), .events = POLLIN, .revents = 0},
                      {.fd = -1, .events = POLLIN, .revents = 0}};
    {
      std::lock_guard lock(mutex_);
      if (!turns_.empty()) {
        const TurnOfLife turn = turns_.front();
        turns_.pop_front();
        return turn;
      }
      waits[2].fd = successor_.get();
    }
    if (::poll(waits, 3, -1) < 0) continue;
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t read = ::read(wake_.get(), &count, sizeof count);
    if (waits[1].revents != 0) last_signal_ = TakeSignal(signals_);
    if (waits[1].revents != 0 && last_signal_ != 0) return TurnOfLife::kStopSignal;
    if (waits[2].revents != 0) return TurnOfLife::kSuccessorEnded;
  }
}

void Lineage::PassSignalOn() {
  std::lock_guard lock(mutex_);
  Pass(last_signal_, successor_);
}

ExitCode Lineage::EndOfSuccessor() {
  Heard heard;
  heard.Listen(home_.get());
  return heard.code;
}

// A program of its own, so that nothing of the platform is left in this process.
void Lineage::StandBy() {
  if (!first_) return;
  OwnedFd home(::fcntl(home_.get(), F_DUPFD, kProgramAbove));
  ::dup2(home.get(), kAwaitedFd);
  ::syscall(SYS_close_range, kAwaitedFd + 1, ~0U, 0);
  std::array<std::string, 2> words = {"tessera", "await"};
  char* const argv[] = {words[0].data(), words[1].data(), nullptr};
  ::execv("/proc/self/exe", argv);
  Log(LogLevel::kError, "the first process cannot become one that waits", {});
  ::_exit(static_cast<int>(ExitCode::kFailed));
}

ExitCode RunAwait() {
  const sigset_t set = SignalSet({SIGTERM, SIGINT, SIGCHLD});
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  const OwnedFd signals = SignalFd({SIGTERM, SIGINT, SIGCHLD});
  Heard heard;
  while (true) {
    pollfd waits[] = {{.fd = kAwaitedFd, .events = POLLIN, .revents = 0},
                      {.fd = signals.get(), .events = POLLIN, .revents = 0},
                      {.fd = heard.gateway.get(), .events = POLLIN, .revents = 0}};
    if (::poll(waits, 3, -1) < 0) continue;
    heard.Listen(kAwaitedFd);
    const int signal = waits[1].revents != 0 ? TakeSignal(signals) : 0;
    if (signal == SIGTERM || signal == SIGINT) Pass(signal, heard.gateway);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    // A gateway that has ended after it was followed by another says nothing of the platform.
    pollfd ended{.fd = heard.gateway.get(), .events = POLLIN, .revents = 0};
    if (heard.gone || (heard.gateway && ::poll(&ended, 1, 0) > 0)) break;
  }
  heard.Listen(kAwaitedFd);
  return heard.code;
}

}  // namespace tessera
