#pragma once
// Files of SQLite that the platform can do without: what is in them is missed, not needed.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "store/sqlite.h"
#include "telemetry/log.h"

namespace tessera {

/// Removes the file and what SQLite keeps beside it.
void RemoveSqlite(const std::string& path);

/// What `make` makes of a connection to the file. One that is found damaged (DATA_LOSS), then too,
/// is removed and begun anew, once; the log says so with the sentence `damaged`.
template <class Make>
auto OpenOrBeginAnew(const std::string& path, const SqliteOptions& options,
                     std::string_view damaged, const Make& make,
                     LogPlace place = LogPlace::current())
    -> decltype(make(std::unique_ptr<SqliteConnection>())) {
  const auto open = [&]() -> decltype(make(std::unique_ptr<SqliteConnection>())) {
    TRY(auto connection, SqliteConnection::Open(path, options));
    return make(std::move(connection));
  };
  auto opened = open();
  if (!absl::IsDataLoss(opened.status())) return opened;
  Log(LogLevel::kWarning, damaged, {{"path", path}}, place);
  RemoveSqlite(path);
  return open();
}

}  // namespace tessera
