// What ingest costs without an embedder and a store: ingest_bench WORKER FILE-OR-FOLDER… [--dump
// OUT]
//
// Runs the whole service over the files, with an embedder that answers at once and a store in
// memory, and prints documents, passages and megabytes a second, the processor time a passage, and
// the speed of cleaning and chunking alone. --dump writes every passage as a line of JSON.

#include <cstdio>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>

#include "base/json_writer.h"
#include "base/str.h"
#include "services/dataprep/chunker.h"
#include "services/dataprep/cleaner.h"
#include "services/dataprep/local_dataprep.h"
#include "services/dataprep/testing/memory_services.h"
#include "store/test_folder.h"

namespace tessera {
namespace {

double CpuSeconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double ThreadSeconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double Seconds(SteadyTime since) { return std::chrono::duration<double>(Now() - since).count(); }

v1::IngestRequest RequestFor(const std::vector<std::string>& roots) {
  namespace fs = std::filesystem;
  v1::IngestRequest request;
  for (const std::string& root : roots) {
    if (!fs::is_directory(root)) {
      request.add_sources()->set_path(root);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      v1::Source& source = *request.add_sources();
      source.set_path(entry.path().string());
      source.set_name(fs::relative(entry.path(), root).string());
    }
  }
  return request;
}

constexpr const char* kManual = "/usr/share/doc/postgresql-doc-15/html";

void Print(const std::string& name, double value, const char* unit, const std::string& how) {
  JsonWriter json;
  json.BeginObject().Field("name", name).Field("value", value).Field("unit", unit);
  json.Field("how", how).EndObject();
  std::printf("%s\n", json.text().c_str());
}

// Small Markdown files, as many as the manual has pages.
void MakeFiles(const std::string& folder) {
  std::filesystem::create_directories(folder);
  for (int i = 0; i < 1000; ++i) {
    std::ofstream out(StrCat(folder, "/", i, ".md"));
    for (int section = 0; section < 8; ++section) {
      out << "# Section " << section << " of file " << i << "\n\n";
      for (int line = 0; line < 12; ++line)
        out << "Sentence " << line << " of section " << section << " in file " << i
            << " tells of stones, glass and the hand that lays them beside each other.\n";
      out << "\n";
    }
  }
}

void Dump(const MemoryRetrieval& retrieval, const std::string& path) {
  std::ofstream out(path);
  for (const auto& [id, stored] : retrieval.documents()) {
    for (const v1::Chunk& chunk : stored.chunks) {
      JsonWriter json;
      json.BeginObject();
      json.Field("name", stored.document.name()).Field("title", stored.document.title());
      json.Field("heading", chunk.heading()).Field("ordinal", chunk.ordinal());
      json.Field("text", chunk.text()).EndObject();
      out << json.text() << '\n';
    }
  }
}

// Cleaning and chunking alone, over the texts that were stored.
void BenchText(const MemoryRetrieval& retrieval) {
  std::vector<Block> blocks;
  std::size_t bytes = 0;
  for (const auto& [id, stored] : retrieval.documents()) {
    for (const v1::Chunk& chunk : stored.chunks) {
      Block block;
      block.text = chunk.text();
      bytes += block.text.size();
      blocks.push_back(std::move(block));
    }
  }
  const double start = ThreadSeconds();
  Cleaner cleaner;
  Chunker chunker({});
  std::vector<Block> clean;
  std::vector<TextChunk> passages;
  for (Block& block : blocks) {
    cleaner.Add(std::move(block), clean);
    for (const Block& done : clean) chunker.Add(done, passages);
    clean.clear();
  }
  const double seconds = ThreadSeconds() - start;
  Print("clean and chunk", static_cast<double>(bytes) / seconds / 1e6, "MB/s",
        "text of the passages through cleaner and chunker, a second of processor time");
}

int Run(int argc, char** argv) {
  ExtractConfig extract;
  extract.worker = {TESSERA_EXTRACT_WORKER};
  Extractor extractor(extract);
  TestFolder folder;
  std::vector<std::string> roots;
  std::string dump;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--dump" && i + 1 < argc)
      dump = argv[++i];
    else
      roots.emplace_back(argv[i]);
  }
  if (roots.empty() && std::filesystem::is_directory(kManual)) roots.emplace_back(kManual);
  if (roots.empty()) {
    roots.push_back(folder.Path("files"));
    MakeFiles(roots[0]);
  }
  Result<DataFolder> data = DataFolder::Open(folder.Path("data"));
  CHECK(data.ok());
  MemoryRetrieval retrieval;
  MemoryInference inference;
  auto opened = LocalDataprep::Open(
      {}, *data, retrieval, inference,
      [&extractor](const std::string& path, const std::string& name, CancelToken cancel) {
        return extractor.Open(path, name, cancel);
      },
      nullptr);
  CHECK(opened.ok());
  LocalDataprep& dataprep = **opened;
  CHECK(dataprep.Start().ok());

  const SteadyTime start = Now();
  const double cpu_start = CpuSeconds(RUSAGE_SELF);
  Result<v1::Job> job = SyncWait(dataprep.Ingest(SystemCtx(), RequestFor(roots)));
  if (!job.ok()) {
    std::fprintf(stderr, "%s\n", std::string(StdView(job.status().message())).c_str());
    return 1;
  }
  v1::GetJobRequest get;
  get.set_id(job->id());
  auto stream = SyncWait(dataprep.WatchJob(SystemCtx(), get));
  v1::Job last;
  while (true) {
    auto event = SyncWait((*stream)->Next(SystemCtx()));
    CHECK(event.ok());
    if (!event->has_value()) break;
    last = **std::move(event);
  }
  const double seconds = Seconds(start);
  const double cpu = CpuSeconds(RUSAGE_SELF) - cpu_start;
  for (const v1::SourceProgress& progress : last.progress())
    if (progress.state() == v1::SOURCE_STATE_FAILED)
      std::fprintf(stderr, "%s: %s: %s\n", progress.name().c_str(), progress.error_code().c_str(),
                   progress.error().c_str());
  const double passages = static_cast<double>(last.chunks());
  const double megabytes = static_cast<double>(last.bytes_done()) / 1e6;
  const std::string how = StrCat(last.succeeded(), " documents, ", last.chunks(), " passages, ",
                                 static_cast<int>(megabytes),
                                 " MB; extracted, cleaned, chunked, originals kept; "
                                 "embedder and store cost nothing");
  Print("ingest without embedder", megabytes / seconds, "MB/s", how);
  Print("ingest without embedder, passages", passages / seconds, "1/s", how);
  Print("ingest without embedder, processor", cpu / passages * 1e6, "us a passage",
        "user and system time of this process; the extractor's children not counted");
  if (!dump.empty()) Dump(retrieval, dump);
  CHECK(SyncWait(dataprep.Stop(SystemCtx())).ok());
  BenchText(retrieval);
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) { return tessera::Run(argc, argv); }
