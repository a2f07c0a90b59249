#pragma once
// Records as messages between processes, and back.

#include <string>

#include "telemetry/log_record.h"
#include "telemetry/log_site.h"
#include "tessera/v1/logs.pb.h"

namespace tessera {

v1::LogLevel ToMessage(LogLevel level);
/// Info when it says nothing.
LogLevel FromMessage(v1::LogLevel level);
v1::LogLevels ToMessage(const LogLevels& levels);
LogLevels FromMessage(const v1::LogLevels& levels);

/// `epoch_us`: when the process's log began.
v1::LogRecord ToMessage(const LogRecord& record, const LogOrigin& origin, std::int64_t epoch_us);

/// One JSON object in the fields of ECS, with "event.id" besides, which names the record for ever.
std::string EcsJson(const v1::LogRecord& record, const std::string& service,
                    const std::string& version);
/// A line for people, as the process itself writes it, with its name.
std::string TextLine(const v1::LogRecord& record, bool colour);
/// "5f3a…-42": unlike that of any other record.
std::string IdOf(const v1::LogRecord& record);

/// Of this process: its records after a certain one, as the contract ProcessLogs answers;
/// from then on it writes by the request's levels.
v1::TakeLogsReply TakeOwnLogs(const v1::TakeLogsRequest& request);

}  // namespace tessera
