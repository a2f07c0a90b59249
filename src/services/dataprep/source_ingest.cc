#include "services/dataprep/source_ingest.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/ids.h"
#include "base/str.h"
#include "services/dataprep/content.h"
#include "services/dataprep/hash.h"
#include "services/dataprep/patience.h"
#include "services/dataprep/token_estimate.h"

namespace tessera {
namespace {

// Passages of one document that travel together, and how many such slabs are on their way at once.
constexpr std::size_t kSlabPassages = 64;
constexpr std::size_t kSlabsInFlight = 3;
// Raised when the same file may give other passages than before.
constexpr int kChunkingVersion = 2;

namespace fs = std::filesystem;

v1::Chunk ToChunk(TextChunk passage, std::string_view title, std::uint32_t ordinal,
                  v1::Vector vector) {
  v1::Chunk chunk;
  chunk.set_ordinal(ordinal);
  chunk.set_text(std::move(passage.text));
  chunk.set_heading(HeadingPath(title, passage.headings));
  chunk.set_page(passage.page);
  chunk.set_start(passage.start);
  chunk.set_end(passage.end);
  *chunk.mutable_vector() = std::move(*vector.mutable_values());
  return chunk;
}

bool MayHoldOthers(const std::string& media_type) {
  return media_type == "message/rfc822" || media_type == "application/zip";
}

}  // namespace

std::string SpoolPath(const DataFolder& data, const std::string& job, std::uint32_t number) {
  return StrCat(data.Path("spool"), "/", job, "/", number);
}

SourceIngest::Failure SourceIngest::FailureOf(const Status& status) {
  const std::string message(StdView(status.message()));
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return {"cancelled", message};
    case absl::StatusCode::kResourceExhausted:
      return {message.find("space") != std::string::npos ? "disk_full" : "limit_reached", message};
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInvalidArgument:
      return {"unreadable", message};
    case absl::StatusCode::kAlreadyExists:
      return {"already_exists", message};
    case absl::StatusCode::kDeadlineExceeded:
      return {"timeout", message};
    case absl::StatusCode::kOutOfRange:
      return {"too_large", message};
    case absl::StatusCode::kUnavailable:
      return {"unavailable", message};
    case absl::StatusCode::kFailedPrecondition:
      return {"refused", message};
    default:
      return {"internal", message};
  }
}

SourceIngest::Failure SourceIngest::UrlFailureOf(const Status& status) {
  const std::string message(StdView(status.message()));
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return {"bad_url", message};
    case absl::StatusCode::kPermissionDenied:
      return {"not_allowed", message};
    case absl::StatusCode::kNotFound:
      return {"not_found", message};
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return {"unreachable", message};
    default:
      return FailureOf(status);
  }
}

Task<void> SourceIngest::Run(Ctx ctx) {
  const JobEntry entry = job_.Entry(number_);
  if (HasEnded(entry.progress.state())) co_return;
  source_ = entry.source;
  name_ = entry.progress.name();
  job_.Update(number_, [](v1::SourceProgress& progress) {
    progress.set_state(v1::SOURCE_STATE_RUNNING);
    progress.set_chunks(0);
    progress.clear_error_code();
    progress.clear_error();
  });
  const std::optional<Failure> failure = co_await Ingest(ctx);
  reader_.reset();
  if (!ctx.Check().ok()) co_return;  // the job says what becomes of it
  if (failure) Fail(number_, *failure);
  EndSource();
  job_.AddBytes(entry.progress.bytes());
}

Task<std::optional<SourceIngest::Failure>> SourceIngest::Ingest(Ctx ctx) {
  Result<std::optional<Original>> original = co_await Obtain(ctx);
  if (!original.ok()) {
    const bool link = !source_.url().empty();
    co_return link ? UrlFailureOf(original.status()) : FailureOf(original.status());
  }
  if (!original->has_value()) co_return std::nullopt;  // unchanged
  original_ = **std::move(original);
  Result<std::unique_ptr<Extraction>> extraction = tools_.open(original_.path, name_, ctx.cancel());
  if (!extraction.ok()) co_return FailureOf(extraction.status());
  ChunkerConfig chunking = embedder_.chunking;
  reader_ = std::make_unique<DocumentReader>(*std::move(extraction), chunking);
  const Status status = co_await ReadAll(ctx);
  if (!status.ok()) {
    const Failure failure = FailureOf(status);
    if (writing_) co_await Drop(ctx, failure);
    co_return failure;
  }
  if (documents_ == 0) co_return Failure{"no_text", "the file holds no text"};
  if (whole_ == 0 && !own_end_) {
    co_return Failure{"no_text", StrCat("none of the ", documents_,
                                        " documents within could be read; each tells why")};
  }
  co_return std::nullopt;
}

