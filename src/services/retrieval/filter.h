#pragma once
// Metadata filters as SQL.

#include <string>
#include <variant>
#include <vector>

#include "base/status.h"
#include "store/sqlite.h"
#include "tessera/v1/retrieval.pb.h"

namespace tessera {

/// A condition on `documents AS d` with its parameters in order.
struct SqlCondition {
  std::string sql;
  std::vector<std::variant<std::string, double>> parameters;

  /// Binds the parameters from `first` on; returns the next free index.
  int Bind(SqliteStatement& statement, int first) const;
};

/// INVALID_ARGUMENT names what is wrong. A document that lacks a key fits `ne` and `nin` of it, and
/// no other comparison. A comparison marked numeric fits only values that are numbers.
Result<SqlCondition> ToSql(const v1::Filter& filter);

/// The number that all of `text` spells, if it does.
std::optional<double> AsNumber(const std::string& text);

}  // namespace tessera
