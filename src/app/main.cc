#include <string>
#include <vector>

#include "app/commands.h"

int main(int argc, char** argv) {
  return static_cast<int>(tessera::RunCli(std::vector<std::string>(argv + 1, argv + argc)));
}
