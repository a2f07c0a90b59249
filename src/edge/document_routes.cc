#include "edge/document_routes.h"

#include <memory>

#include <sys/stat.h>

#include "base/field_error.h"
#include "base/str.h"
#include "edge/proto_json.h"
#include "net/header_values.h"
#include "net/uri.h"
#include "runtime/thread_pool.h"

namespace tessera {
namespace {

using Handle = Task<Result<HttpReply>>;

// What a browser may show by itself; everything else is saved, so that a document can never act as
// a page of this origin.
bool IsInline(std::string_view media_type) {
  return media_type == "application/pdf" || media_type == "text/plain" ||
         media_type == "image/png" || media_type == "image/jpeg" || media_type == "image/gif" ||
         media_type == "image/webp";
}

class DocumentRoutes {
 public:
  DocumentRoutes(UploadPlace place, Dataprep& dataprep, Retrieval& retrieval)
      : place_(std::move(place)), dataprep_(dataprep), retrieval_(retrieval) {}

  Handle Upload(Ctx ctx, HttpRequest request) const {
    v1::IngestRequest ingest;
    ingest.set_collection(std::string(request.Param("collection")));
    CO_TRY(Form form, co_await ReadUpload(ctx, place_, std::move(request)));
    CO_TRY(AddLinks(form, "links", &ingest));
    for (const auto& [name, value] : form.fields) {
      if (name != "links" && name != "chunk_tokens" && name != "chunk_overlap") {
        co_return InvalidField(name.substr(0, 80),
                               "is not a known field; files come as \"files\", URLs as \"links\"");
      }
    }
    CO_TRY(const std::uint32_t tokens, ReadNumber(form, "chunk_tokens"));
    ingest.mutable_chunking()->set_tokens_max(tokens);
    CO_TRY(const std::uint32_t overlap, ReadNumber(form, "chunk_overlap"));
    ingest.mutable_chunking()->set_overlap_tokens(overlap);
    CO_TRY(AddFiles(form, {"files", "file"}, &ingest));
    if (ingest.sources().empty()) co_return InvalidField("files", "there is nothing to ingest");
    CO_TRY(const v1::Job job, co_await dataprep_.Ingest(ctx, std::move(ingest)));
    for (SpooledFile& file : form.files) file.Release();  // the job's from now on
    HttpReply reply = HttpReply::Json(202, MessageToJson(job));
    reply.headers.Add("location", StrCat("/api/v1/jobs/", job.id()));
    co_return reply;
  }

  Handle Original(Ctx ctx, HttpRequest request) const {
    v1::GetDocumentRequest get;
    get.set_id(std::string(request.Param("id")));
    CO_TRY(const v1::Document document, co_await retrieval_.GetDocument(ctx, std::move(get)));
    if (document.original().empty()) {
      co_return absl::NotFoundError("the original of this document was not kept");
    }
    const std::string path = StrCat(place_.data_folder, "/", document.original());
    const auto look = [&path] {
      struct stat info = {};
      const bool there = ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
      return there ? static_cast<std::int64_t>(info.st_size) : std::int64_t{-1};
    };
    const std::int64_t size = co_await RunOn(*place_.blocking, look);
    if (size < 0) co_return absl::NotFoundError("the original of this document is gone");
    co_return OriginalReply(request, path, static_cast<std::uint64_t>(size), document.name(),
                            document.media_type(), StrCat("\"", document.sha256(), "\""));
  }

 private:
  const UploadPlace place_;
  Dataprep& dataprep_;
  Retrieval& retrieval_;
};

}  // namespace

HttpReply OriginalReply(const HttpRequest& request, const std::string& path, std::uint64_t size,
                        std::string_view name, std::string_view media_type, std::string_view etag) {
  HttpReply reply;
  reply.headers.Add("etag", etag);
  reply.headers.Add("accept-ranges", "bytes");
  reply.headers.Add("cache-control", "private, no-cache");
  reply.headers.Add("content-security-policy",
                    "sandbox; default-src 'none'; style-src 'unsafe-inline'");
  const std::string_view known = request.headers.Get("if-none-match");
  if (!known.empty() && MatchesEtag(known, etag)) {
    reply.status = 304;
    return reply;
  }
  std::string_view range_header = request.headers.Get("range");
  const std::string_view if_range = request.headers.Get("if-range");
  // A weak tag or a date is no proof that the bytes are the same (RFC 9110 §13.1.5).
  if (!if_range.empty() && if_range != etag) range_header = {};
  const RangeRequest range = ParseRange(range_header, size);
  if (range.kind == RangeRequest::Kind::kUnsatisfiable) {
    reply.status = 416;
    reply.headers.Add("content-range", StrCat("bytes */", size));
    return reply;
  }
  if (range.kind == RangeRequest::Kind::kPart) {
    reply.status = 206;
    reply.headers.Add("content-range",
                      StrCat("bytes ", range.range.offset, "-",
                             range.range.offset + range.range.size - 1, "/", size));
  }
  const bool shown = IsInline(media_type);
  const bool text = media_type == "text/plain";
  reply.headers.Add("content-type", shown ? StrCat(media_type, text ? "; charset=utf-8" : "")
                                          : std::string("application/octet-stream"));
  const std::size_t slash = name.find_last_of('/');
  const std::string_view last = slash == name.npos ? name : name.substr(slash + 1);
  reply.headers.Add("content-disposition", StrCat(shown ? "inline" : "attachment",
                                                  "; filename*=UTF-8''", PercentEncode(last)));
  reply.body = FileBody{path, range.range.offset, range.range.size};
  return reply;
}

void AddDocumentRoutes(UploadPlace place, Dataprep& dataprep, Retrieval& retrieval,
                       HttpRoutes& routes) {
  Route upload;
  upload.method = HttpMethod::kPost;
  upload.pattern = "/api/v1/collections/{collection}/documents";
  upload.scope = "dataprep.write";
  TakesForm(upload, place);
  const auto self = std::make_shared<const DocumentRoutes>(std::move(place), dataprep, retrieval);
  upload.handler = [self](Ctx ctx, HttpRequest request) {
    return self->Upload(std::move(ctx), std::move(request));
  };
  upload.doc.summary = "ingests files and URLs; answers 202 with the job";
  upload.doc.tag = "dataprep";
  upload.doc.request_schema =
      R"({"type":"object","properties":{"files":{"type":"array","items":{"type":"string",)"
      R"("format":"binary"}},"links":{"type":"string","description":"a JSON list of URLs"},)"
      R"("chunk_tokens":{"type":"integer"},"chunk_overlap":{"type":"integer"}}})";
  upload.doc.reply = v1::Job::descriptor();
  routes.Add(std::move(upload));

  Route original;
  original.pattern = "/api/v1/documents/{id}/original";
  original.scope = "retrieval.read";
  original.handler = [self](Ctx ctx, HttpRequest request) {
    return self->Original(std::move(ctx), std::move(request));
  };
  original.doc.summary = "the document as it was given; Range is understood";
  original.doc.tag = "retrieval";
  original.doc.reply_media_type = "";
  routes.Add(std::move(original));
}

}  // namespace tessera
