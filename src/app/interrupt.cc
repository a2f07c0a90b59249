#include "app/interrupt.h"

#include <csignal>
#include <cstdlib>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace tessera {

Interrupt::Interrupt() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  CHECK(signals_ >= 0 && wake_ >= 0);
  thread_ = std::thread([this] { Watch(); });
}

Interrupt::~Interrupt() {
  const std::uint64_t one = 1;
  CHECK(::write(wake_, &one, sizeof one) == sizeof one);
  thread_.join();
  ::close(signals_);
  ::close(wake_);
}

void Interrupt::Watch() {
  for (bool again = false;; again = true) {
    pollfd fds[2] = {{signals_, POLLIN, 0}, {wake_, POLLIN, 0}};
    while (::poll(fds, 2, -1) < 0) {
    }
    if (fds[1].revents != 0) return;
    signalfd_siginfo info;
    if (::read(signals_, &info, sizeof info) != sizeof info) return;
    if (again) std::_Exit(130);
    source_.Cancel(absl::CancelledError("interrupted"));
  }
}

}  // namespace tessera
