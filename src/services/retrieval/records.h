#pragma once
// Rows of the database as messages. Every function runs on the thread that owns the connection, in
// the transaction that is open.

#include <cstdint>
#include <optional>
#include <string>

#include "services/retrieval/schema.h"
#include "store/sqlite.h"
#include "tessera/v1/retrieval.pb.h"

namespace tessera {

struct CollectionRecord {
  std::int64_t id = 0;
  v1::Collection message;
};
struct DocumentRecord {
  std::int64_t id = 0;
  std::int64_t collection = 0;
  DocumentState state = DocumentState::kStaging;
  v1::Document message;  ///< without metadata, unless it says so
};

/// By name or id. NOT_FOUND names it.
Result<CollectionRecord> FindCollection(SqliteConnection& db, const std::string& name);
CollectionRecord ReadCollection(const SqliteStatement& row);
inline constexpr char kSelectCollection[] =
    "SELECT id, public_id, name, model, digest, dimension, documents, chunks, bytes, created_ms, "
    "updated_ms FROM collections ";

/// Columns of kSelectDocument, without metadata.
DocumentRecord ReadDocument(const SqliteStatement& row);
inline constexpr char kSelectDocument[] =
    "SELECT d.id, d.public_id, d.collection, c.name, d.state, d.name, d.title, d.media_type, "
    "d.bytes, d.sha256, d.original, d.pages, d.chunks, d.created_ms "
    "FROM documents d JOIN collections c ON c.id = d.collection ";
/// Of any state; NOT_FOUND where there is none, or its collection was deleted.
Result<DocumentRecord> FindDocument(SqliteConnection& db, const std::string& public_id);
Result<DocumentRecord> FindDocument(SqliteConnection& db, std::int64_t id);
Status ReadMetadata(SqliteConnection& db, DocumentRecord& record);
Status WriteMetadata(SqliteConnection& db, std::int64_t document,
                     const google::protobuf::Map<std::string, std::string>& metadata);

/// The number of the last change of what is visible.
Result<std::uint64_t> ReadSeq(SqliteConnection& db);
Result<std::uint64_t> NextSeq(SqliteConnection& db);

/// What a document's words outside its chunks are: title and name.
std::string TitleText(const v1::Document& document);

}  // namespace tessera
