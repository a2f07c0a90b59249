#include "services/retrieval/records.h"

#include "base/str.h"
#include "services/retrieval/filter.h"

namespace tessera {

CollectionRecord ReadCollection(const SqliteStatement& row) {
  CollectionRecord record;
  record.id = row.Int(0);
  v1::Collection& message = record.message;
  message.set_id(std::string(row.Text(1)));
  message.set_name(std::string(row.Text(2)));
  message.mutable_embedder()->set_model(std::string(row.Text(3)));
  message.mutable_embedder()->set_digest(std::string(row.Text(4)));
  message.mutable_embedder()->set_dimension(static_cast<std::uint32_t>(row.Int(5)));
  message.set_documents(static_cast<std::uint64_t>(row.Int(6)));
  message.set_chunks(static_cast<std::uint64_t>(row.Int(7)));
  message.set_bytes(static_cast<std::uint64_t>(row.Int(8)));
  message.set_created_ms(row.Int(9));
  message.set_updated_ms(row.Int(10));
  return record;
}

Result<CollectionRecord> FindCollection(SqliteConnection& db, const std::string& name) {
  TRY(SqliteStatement statement,
      db.Prepare(StrCat(kSelectCollection, "WHERE (name = ?1 OR public_id = ?1) AND removed = 0")));
  statement.Bind(name);
  TRY(const bool found, statement.Step());
  if (!found) return absl::NotFoundError(StrCat("there is no collection \"", name, "\""));
  return ReadCollection(statement);
}

DocumentRecord ReadDocument(const SqliteStatement& row) {
  DocumentRecord record;
  record.id = row.Int(0);
  record.collection = row.Int(2);
  record.state = static_cast<DocumentState>(row.Int(4));
  v1::Document& message = record.message;
  message.set_id(std::string(row.Text(1)));
  message.set_collection(std::string(row.Text(3)));
  message.set_name(std::string(row.Text(5)));
  message.set_title(std::string(row.Text(6)));
  message.set_media_type(std::string(row.Text(7)));
  message.set_bytes(static_cast<std::uint64_t>(row.Int(8)));
  message.set_sha256(std::string(row.Text(9)));
  message.set_original(std::string(row.Text(10)));
  message.set_pages(static_cast<std::uint32_t>(row.Int(11)));
  message.set_chunks(static_cast<std::uint32_t>(row.Int(12)));
  message.set_created_ms(row.Int(13));
  return record;
}

Result<DocumentRecord> FindDocument(SqliteConnection& db, const std::string& public_id) {
  TRY(SqliteStatement statement,
      db.Prepare(StrCat(kSelectDocument, "WHERE d.public_id = ? AND c.removed = 0")));
  statement.Bind(public_id);
  TRY(const bool found, statement.Step());
  if (!found) return absl::NotFoundError(StrCat("there is no document \"", public_id, "\""));
  return ReadDocument(statement);
}

Result<DocumentRecord> FindDocument(SqliteConnection& db, std::int64_t id) {
  TRY(SqliteStatement statement, db.Prepare(StrCat(kSelectDocument, "WHERE d.id = ?")));
  statement.Bind(id);
  TRY(const bool found, statement.Step());
  if (!found) return absl::NotFoundError("the document is gone");
  return ReadDocument(statement);
}

Status ReadMetadata(SqliteConnection& db, DocumentRecord& record) {
  TRY(SqliteStatement statement, db.Prepare("SELECT key, value FROM metadata WHERE document = ?"));
  statement.Bind(record.id);
  for (;;) {
    TRY(const bool row, statement.Step());
    if (!row) return absl::OkStatus();
    (*record.message.mutable_metadata())[std::string(statement.Text(0))] =
        std::string(statement.Text(1));
  }
}

Status WriteMetadata(SqliteConnection& db, std::int64_t document,
                     const google::protobuf::Map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) {
    TRY(db.Run("INSERT OR REPLACE INTO metadata (document, key, value, number) VALUES (?,?,?,?)",
               document, key, value, AsNumber(value)));
  }
  return absl::OkStatus();
}

Result<std::uint64_t> ReadSeq(SqliteConnection& db) {
  TRY(const std::optional<std::int64_t> seq,
      db.QueryInt("SELECT value FROM meta WHERE key = 'seq'"));
  return static_cast<std::uint64_t>(seq.value_or(0));
}

Result<std::uint64_t> NextSeq(SqliteConnection& db) {
  TRY(db.Run("UPDATE meta SET value = value + 1 WHERE key = 'seq'"));
  return ReadSeq(db);
}

std::string TitleText(const v1::Document& document) {
  return StrCat(document.title(), " ", document.name());
}

}  // namespace tessera