// The committed document of the source's own name; an empty one when there is none.
Task<Result<v1::Document>> SourceIngest::FindCommitted(Ctx ctx) {
  v1::ListDocumentsRequest request;
  request.set_collection(job_.collection());
  request.set_name(name_);
  request.set_limit(1);
  CO_TRY(v1::ListDocumentsReply reply,
         co_await tools_.retrieval.ListDocuments(ctx, std::move(request)));
  v1::Document document;
  if (reply.documents_size() > 0) document = std::move(*reply.mutable_documents(0));
  co_return document;
}

// True, and the entry is ended, when the committed document was made of the same bytes.
Task<Result<bool>> SourceIngest::IsUnchanged(Ctx ctx, std::string sha256) {
  CO_TRY(const v1::Document document, co_await FindCommitted(ctx));
  if (document.sha256() != sha256 || MayHoldOthers(document.media_type())) co_return false;
  // Committed by this job before a crash is done, not unchanged.
  const bool ours = document.created_ms() >= job_.View().created_ms();
  job_.Update(number_, [&document, ours](v1::SourceProgress& progress) {
    progress.set_document_id(document.id());
    progress.set_chunks(ours ? document.chunks() : 0);
    progress.set_state(ours ? v1::SOURCE_STATE_DONE : v1::SOURCE_STATE_UNCHANGED);
  });
  co_return true;
}

// A file of our own in the tmp folder with the source's bytes.
Task<Result<std::string>> SourceIngest::BringToTmp(Ctx ctx) {
  if (!source_.url().empty()) co_return co_await Fetch(std::move(ctx));
  co_return co_await RunOn(tools_.blocking, [this, &ctx] { return CopyToTmp(ctx.cancel()); });
}

Task<Result<std::string>> SourceIngest::Fetch(Ctx ctx) {
  if (tools_.fetch == nullptr)
    co_return absl::FailedPreconditionError("this server does not fetch links");
  CO_TRY(CheckRoom(tools_.data.path(), 0, tools_.config.disk_reserve.count));
  const std::string path = StrCat(tools_.data.tmp(), "/", NewId("fetch-"));
  CO_TRY(co_await tools_.fetch->ToFile(ctx, source_.url(), path));
  co_return path;
}

// Blocks.
Result<std::string> SourceIngest::CopyToTmp(CancelToken cancel) {
  std::string path = StrCat(tools_.data.tmp(), "/", NewId("ingest-"));
  if (source_.path().empty()) {
    TRY(WriteContent(path, source_.text()));
    return path;
  }
  const std::string from =
      source_.spooled() ? SpoolPath(tools_.data, job_.id(), number_) : source_.path();
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(from, error);
  if (source_.spooled()) {
    // The spooled name stays until the source has ended, for a restart.
    fs::create_hard_link(from, path, error);
    if (!error) return path;
  }
  TRY(CheckRoom(tools_.data.path(), error ? 0 : bytes, tools_.config.disk_reserve.count));
  TRY(CopyContent(from, path, cancel));
  return path;
}

// The stored original, or nothing when the document is there already.
Task<Result<std::optional<SourceIngest::Original>>> SourceIngest::Obtain(Ctx ctx) {
  Original original;
  const bool in_place = !source_.path().empty() && !source_.spooled();
  if (in_place) {  // look before copying
    CO_TRY(const v1::Document document, co_await FindCommitted(ctx));
    if (!document.id().empty()) {
      const Result<Content> content = co_await RunOn(
          tools_.blocking, [this, &ctx] { return ReadContent(source_.path(), ctx.cancel()); });
      if (!content.ok()) co_return content.status();
      CO_TRY(const bool unchanged, co_await IsUnchanged(ctx, content->sha256));
      if (unchanged) co_return std::nullopt;
    }
  }
  const Result<std::string> brought = co_await BringToTmp(ctx);
  if (!brought.ok()) co_return brought.status();
  const std::string& file = *brought;
  const Result<Content> content =
      co_await RunOn(tools_.blocking, [&file, &ctx] { return ReadContent(file, ctx.cancel()); });
  std::error_code ignored;
  if (!content.ok()) {
    fs::remove(file, ignored);
    co_return content.status();
  }
  original.sha256 = content->sha256;
  original.bytes = content->bytes;
  job_.Update(number_,
              [&original](v1::SourceProgress& progress) { progress.set_bytes(original.bytes); });
  const Result<bool> unchanged = co_await IsUnchanged(ctx, original.sha256);
  if (!unchanged.ok() || *unchanged) {
    fs::remove(file, ignored);
    if (!unchanged.ok()) co_return unchanged.status();
    co_return std::nullopt;
  }
  Result<std::string> kept = co_await RunOn(tools_.blocking, [this, &file, &original] {
    return tools_.data.KeepOriginal(file, original.sha256);
  });
  if (!kept.ok()) {
    fs::remove(file, ignored);
    co_return kept.status();
  }
  original.relative = *std::move(kept);
  original.path = tools_.data.Path(original.relative);
  co_return original;
}

