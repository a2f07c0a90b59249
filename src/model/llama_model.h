#pragma once
// A language model from a GGUF file, run by llama.cpp in this process.

#include <memory>
#include <string>

#include "base/executor.h"
#include "model/language_model.h"

namespace tessera {

struct LlamaOptions {
  std::string name;  ///< as clients call it
  std::string path;  ///< of the .gguf
  std::string digest;
  std::string description;
  bool demo = false;
  std::uint32_t threads = 0;  ///< 0: by the machine, see DefaultModelThreads
  std::uint32_t context_tokens = 4096;
  std::uint32_t slots = 8;
  std::uint32_t queue = 64;
};

/// The cores that this process may use, or half of them where there are many (two hardware threads
/// a core, and the rest of the machine wants some).
std::uint32_t DefaultModelThreads();

/// Blocks while it reads the file (a tenth of a second for the demo model). `workers` prepare
/// prompts; they must outlive the model. INVALID_ARGUMENT when the file is no GGUF model.
Result<std::unique_ptr<LanguageModel>> LoadLlamaModel(LlamaOptions options, Executor& workers);

}  // namespace tessera
