// How long both built-in models take to load, side by side, and what memory they hold idle and
// after use. Prints one JSON line a figure.

#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "model/test_models.h"

namespace tessera {
namespace {

double MegabytesOf(const char* field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != field) continue;
    double kilobytes = 0;
    status >> kilobytes;
    return kilobytes / 1024;
  }
  return 0;
}

void Print(const char* name, double value, const char* unit, double goal, const std::string& how) {
  std::printf(
      R"({"name":"%s","value":%.2f,"unit":"%s","baseline":null,"ratio":null,"goal":"<= %.0f","met":%s,"how":"%s"})"
      "\n",
      name, value, unit, goal, value <= goal ? "true" : "false", how.c_str());
}

Task<Status> AnswerOnce(LanguageModel* model) {
  v1::GenerateRequest request;
  request.set_prompt("Once upon a time");
  request.set_max_tokens(16);
  CO_TRY(StreamPtr<v1::GenerateEvent> stream,
         co_await model->Generate(SystemCtx(), std::move(request)));
  while (true) {
    CO_TRY(const auto event, co_await stream->Next(SystemCtx()));
    if (!event) co_return absl::OkStatus();
  }
}

int Main() {
  const SteadyTime begin = Now();
  Result<std::unique_ptr<LanguageModel>> language = absl::UnknownError("not loaded");
  LlamaOptions options = SmolLm2Options();
  options.context_tokens = 4096;
  std::thread loader([&] { language = LoadLlamaModel(options, TestWorkers()); });
  auto embedder = LoadOpenVinoEmbedder(MiniLmOptions(), TestWorkers());
  loader.join();
  CHECK(language.ok() && embedder.ok());
  const double seconds = std::chrono::duration<double>(Now() - begin).count();
  const double idle = MegabytesOf("VmRSS:");
  const double anonymous = MegabytesOf("RssAnon:");
  CHECK(SyncWait(AnswerOnce(language->get())).ok());
  CHECK(SyncWait((*embedder)->Embed(SystemCtx(), {"A short text."})).ok());
  Print("models_load", seconds, "s", 2, "SmolLM2 and MiniLM side by side, warm file cache");
  Print("models_memory_idle", idle, "MB", 450,
        "resident, both loaded; of it anonymous: " + std::to_string(static_cast<int>(anonymous)) +
            " MB, the rest are mapped files");
  Print("models_memory_used", MegabytesOf("VmRSS:"), "MB", 450,
        "resident after one answer and one embedding");
  (*language)->Stop();
  (*embedder)->Stop();
  return 0;
}

}  // namespace
}  // namespace tessera

int main() { return tessera::Main(); }
