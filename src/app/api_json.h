#pragma once
// The native HTTP interface's JSON as messages: protobuf-JSON with snake_case names, enums as short
// words.

#include <string>
#include <string_view>
#include <vector>

#include "app/client.h"
#include "base/status.h"
#include "tessera/v1/dataprep.pb.h"

namespace tessera {

/// Replies of the server. Unknown members are skipped: a newer server may say more.
Result<v1::Job> ParseJob(std::string json);
Result<v1::ListCollectionsReply> ParseCollections(std::string json);
Result<v1::SearchReply> ParseSearchReply(std::string json);
Result<v1::ListModelsReply> ParseSystem(std::string json);
Result<v1::BackupReply> ParseBackupReply(std::string json);

/// One chunk of a streamed chat completion: text is added to the answer and returned; citations and
/// what the platform says about the answer are noted in it. An error event becomes an error.
Result<std::string> TakeChatChunk(std::string json, Answer& answer);

/// What an HTTP error says, whichever API's shape it has, with the code that fits its status.
Status ParseError(int http_status, std::string body);

}  // namespace tessera