Task<Status> SourceIngest::ReadAll(Ctx ctx) {
  while (true) {
    CO_TRY(ctx.Check());
    Result<DocumentReader::Step> step =
        co_await RunOn(tools_.blocking, [this] { return reader_->Next(kSlabPassages); });
    if (!step.ok()) co_return step.status();
    if (step->kind == DocumentReader::Step::Kind::kFinished) co_return absl::OkStatus();
    const bool at_end = step->kind == DocumentReader::Step::Kind::kEnd;
    const Status status = co_await Step(ctx, *std::move(step));
    if (status.ok()) continue;
    // A fault of this document does not stop the next ones; that of the whole job does.
    CO_TRY(ctx.Check());
    if (!writing_) co_return status;
    co_await Drop(ctx, FailureOf(status));
    if (!at_end) reader_->SkipDocument();
  }
}

Task<Status> SourceIngest::Step(Ctx ctx, DocumentReader::Step step) {
  switch (step.kind) {
    case DocumentReader::Step::Kind::kStart:
      co_return co_await Begin(std::move(ctx), std::move(step.info));
    case DocumentReader::Step::Kind::kSample:
      co_return co_await CountSample(std::move(ctx), std::move(step.sample));
    case DocumentReader::Step::Kind::kPassages:
      if (!writing_ || !writing_->wanted) co_return absl::OkStatus();
      co_return co_await Send(std::move(ctx), std::move(step.passages));
    case DocumentReader::Step::Kind::kEnd:
      co_return co_await End(std::move(ctx), std::move(step));
    case DocumentReader::Step::Kind::kFinished:
      break;
  }
  co_return absl::OkStatus();
}

Task<Status> SourceIngest::Begin(Ctx ctx, DocumentInfo info) {
  ++documents_;
  const std::string name = info.name.empty() ? name_ : info.name;
  writing_ = std::make_unique<Writing>();
  writing_->entry = job_.FindDocument(number_, name);
  writing_->title = info.title;
  writing_->pages = info.pages;
  if (writing_->entry != number_ && HasEnded(job_.Entry(writing_->entry).progress.state())) {
    writing_->wanted = false;  // an earlier run of the job did it
    whole_ += job_.Entry(writing_->entry).progress.state() != v1::SOURCE_STATE_FAILED;
    reader_->SkipDocument();
    co_return absl::OkStatus();
  }
  job_.Update(writing_->entry, [](v1::SourceProgress& progress) {
    progress.set_state(v1::SOURCE_STATE_RUNNING);
    progress.set_chunks(0);
    progress.set_pages_done(0);
  });
  v1::BeginDocumentRequest request;
  v1::Document& document = *request.mutable_document();
  document.set_collection(job_.collection());
  document.set_name(name);
  document.set_title(info.title);
  document.set_media_type(info.media_type);
  document.set_bytes(original_.bytes);
  document.set_sha256(original_.sha256);
  document.set_original(original_.relative);
  *document.mutable_metadata() = job_.request().metadata();
  request.mutable_embedder()->set_model(embedder_.model);
  request.mutable_embedder()->set_digest(embedder_.digest);
  const ChunkerConfig& chunking = embedder_.chunking;
  request.set_resume_key(StrCat(job_.id(), "/", number_, "/", Hex(HashBytes(name)), "/",
                                original_.sha256.substr(0, 16), "/", kChunkingVersion, "-",
                                chunking.tokens_max, "-", chunking.overlap_tokens));
  CO_TRY(v1::BeginDocumentReply reply,
         co_await tools_.retrieval.BeginDocument(ctx, std::move(request)));
  writing_->id = reply.id();
  writing_->stored = reply.next_ordinal();
  if (reply.unchanged()) {
    writing_->wanted = false;
    ++whole_;
    reader_->SkipDocument();
    CO_TRY(const bool ours, co_await IsOurs(ctx, reply.id()));
    job_.Update(writing_->entry, [&reply, ours](v1::SourceProgress& progress) {
      progress.set_document_id(reply.id());
      progress.set_chunks(ours ? reply.next_ordinal() : 0);
    });
    SetEnded(writing_->entry, ours ? v1::SOURCE_STATE_DONE : v1::SOURCE_STATE_UNCHANGED);
  }
  co_return absl::OkStatus();
}

