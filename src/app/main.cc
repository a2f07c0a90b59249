#include <string>
#include <vector>

#include "app/commands.h"
#include "app/serve.h"
#include "extract/extractor.h"

int main(int argc, char** argv) {
  // The sandboxed reader of documents is this program again; it must not have threads.
  if (argc > 1 && std::string(argv[1]) == "extract-worker") return tessera::RunExtractWorker();
  // A child of "tessera up"; people do not type it.
  if (argc > 1 && std::string(argv[1]) == "serve") return static_cast<int>(tessera::RunServe());
  return static_cast<int>(tessera::RunCli(std::vector<std::string>(argv + 1, argv + argc)));
}
