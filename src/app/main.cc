#include <string>
#include <vector>

#include "app/commands.h"
#include "app/lineage.h"
#include "app/serve.h"
#include "app/server.h"
#include "extract/extractor.h"

int main(int argc, char** argv) {
  // The sandboxed reader of documents is this program again; it must not have threads.
  if (argc > 1 && std::string(argv[1]) == "extract-worker") return tessera::RunExtractWorker();
  // A child of "tessera up"; people do not type it.
  if (argc > 1 && std::string(argv[1]) == "serve") return static_cast<int>(tessera::RunServe());
  // Takes the place of "tessera up", and what that becomes then.
  if (argc > 1 && std::string(argv[1]) == "succeed")
    return static_cast<int>(tessera::RunSuccessor());
  if (argc > 1 && std::string(argv[1]) == "await") return static_cast<int>(tessera::RunAwait());
  return static_cast<int>(tessera::RunCli(std::vector<std::string>(argv + 1, argv + argc)));
}