// Whether this job committed the document: before a crash, or in the moment of an interruption. One
// without an id somebody has deleted since.
Task<Result<bool>> SourceIngest::IsOurs(Ctx ctx, std::string id) {
  if (id.empty() || job_.Entry(writing_->entry).progress.document_id() == id) co_return true;
  v1::GetDocumentRequest request;
  request.set_id(id);
  const Result<v1::Document> document =
      co_await tools_.retrieval.GetDocument(ctx, std::move(request));
  CO_TRY(ctx.Check());
  co_return document.ok() && document->created_ms() >= job_.View().created_ms();
}

Task<Status> SourceIngest::CountSample(Ctx ctx, std::string sample) {
  double scale = 1.1;  // when the embedder cannot count: a little careful
  const double estimate = EstimateTokens(sample);
  v1::CountTokensRequest request;
  request.set_model(embedder_.model);
  request.add_texts(std::move(sample));
  // Patiently: counted otherwise, a document that is gone on with would be cut in another way.
  const Result<v1::CountTokensReply> reply =
      co_await AskPatiently(ctx, &tools_.inference, &Inference::CountTokens, std::move(request));
  CO_TRY(ctx.Check());
  if (reply.ok() && reply->counts_size() == 1 && estimate > 0)
    scale = std::clamp(reply->counts(0) / estimate, 0.9, 4.0);
  reader_->SetTokenScale(scale);
  co_return absl::OkStatus();
}

Task<Status> SourceIngest::Send(Ctx ctx, std::vector<TextChunk> passages) {
  Slab slab;
  std::vector<std::string> texts;
  for (TextChunk& passage : passages) {
    const std::uint32_t ordinal = writing_->ordinal++;
    if (ordinal < writing_->stored) continue;
    if (texts.empty()) slab.first = ordinal;
    texts.push_back(EmbeddingText(writing_->title, passage, embedder_.prefix_tokens_max));
    slab.passages.push_back(std::move(passage));
  }
  if (texts.empty()) co_return absl::OkStatus();
  slab.embeds = std::make_shared<PassageSlab>(embedder_.model, std::move(texts));
  const std::shared_ptr<PassageSlab> embeds = slab.embeds;
  CO_TRY(co_await tools_.embeds.Submit(ctx, embeds));
  writing_->slabs.push_back(std::move(slab));
  while (writing_->slabs.size() >= kSlabsInFlight) CO_TRY(co_await AppendOldest(ctx));
  co_return absl::OkStatus();
}

Task<Status> SourceIngest::AppendOldest(Ctx ctx) {
  CO_TRY(co_await writing_->slabs.front().embeds->Wait(ctx));
  Slab slab = std::move(writing_->slabs.front());
  writing_->slabs.pop_front();
  if (!embedder_.digest.empty() && slab.embeds->digest() != embedder_.digest) {
    co_return absl::FailedPreconditionError(
        StrCat("collection ", job_.collection(), " was made with another version of the embedder ",
               embedder_.model, "; embed it anew (tessera collections reembed ", job_.collection(),
               "), or use a new collection"));
  }
  v1::AppendChunksRequest request;
  request.set_id(writing_->id);
  std::uint32_t ordinal = slab.first;
  std::uint32_t page = 0;
  for (std::size_t i = 0; i < slab.passages.size(); ++i) {
    page = slab.passages[i].page;
    *request.add_chunks() = ToChunk(std::move(slab.passages[i]), writing_->title, ordinal++,
                                    std::move(slab.embeds->vectors()[i]));
  }
  CO_TRY(co_await tools_.retrieval.AppendChunks(ctx, std::move(request)));
  job_.Update(writing_->entry, [ordinal, page](v1::SourceProgress& progress) {
    progress.set_chunks(ordinal);
    progress.set_pages_done(page);
  });
  co_return absl::OkStatus();
}

