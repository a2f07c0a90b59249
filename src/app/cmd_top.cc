// `tessera top`: what the platform does right now.

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "app/admin_client.h"
#include "app/command.h"
#include "app/commands.h"
#include "app/interrupt.h"
#include "app/platform_frame.h"
#include "app/terminal.h"

namespace tessera {
namespace {

constexpr int kLookMs = 100;                          // how soon a key or a signal is seen
constexpr Duration kEvery = std::chrono::seconds(5);  // as often as figures are read
constexpr std::size_t kSortsMax = 4;

struct State {
  PlatformTarget target;
  bool once = false;
  bool json = false;
};

/// The terminal's other screen, and keys as they are pressed, while it lives.
class Screen {
 public:
  Screen() {
    keys_ = IsTerminal(STDIN_FILENO) && ::tcgetattr(STDIN_FILENO, &before_) == 0;
    if (keys_) {
      termios raw = before_;
      raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // Ctrl-C stays a signal
      ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    Write("\033[?1049h\033[?25l");
  }
  ~Screen() {
    Write("\033[?25h\033[?1049l");
    if (keys_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Screen(const Screen&) = delete;

  void Show(std::string_view text) {
    std::string out = "\033[H";
    for (const char c : text) {
      if (c == '\n') out += "\033[K\r";
      out += c;
    }
    out += "\033[J";
    Write(out);
  }
  /// A key that was pressed within `ms`; 0: none.
  char Key(int ms) const {
    pollfd in{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    if (::poll(&in, keys_ ? 1 : 0, ms) <= 0) return 0;
    char key = 0;
    return ::read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
  }

 private:
  static void Write(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  bool keys_ = false;
  termios before_{};
};

std::string HeadLine(std::size_t by) {
  std::string words = "tessera top: s sorts, q ends";
  if (by > 0) StrAppend(&words, "; sorted by column ", by);
  return words;
}

// True: the user has had enough.
bool WaitForKeys(const Screen& screen, const CancelToken& cancel, std::size_t* by) {
  const SteadyTime until = Now() + kEvery;
  while (Now() < until) {
    if (cancel.cancelled()) return true;
    const char key = screen.Key(kLookMs);
    if (key == 'q' || key == 'Q') return true;
    if (key == 's' || key == 'S') {
      *by = (*by + 1) % (kSortsMax + 1);
      return false;
    }
  }
  return false;
}

Status Watch(AdminClient& client, const CancelToken& cancel) {
  Screen screen;
  std::size_t by = 0;
  while (true) {
    Result<PlatformFrame> frame = AskFrame(client, by);
    if (cancel.cancelled()) return absl::OkStatus();
    const TerminalSize size = SizeOfTerminal(STDOUT_FILENO);
    std::string text = StrCat(HeadLine(by).substr(0, size.columns), "\n");
    if (frame.ok()) {
      text += FrameText(*frame, size.columns, size.lines - 2);
    } else if (absl::IsUnavailable(frame.status())) {
      // It may be back soon: the gateway may be in replacement.
      StrAppend(&text, "\n", Printable(StdView(frame.status().message()), size.columns - 1), "\n");
    } else {
      return frame.status();
    }
    screen.Show(text);
    if (WaitForKeys(screen, cancel, &by)) return absl::OkStatus();
  }
}

Status Once(AdminClient& client, bool json) {
  TRY(const PlatformFrame frame, AskFrame(client, 1));
  const std::string text =
      json ? FrameJson(frame) + "\n" : FrameText(frame, SizeOfTerminal(STDOUT_FILENO).columns, 0);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return absl::OkStatus();
}

ExitCode Run(const State& state) {
  const Interrupt interrupt;
  auto client = AdminClient::Connect(state.target, interrupt.token());
  if (!client.ok()) return Fail(client.status());
  const bool live = !state.once && !state.json && IsTerminal(STDOUT_FILENO);
  const Status done = live ? Watch(**client, interrupt.token()) : Once(**client, state.json);
  return done.ok() ? ExitCode::kOk : Fail(done);
}

}  // namespace

Command TopCommand() {
  auto state = std::make_shared<State>();
  Command command;
  command.name = "top";
  command.summary = "shows what the platform does right now";
  command.details =
      "Requests, processes, routes and models of the running platform, with the alerts that fire; "
      "drawn anew every five seconds on a terminal, once elsewhere.";
  AddServerOptions(state->target, command.options);
  command.options.push_back(
      {.name = "--once", .doc = "Prints the figures once and ends.", .target = &state->once});
  command.options.push_back(
      {.name = "--json", .doc = "Prints them once, as JSON.", .target = &state->json});
  command.examples = {{"tessera top", "until q is pressed"},
                      {"tessera top --once", "one look, as text"}};
  command.run = [state] { return Run(*state); };
  return command;
}

}  // namespace tessera
