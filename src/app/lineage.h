#pragma once
// The process that was started first, and those that took its place: how they hear of each other.

#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "app/child_process.h"
#include "app/exit_code.h"

namespace tessera {

/// What happens to a process with the edge.
enum class TurnOfLife {
  kStopSignal,      ///< SIGTERM or SIGINT
  kTookOver,        ///< it has the control now
  kHandedOver,      ///< its successor has
  kLeft,            ///< no client is connected here any more
  kSuccessorEnded,  ///< the platform has ended
};

/// The first process stays to the end, whoever has taken its place: its pid is the one that a
/// service manager knows. It passes signals on, ends when the last gateway does and with its exit
/// code, and all end when it does. Thread-safe; one thread calls Next().
class Lineage {
 public:
  /// In the process that somebody started. SIGTERM and SIGINT are blocked already, here and below.
  static Result<std::unique_ptr<Lineage>> First();
  /// In one that was started to take another's place, with the descriptors that it was given.
  static Result<std::unique_ptr<Lineage>> OfSuccessor(bool has_program);

  bool is_first() const { return first_; }
  /// The platform's own program, whatever this one is.
  int program() const { return program_.get(); }
  /// What a successor's descriptors begin with: those of home and program.
  Result<std::vector<OwnedFd>> ForSuccessor();

  /// This process does not end with its predecessor any more, only with the first one.
  void CutLoose();
  /// Tells the first process that this is the gateway now.
  void Announce();
  /// Its exit code, as the last thing.
  void SayEnd(ExitCode code);

  /// Any thread: this is what happens next.
  void HandedOver(int successor);
  void Left() { Push(TurnOfLife::kLeft); }

  bool handed_over() const;

  /// Blocks until something happens.
  TurnOfLife Next();
  /// The last signal goes to the successor.
  void PassSignalOn();
  /// After kSuccessorEnded: how.
  ExitCode EndOfSuccessor();
  /// Of a process that has left: the first one becomes a program that only waits and does not
  /// return; others do.
  void StandBy();

 private:
  Lineage(bool first, OwnedFd home, OwnedFd signals, OwnedFd wake);
  void Push(TurnOfLife turn);
  void Wake();

  const bool first_;
  OwnedFd home_;       ///< of a successor: to the first process; of the first: to all others
  OwnedFd home_away_;  ///< of the first: what successors are given
  OwnedFd program_;
  const OwnedFd signals_;
  const OwnedFd wake_;
  std::unique_ptr<Leash> leash_;
  mutable std::mutex mutex_;
  std::deque<TurnOfLife> turns_;
  OwnedFd successor_;  ///< its pidfd
  int last_signal_ = 0;
};

/// `tessera await`: what the first process becomes when another has its work.
ExitCode RunAwait();

}  // namespace tessera
