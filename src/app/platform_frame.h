#pragma once
// What `tessera top` shows: the platform's figures of the last moments.

#include <string>
#include <vector>

#include "app/admin_client.h"

namespace tessera {

/// One thing with its figures. Those that nobody has told of are NaN.
struct FigureRow {
  std::string name;
  std::vector<double> figures;
};

enum class FigureUnit : std::uint8_t { kNumber, kRate, kSeconds, kBytes, kPercent };
struct FigureTable {
  std::string key;    ///< "routes", of the JSON
  std::string title;  ///< "ROUTE"
  struct Column {
    std::string key, title;
    FigureUnit unit = FigureUnit::kNumber;
  };
  std::vector<Column> columns;
  std::vector<FigureRow> rows;
};

struct PlatformFrame {
  std::vector<FigureTable> tables;
  std::vector<std::string> alerts;  ///< that fire, one sentence each
};

/// Asks a running server. `by`: the column (1 …) that rows are sorted by, the greatest first; 0: by
/// name.
Result<PlatformFrame> AskFrame(AdminClient& client, std::size_t by);

/// For people, at most so many columns and lines; `lines` 0: all.
std::string FrameText(const PlatformFrame& frame, std::size_t columns, std::size_t lines);
/// One object: a list for each table, and "alerts".
std::string FrameJson(const PlatformFrame& frame);

}  // namespace tessera