Task<Status> SourceIngest::End(Ctx ctx, DocumentReader::Step step) {
  if (!writing_) {  // a file that is refused as a whole may end without having begun
    const std::string name = step.info.name.empty() ? name_ : step.info.name;
    ++documents_;
    if (step.error) {
      Fail(job_.FindDocument(number_, name),
           {std::string(ToString(step.error->code)), step.error->message});
    }
    co_return absl::OkStatus();
  }
  if (!writing_->wanted) {
    writing_.reset();
    co_return absl::OkStatus();
  }
  if (step.error) {
    co_await Drop(ctx, {std::string(ToString(step.error->code)), step.error->message});
    co_return absl::OkStatus();
  }
  while (!writing_->slabs.empty()) CO_TRY(co_await AppendOldest(ctx));
  if (writing_->ordinal == 0) {
    co_await Drop(ctx, {"no_text", "the document holds no text; a scan needs OCR (tesseract)"});
    co_return absl::OkStatus();
  }
  v1::CommitDocumentRequest request;
  request.set_id(writing_->id);
  request.set_title(step.info.title.empty() ? writing_->title : step.info.title);
  request.set_pages(step.info.pages);
  auto& metadata = *request.mutable_metadata();
  for (const auto& [key, value] : step.info.metadata) metadata[key] = value;
  if (!step.info.author.empty()) metadata["author"] = step.info.author;
  if (!step.info.language.empty()) metadata["language"] = step.info.language;
  for (const auto& [key, value] : job_.request().metadata()) metadata[key] = value;
  CO_TRY(const v1::Document document,
         co_await tools_.retrieval.CommitDocument(ctx, std::move(request)));
  job_.Update(writing_->entry, [&](v1::SourceProgress& progress) {
    progress.set_document_id(document.id());
    progress.set_chunks(writing_->ordinal);
    progress.set_pages_done(step.info.pages);
  });
  SetEnded(writing_->entry, v1::SOURCE_STATE_DONE);
  ++whole_;
  tools_.metrics.documents.Add();
  tools_.metrics.passages.Add(writing_->ordinal - writing_->stored);
  writing_.reset();
  co_return absl::OkStatus();
}

// Gives up the document that is being written; nothing of it stays, unless a shutdown is the
// reason.
Task<void> SourceIngest::Drop(Ctx ctx, Failure failure) {
  const std::unique_ptr<Writing> dropped = std::exchange(writing_, nullptr);
  const Writing& writing = *dropped;
  for (const Slab& slab : writing.slabs) slab.embeds->Abandon();
  const bool stopping = !ctx.Check().ok();
  if (stopping && !job_.cancelled_by_user()) co_return;
  if (!writing.id.empty() && writing.wanted && tools_.may_abort()) {
    v1::AbortDocumentRequest request;
    request.set_id(writing.id);
    const Result<v1::AbortDocumentReply> ignored =
        co_await tools_.retrieval.AbortDocument(SystemCtx(), std::move(request));
  }
  if (!stopping) Fail(writing.entry, failure);
}

// A source's own entry ends when all within it has ended: a mail is done long before its
// attachments are, and a restart goes on with those sources only that have not ended.
void SourceIngest::SetEnded(std::uint32_t entry, v1::SourceState state) {
  if (entry == number_)
    own_end_ = state;
  else
    job_.Update(entry, [state](v1::SourceProgress& progress) { progress.set_state(state); });
}

void SourceIngest::EndSource() {
  const v1::SourceState state = own_end_.value_or(v1::SOURCE_STATE_DONE);
  job_.Update(number_, [state](v1::SourceProgress& progress) {
    if (!HasEnded(progress.state())) progress.set_state(state);
  });
}

void SourceIngest::Fail(std::uint32_t entry, const Failure& failure) {
  tools_.metrics.failures.Add();
  if (job_.Entry(entry).progress.error_code().empty()) {  // the first reason is the best
    job_.Update(entry, [&failure](v1::SourceProgress& progress) {
      progress.set_error_code(failure.code);
      progress.set_error(failure.message);
      progress.set_chunks(0);
    });
  }
  SetEnded(entry, v1::SOURCE_STATE_FAILED);
}

}  // namespace tessera
