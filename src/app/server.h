#pragma once
// `tessera up`: the platform behind its HTTP edge, until it is told to stop.

#include <string>

#include "app/config_file.h"
#include "app/exit_code.h"

namespace tessera {

/// From the command line.
struct ServerOptions {
  std::string data;
  std::string http;        ///< "127.0.0.1:8080", instead of server.http; port 0 picks a free one
  std::string grpc;        ///< "127.0.0.1:8081", instead of server.grpc
  bool no_auth = false;    ///< loopback only
  std::string log_level;   ///< "debug", "info,edge=debug"; empty: as configured
  std::string log_format;  ///< "text", "json"; empty: as configured
  std::string topology;    ///< a file; empty: what was reached last, at first everything in one
};

/// Serves until SIGTERM or SIGINT, then drains. While it serves, DATA/endpoint holds its URL (one
/// line) and DATA/owner.key the owner's key. Prints what a person needs to know to standard error.
ExitCode RunServer(const ServerOptions& options, const ConfigDocument& config);

/// `tessera succeed`: a process that takes the place of such a one, started by it.
ExitCode RunSuccessor();

}  // namespace tessera
