#pragma once
// A BERT embedder (MiniLM and its kin), run by OpenVINO on the processor.

#include <memory>
#include <string>

#include "base/executor.h"
#include "model/embedder.h"

namespace tessera {

struct OpenVinoOptions {
  std::string name;        ///< as clients call it
  std::string model;       ///< .xml (OpenVINO IR, with its .bin beside it) or .onnx
  std::string vocabulary;  ///< vocab.txt or tokenizer.json
  std::string digest;      ///< of the weights; empty: computed
  std::string description;
  std::uint32_t threads = 0;       ///< 0: as many as DefaultModelThreads()
  std::uint32_t tokens_max = 256;  ///< that the model reads of a text
  bool bfloat16 = true;            ///< where the processor computes with it (cosine 0.9999)
};

/// Blocks while it reads and compiles (half a second). `workers` split texts into tokens; they must
/// outlive the embedder. INVALID_ARGUMENT when the files do not fit each other.
Result<std::unique_ptr<Embedder>> LoadOpenVinoEmbedder(OpenVinoOptions options, Executor& workers);

}  // namespace tessera
