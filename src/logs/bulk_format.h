#pragma once
// Bodies of the _bulk API of Elasticsearch and OpenSearch.

#include <string>
#include <vector>

#include "logs/log_sink.h"

namespace tessera {

/// One "create" an item, under an id of its own: what is sent twice is there once.
std::string BulkRequest(const std::vector<v1::LogRecord>& records, const std::string& service,
                        const std::string& version);

/// What became of each item. 409 is success: it is there already. 429 and 5xx may be taken another
/// time, other errors never. An error when the body is no reply of `count` items.
Result<LogSink::Reply> ReadBulkReply(std::string body, std::size_t count);

}  // namespace tessera
