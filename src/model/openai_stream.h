#pragma once
// What an OpenAI-compatible server answers, as events. Private to openai_*.cc.

#include <string>

#include "base/stream.h"
#include "tessera/v1/inference.pb.h"

namespace tessera {

/// The events of a streamed answer. `body` is what the server sends, cut anywhere and not trusted;
/// `name` is the model's, for messages. A stream that ends without a finish reason is UNAVAILABLE.
StreamPtr<v1::GenerateEvent> ReadOpenAiStream(std::string name, StreamPtr<std::string> body);

/// The one event of an answer that came whole.
Result<v1::GenerateEvent> ReadOpenAiAnswer(std::string name, const std::string& json);

}  // namespace tessera
