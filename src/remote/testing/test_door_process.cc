// test_door_process CONTRACT ADDRESS PASSES_TO: serves a contract by passing every call on to where
// it is really served, until its standard input ends. The way `process` of test_door.h.

#include <cstdio>
#include <string_view>

#include <unistd.h>

#include "remote/channel.h"
#include "remote/server.h"
#include "runtime/thread_pool.h"
#include "tessera/v1/dataprep_remote.tessera.h"
#include "tessera/v1/dataprep_rpc.tessera.h"
#include "tessera/v1/inference_remote.tessera.h"
#include "tessera/v1/inference_rpc.tessera.h"
#include "tessera/v1/orchestration_remote.tessera.h"
#include "tessera/v1/orchestration_rpc.tessera.h"
#include "tessera/v1/retrieval_remote.tessera.h"
#include "tessera/v1/retrieval_rpc.tessera.h"

namespace tessera {
namespace {

constexpr std::chrono::seconds kDrain{20};

template <class Contract>
bool ServeIfNamed(std::string_view name, Contract& remote, RemoteServer& server) {
  if (name != Contract::kContract.full_name) return false;
  server.Serve(Bind(remote));
  return true;
}

int PassCallsOn(std::string_view contract, const char* address, const char* passes_to) {
  IoLoops loops(1);
  ThreadPool cpu("cpu", 1);
  RemoteChannelConfig config;
  config.address = passes_to;
  config.send_identity = true;
  RemoteChannel channel(config, loops);
  DataprepRemote dataprep(channel);
  InferenceRemote inference(channel);
  OrchestrationRemote orchestration(channel);
  RetrievalRemote retrieval(channel);
  RemoteServerConfig door;
  door.listeners = {{.address = address, .trusts_identity = true}};
  RemoteServer server(door, loops, cpu);
  bool ok = (ServeIfNamed<Dataprep>(contract, dataprep, server) ||
             ServeIfNamed<Inference>(contract, inference, server) ||
             ServeIfNamed<Orchestration>(contract, orchestration, server) ||
             ServeIfNamed<Retrieval>(contract, retrieval, server)) &&
            server.Start().ok();
  if (ok) {
    char byte = '+';
    ok = ::write(STDOUT_FILENO, &byte, 1) == 1;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    ok = SyncWait(server.Drain(Ctx().WithTimeout(kDrain))).ok() && ok;
  }
  return SyncWait(channel.Close()).ok() && ok ? 0 : 1;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: test_door_process CONTRACT ADDRESS PASSES_TO\n", stderr);
    return 2;
  }
  return tessera::PassCallsOn(argv[1], argv[2], argv[3]);
}
