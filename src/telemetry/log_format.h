#pragma once
// Records as text: for people, and as JSON in the fields of the Elastic Common Schema 8
// (https://www.elastic.co/guide/en/ecs/8.11/ecs-field-reference.html).

#include <string>

#include "telemetry/log_record.h"

namespace tessera {

enum class LogFormat : std::uint8_t { kText, kJson };

/// "2026-11-23T12:00:00.123Z warning edge: a message name="value"" and a line end. No value can
/// forge a line or drive a terminal. `colour`: the level is coloured.
void AppendLogText(std::string* out, const LogRecord& record, bool colour);

/// One JSON object, without a line end. Fields "reason" and "error" become error.message, others
/// labels.NAME.
void AppendEcsJson(std::string* out, const LogRecord& record, const LogOrigin& origin);

}  // namespace tessera
