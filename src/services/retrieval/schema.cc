#include "services/retrieval/schema.h"

namespace tessera {
namespace {

// Visibility is one column, documents.state: committing, replacing and removing a document of any
// size is a change of a few rows, and its chunks follow later, in small steps. `seq` in meta counts
// these changes and ties the index in memory to a snapshot of the database.
//
// chunk_index holds what the index in memory is made of, apart from the text, so that loading it
// reads nothing else: the counted words and the vector as halves.
constexpr SqliteMigration kMigrations[] = {
    {1, R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('seq', 0), ('terms_version', 1);

CREATE TABLE collections (
  id INTEGER PRIMARY KEY,
  public_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  removed INTEGER NOT NULL DEFAULT 0,
  model TEXT NOT NULL,
  digest TEXT NOT NULL,
  dimension INTEGER NOT NULL,
  documents INTEGER NOT NULL DEFAULT 0,
  chunks INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL
);

CREATE TABLE documents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id TEXT NOT NULL UNIQUE,
  collection INTEGER NOT NULL REFERENCES collections(id),
  state INTEGER NOT NULL,
  name TEXT NOT NULL,
  title TEXT NOT NULL,
  media_type TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  original TEXT NOT NULL,
  pages INTEGER NOT NULL,
  chunks INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  updated_ms INTEGER NOT NULL,
  resume_key TEXT NOT NULL
);
CREATE UNIQUE INDEX documents_by_name ON documents(collection, name) WHERE state = 1;
CREATE INDEX documents_by_state ON documents(state, collection, id);
CREATE INDEX documents_by_resume_key ON documents(resume_key) WHERE state = 0 AND resume_key <> '';
CREATE INDEX documents_by_original ON documents(original) WHERE original <> '';

CREATE TABLE metadata (
  document INTEGER NOT NULL REFERENCES documents(id),
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  number REAL,
  PRIMARY KEY (document, key)
) WITHOUT ROWID;

CREATE TABLE chunks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  document INTEGER NOT NULL REFERENCES documents(id),
  ordinal INTEGER NOT NULL,
  text TEXT NOT NULL,
  heading TEXT NOT NULL,
  page INTEGER NOT NULL,
  start INTEGER NOT NULL,
  end INTEGER NOT NULL
);
CREATE UNIQUE INDEX chunks_by_document ON chunks(document, ordinal);

CREATE TABLE chunk_index (
  chunk INTEGER PRIMARY KEY,
  document INTEGER NOT NULL,
  terms BLOB NOT NULL,
  vector BLOB NOT NULL
);
)sql"},
    // Vectors of the embedder to come, until all passages of the collection have one.
    {2, R"sql(
ALTER TABLE collections ADD COLUMN next_model TEXT NOT NULL DEFAULT '';
ALTER TABLE collections ADD COLUMN next_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE collections ADD COLUMN next_dimension INTEGER NOT NULL DEFAULT 0;
CREATE TABLE next_vectors (
  chunk INTEGER PRIMARY KEY,
  collection INTEGER NOT NULL,
  vector BLOB NOT NULL
);
CREATE INDEX next_vectors_by_collection ON next_vectors(collection);
)sql"},
    // Resume keys of documents that were committed and have been removed since: a run that is
    // resumed must not bring them back.
    {3, R"sql(
CREATE TABLE ended_keys (resume_key TEXT PRIMARY KEY, ended_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX ended_keys_by_time ON ended_keys(ended_ms);
)sql"},
    // Handover (docs/adr/0012): the token of the one that may write, and from which number on a
    // collection's vectors are what they are, so that an index made before knows that it is stale.
    {4, R"sql(
INSERT INTO meta VALUES ('fence', 0);
ALTER TABLE collections ADD COLUMN vectors_seq INTEGER NOT NULL DEFAULT 0;
)sql"},
    // Documents whose rows are gone: who asks again, because the first answer was lost, hears the
    // same.
    {5, R"sql(
CREATE TABLE ended_documents (public_id TEXT PRIMARY KEY, ended_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX ended_documents_by_time ON ended_documents(ended_ms);
)sql"},
};

}  // namespace

std::span<const SqliteMigration> RetrievalMigrations() { return kMigrations; }

}  // namespace tessera
