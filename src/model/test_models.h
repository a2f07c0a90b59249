#pragma once
// The built-in models, for the tests of this module and of those above it.

#include <memory>

#include "model/llama_model.h"
#include "model/openvino_embedder.h"
#include "runtime/thread_pool.h"

namespace tessera {

inline ThreadPool& TestWorkers() {
  static auto* const workers = new ThreadPool("workers", 1);
  return *workers;
}

inline LlamaOptions SmolLm2Options() {
  LlamaOptions options;
  options.name = "smollm2";
  options.path = TESSERA_BUILTIN_MODELS "/smollm2.gguf";
  options.demo = true;
  options.context_tokens = 1024;
  return options;
}

inline OpenVinoOptions MiniLmOptions() {
  OpenVinoOptions options;
  options.name = "minilm";
  options.model = TESSERA_BUILTIN_MODELS "/minilm/model.xml";
  options.vocabulary = TESSERA_BUILTIN_MODELS "/minilm/vocab.txt";
  return options;
}

}  // namespace tessera
