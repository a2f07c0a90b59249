#include "logs/logs_config.h"

#include "base/str.h"

namespace tessera {
namespace {

Status CheckLevels(const LogsConfig& config) {
  for (const auto& [module, level] : config.levels) {
    if (!ParseLogLevel(level))
      return absl::InvalidArgumentError(
          StrCat("levels: ", module, ": \"", level, "\" is none of debug, info, warning, error"));
  }
  return absl::OkStatus();
}

Status CheckRedaction(const LogRedactionConfig& config) { return CheckPatterns(config.patterns); }

}  // namespace

void LogRedactionConfig::Describe(Fields<LogRedactionConfig>& f) {
  f.Optional("email", &LogRedactionConfig::email, "Addresses of e-mail.");
  f.Optional("phone", &LogRedactionConfig::phone,
             "Telephone numbers with a country's prefix or with separators.");
  f.Optional("iban", &LogRedactionConfig::iban, "Account numbers whose check digits are right.");
  f.Optional("card", &LogRedactionConfig::card,
             "Numbers of payment cards: 13 to 19 digits that pass the Luhn check.");
  f.Optional("patterns", &LogRedactionConfig::patterns,
             "What else must not appear, as regular expressions (RE2).", 0, 100);
  f.Check(CheckRedaction);
}

void LogsConfig::Describe(Fields<LogsConfig>& f) {
  f.Choice("level", &LogsConfig::level,
           "Records below it are not written. \"tessera logs level\" changes it while the platform "
           "serves.",
           {{"debug", LogLevel::kDebug},
            {"info", LogLevel::kInfo},
            {"warning", LogLevel::kWarning},
            {"error", LogLevel::kError}});
  f.Optional("levels", &LogsConfig::levels,
             "Levels of single modules, and of those below them: \"services/retrieval: debug\".");
  f.Choice("output", &LogsConfig::output, "Where each process writes its records to.",
           {{"stderr", LogOutputChoice::kStderr},
            {"stdout", LogOutputChoice::kStdout},
            {"none", LogOutputChoice::kNone}});
  f.Choice(
      "format", &LogsConfig::format,
      "Lines for people, or one JSON object a line in the fields of the Elastic Common Schema.",
      {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
  f.Optional("burst", &LogsConfig::burst,
             "Records in one go that each place in the program may write.", 1U, 1'000'000U);
  f.Optional("per_second", &LogsConfig::per_second,
             "Records a second that each place may write after that; more are counted, and the "
             "count goes with the place's next record. 0: no limit.",
             0U, 1'000'000U);
  f.Optional("queue_max", &LogsConfig::queue_max,
             "Records that wait to be written, in each process; more are dropped and counted.",
             64_KiB, 1024_MiB);
  f.Optional("kept_max", &LogsConfig::kept_max,
             "The last records that each process keeps in memory, and the first process of all.",
             64_KiB, 1024_MiB);
  f.Optional("redact", &LogsConfig::redact,
             "What is hidden in records besides keys, passwords and the like, which always are.");
  f.Optional(
      "otlp", &LogsConfig::otlp,
      "How records wait and are sent to the collector that telemetry.otlp names, if it does.");
  f.Optional("elasticsearch", &LogsConfig::elasticsearch,
             "Records also go to a data stream of Elasticsearch or OpenSearch.");
  f.Check(CheckLevels);
}

void LogSinkConfig::Describe(Fields<LogSinkConfig>& f) {
  f.Optional("spool_max", &LogSinkConfig::spool_max,
             "Most bytes on the disk that wait while the sink is away, in DATA/outbound; more is "
             "dropped and counted.",
             1_MiB, Bytes{std::uint64_t{1} << 40});
  f.Optional("batch_max", &LogSinkConfig::batch_max, "Most records of one request.", 1U, 10'000U);
  f.Optional("delay", &LogSinkConfig::delay, "How long a record waits for others to go with.");
  f.Optional("timeout", &LogSinkConfig::timeout, "Longest time of one request.");
  f.Optional("retry_min", &LogSinkConfig::retry_min,
             "Pause after a request that failed; twice as long after each further one.");
  f.Optional("retry_max", &LogSinkConfig::retry_max, "The longest such pause.");
}

void LogElasticsearchConfig::Describe(Fields<LogElasticsearchConfig>& f) {
  f.Optional(
      "url", &LogElasticsearchConfig::url,
      "Elasticsearch or OpenSearch, such as http://127.0.0.1:9200; empty: none. Its template "
      "is in deploy/observability.");
  f.Optional("data_stream", &LogElasticsearchConfig::data_stream, "The data stream there.");
  f.Optional("user", &LogElasticsearchConfig::user, "Who writes, with a password.");
  f.Optional("password", &LogElasticsearchConfig::password, "Of the user.");
  f.Optional("api_key", &LogElasticsearchConfig::api_key,
             "Instead of user and password: a key, encoded as the server gives it out.");
  f.Optional("gzip", &LogElasticsearchConfig::gzip, "Whether requests are compressed.");
  f.Optional("ca_file", &LogElasticsearchConfig::ca_file,
             "Certificates to trust instead of the system's, of https.");
  f.Optional("sending", &LogElasticsearchConfig::sending, "How records wait and are sent.");
}

LogLevels LogsConfig::Levels() const {
  LogLevels all{.others = level, .modules = {}};
  for (const auto& [module, name] : levels) {
    if (const auto parsed = ParseLogLevel(name)) all.modules[module] = *parsed;
  }
  return all;
}

RedactionRules LogsConfig::Redaction() const {
  return {.email = redact.email,
          .phone = redact.phone,
          .iban = redact.iban,
          .card = redact.card,
          .patterns = redact.patterns};
}

}  // namespace tessera
