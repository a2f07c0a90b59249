// A filter, given as protobuf's JSON: what is accepted is SQL that SQLite prepares and runs.
#include <cstdint>
#include <string>

#include <google/protobuf/util/json_util.h>

#include "base/str.h"
#include "services/retrieval/filter.h"
#include "store/test_folder.h"

namespace tessera {
namespace {

std::unique_ptr<SqliteConnection> Database() {
  static const TestFolder folder;
  auto db = SqliteConnection::Open(folder.Path("db"));
  CHECK(db.ok());
  CHECK((*db)
            ->Run("CREATE TABLE documents (id INTEGER PRIMARY KEY, name TEXT, title TEXT, "
                  "media_type TEXT, created_ms INTEGER)")
            .ok());
  CHECK((*db)
            ->Run("CREATE TABLE metadata (document INTEGER, key TEXT, value TEXT, number REAL)")
            .ok());
  CHECK((*db)->Run("INSERT INTO documents VALUES (1, 'n', 't', 'text/plain', 5)").ok());
  CHECK((*db)->Run("INSERT INTO metadata VALUES (1, 'k', '7', 7)").ok());
  return *std::move(db);
}

}  // namespace
}  // namespace tessera

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  static SqliteConnection* const db = Database().release();
  v1::Filter filter;
  const std::string json(reinterpret_cast<const char*>(data), size);
  if (!google::protobuf::util::JsonStringToMessage(json, &filter).ok()) return 0;
  const auto condition = ToSql(filter);
  if (!condition.ok()) {
    CHECK(absl::IsInvalidArgument(condition.status()));
    return 0;
  }
  auto statement =
      db->Prepare(StrCat("SELECT count(*) FROM documents AS d WHERE ", condition->sql));
  CHECK(statement.ok());
  CHECK(condition->Bind(*statement, 1) == static_cast<int>(condition->parameters.size()) + 1);
  const auto row = statement->Step();
  CHECK(row.ok() && *row && statement->Int(0) <= 1);
  return 0;
}
