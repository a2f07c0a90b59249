#pragma once
// The tables of DATA/tessera.db.

#include <span>

#include "store/sqlite.h"

namespace tessera {

/// What `documents.state` holds. Only committed documents are seen by readers.
enum class DocumentState : int { kStaging = 0, kCommitted = 1, kRemoved = 2 };

std::span<const SqliteMigration> RetrievalMigrations();

}  // namespace tessera
