#pragma once
// Forms with files: read to disk, their fields and files handed to an ingest. What the native
// interface and the facades share.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "edge/router_http.h"
#include "net/multipart.h"
#include "tessera/v1/dataprep.pb.h"

namespace tessera {

/// Where uploads go until their job has taken them.
struct UploadPlace {
  std::string data_folder;  ///< originals lie below it
  std::string spool_folder;
  std::uint64_t bytes_max = std::uint64_t{4} << 30;  ///< of one request
  std::uint32_t files_max = 1000;                    ///< of one request
  Executor* blocking = nullptr;
};

/// The form of a multipart request, its files in the place's spool folder.
Task<Result<Form>> ReadUpload(Ctx ctx, UploadPlace place, HttpRequest request);

/// A file of a form as a source; the form keeps the file until it is released.
v1::Source SourceOf(const SpooledFile& file);

/// Adds the files of `form` whose field is one of `fields` to the ingest; other files are refused.
Status AddFiles(const Form& form, std::initializer_list<std::string_view> fields,
                v1::IngestRequest* ingest);

/// Adds the links in the field `name`, a JSON list of URLs; none when it is absent.
Status AddLinks(const Form& form, std::string_view name, v1::IngestRequest* ingest);

/// A whole number of a field; 0 when it is absent or empty.
Result<std::uint32_t> ReadNumber(const Form& form, std::string_view name);

/// The settings of an upload route.
void TakesForm(Route& route, const UploadPlace& place);

}  // namespace tessera
