#pragma once
// One request to an OpenAI-compatible server. Private to openai_*.cc.

#include <string>

#include "model/openai_model.h"

namespace tessera {

/// POSTs `body` to base_url + `path`; a reply that is not 2xx is an error that says what the server
/// said.
Task<Result<HttpClientReply>> PostToUpstream(Ctx ctx, HttpClient& client,
                                             const OpenAiOptions* options, std::string path,
                                             std::string body);

/// One token in four bytes, where nobody counts better.
std::vector<std::uint32_t> EstimateTokens(const std::vector<std::string>& texts);

/// That a model's server failed, not the process that asked it (base/fault.h).
Status ModelServerError(absl::StatusCode code, std::string_view text);

/// What the server's error body says, at most 300 bytes, for a message.
std::string UpstreamMessage(std::string_view body);

}  // namespace tessera
