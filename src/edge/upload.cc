#include "edge/upload.h"

#include <algorithm>
#include <utility>

#include "base/field_error.h"
#include "base/json.h"
#include "base/str.h"
#include "net/uri.h"

namespace tessera {
namespace {

constexpr std::size_t kLinksMax = 1000;
constexpr std::uint32_t kFieldsMax = 16;
constexpr std::size_t kDigitsMax = 9;

}  // namespace

Task<Result<Form>> ReadUpload(Ctx ctx, UploadPlace place, HttpRequest request) {
  CO_TRY(std::string boundary, MultipartBoundary(request.headers.Get("content-type")));
  MultipartLimits limits;
  limits.file_bytes_max = place.bytes_max;
  limits.parts_max = place.files_max + kFieldsMax;
  co_return co_await ReadForm(std::move(ctx), std::move(request.stream), std::move(boundary),
                              place.spool_folder, limits, *place.blocking);
}

v1::Source SourceOf(const SpooledFile& file) {
  v1::Source source;
  source.set_path(file.path());
  source.set_name(file.name);
  source.set_media_type(file.media_type);
  source.set_spooled(true);
  return source;
}

Status AddFiles(const Form& form, std::initializer_list<std::string_view> fields,
                v1::IngestRequest* ingest) {
  for (const SpooledFile& file : form.files) {
    if (std::find(fields.begin(), fields.end(), file.field) == fields.end()) {
      return InvalidField(file.field.substr(0, 80),
                          StrCat("is no field for a file; send it as \"", *fields.begin(), "\""));
    }
    *ingest->add_sources() = SourceOf(file);
  }
  return absl::OkStatus();
}

Status AddLinks(const Form& form, std::string_view name, v1::IngestRequest* ingest) {
  const std::string* text = form.Field(name);
  if (text == nullptr || text->empty()) return absl::OkStatus();
  const Result<JsonDocument> document = JsonDocument::Parse(*text);
  if (!document.ok()) return InvalidField(name, StdView(document.status().message()));
  if (!document->root().is_array()) return InvalidField(name, "must be a JSON list of URLs");
  const std::vector<JsonValue> links = document->root().Elements();
  if (links.size() > kLinksMax) return InvalidField(name, StrCat("at most ", kLinksMax, " links"));
  for (std::size_t i = 0; i < links.size(); ++i) {
    const std::string field = StrCat(name, "[", i, "]");
    const auto link = links[i].AsString();
    if (!link) return InvalidField(field, "must be a string");
    const auto url = ParseUrl(*link);
    if (!url.ok()) return InvalidField(field, StdView(url.status().message()));
    ingest->add_sources()->set_url(std::string(*link));
  }
  return absl::OkStatus();
}

Result<std::uint32_t> ReadNumber(const Form& form, std::string_view name) {
  const std::string* text = form.Field(name);
  if (text == nullptr || text->empty()) return 0;
  if (text->size() > kDigitsMax || text->find_first_not_of("0123456789") != std::string::npos) {
    return InvalidField(name, "must be a whole number");
  }
  return static_cast<std::uint32_t>(std::stoul(*text));
}

void TakesForm(Route& route, const UploadPlace& place) {
  route.body = BodyKind::kStreamed;
  route.body_max = place.bytes_max;
  route.media_types = {"multipart/form-data"};
  route.in_flight_max = 16;
  route.doc.request_media_type = "multipart/form-data";
}

}  // namespace tessera
