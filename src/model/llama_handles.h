#pragma once
// Owners of llama.cpp's objects. Private to src/model: only the llama_*.cc files see llama.h.

#include <memory>

struct ggml_threadpool;
struct llama_context;
struct llama_model;
struct llama_sampler;
struct llama_vocab;

namespace tessera {

struct LlamaDeleter {
  void operator()(ggml_threadpool* pool) const;
  void operator()(llama_context* context) const;
  void operator()(llama_model* model) const;
  void operator()(llama_sampler* sampler) const;
};

using LlamaWeightsPtr = std::unique_ptr<llama_model, LlamaDeleter>;
using LlamaContextPtr = std::unique_ptr<llama_context, LlamaDeleter>;
using LlamaSamplerPtr = std::unique_ptr<llama_sampler, LlamaDeleter>;
using LlamaThreadsPtr = std::unique_ptr<ggml_threadpool, LlamaDeleter>;

/// Once a process: starts the library and sends its warnings and errors to our log.
void InitLlama();

}  // namespace tessera
