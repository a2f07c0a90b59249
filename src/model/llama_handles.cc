#include "model/llama_handles.h"

#include <string>

#include <ggml-cpu.h>
#include <llama.h>

#include "base/str.h"
#include "telemetry/log.h"

namespace tessera {
namespace {

void ForwardLog(ggml_log_level level, const char* text, void*) {
  if (level != GGML_LOG_LEVEL_ERROR) return;  // its warnings are about tuning, not about failures
  std::string line(text);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  if (!line.empty()) Log(LogLevel::kWarning, "llama.cpp reports an error", {{"text", line}});
}

}  // namespace

void LlamaDeleter::operator()(ggml_threadpool* pool) const { ggml_threadpool_free(pool); }
void LlamaDeleter::operator()(llama_context* context) const { llama_free(context); }
void LlamaDeleter::operator()(llama_model* model) const { llama_model_free(model); }
void LlamaDeleter::operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }

void InitLlama() {
  static const bool done = [] {
    llama_log_set(ForwardLog, nullptr);
    llama_backend_init();
    return true;
  }();
  (void)done;
}

}  // namespace tessera
