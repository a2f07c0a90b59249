// The extract worker as a program of its own, for tests: plain, or with a reader that misbehaves
// (hang, spin, crash, eat, garbage, escape FILE). And a look at what extraction makes of files:
// print FILE…, count FILE….

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

#include "extract/extractor.h"
#include "extract/worker.h"

namespace {

int Print(int argc, char** argv) {
  tessera::ExtractConfig config;
  config.worker = {"/proc/self/exe"};
  tessera::Extractor extractor(config);
  const bool quiet = std::strcmp(argv[1], "count") == 0;
  std::size_t files = 0;
  std::size_t documents = 0;
  std::size_t failures = 0;
  std::size_t blocks = 0;
  std::size_t bytes = 0;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 2; i < argc; ++i) {
    ++files;
    auto extraction = extractor.Open(argv[i], argv[i]);
    if (!extraction.ok())
      return std::fprintf(stderr, "%s\n", extraction.status().ToString().c_str()), 1;
    tessera::ExtractEvent event;
    while ((*extraction)->Next(event).value_or(false)) {
      using Kind = tessera::ExtractEvent::Kind;
      if (event.kind == Kind::kStart) ++documents;
      if (event.kind == Kind::kBlock) ++blocks, bytes += event.block.text.size();
      if (event.kind == Kind::kEnd && event.error) ++failures;
      if (event.kind == Kind::kEnd && event.error && quiet) {
        std::printf("%s: %s: %s\n", event.info.name.c_str(),
                    std::string(ToString(event.error->code)).c_str(), event.error->message.c_str());
      }
      if (quiet) continue;
      if (event.kind == Kind::kStart) {
        std::printf("== %s | %s | title=%s | author=%s | pages=%u\n", event.info.name.c_str(),
                    event.info.media_type.c_str(), event.info.title.c_str(),
                    event.info.author.c_str(), event.info.pages);
      } else if (event.kind == Kind::kBlock) {
        static const char* const kNames[] = {"heading", "para", "item", "row", "code", "quote"};
        const tessera::Block& block = event.block;
        std::printf("[%s%d p%u%s%s] %s\n", kNames[static_cast<int>(block.kind)],
                    block.heading_level + block.list_depth, block.page,
                    block.page_edge ? " edge" : "", block.continues ? " +" : "",
                    block.text.c_str());
      } else {
        for (const auto& note : event.info.notes) std::printf("note: %s\n", note.c_str());
        for (const auto& [key, value] : event.info.metadata)
          std::printf("%s = %s\n", key.c_str(), value.c_str());
        if (event.error) {
          std::printf("ERROR %s: %s\n", std::string(ToString(event.error->code)).c_str(),
                      event.error->message.c_str());
        }
        std::printf("-- end\n");
      }
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf(
      "%zu files, %zu documents, %zu failed, %zu blocks, %.1f MB of text, %.3f s, %.2f ms a file\n",
      files, documents, failures, blocks, static_cast<double>(bytes) / 1e6, seconds,
      seconds * 1e3 / static_cast<double>(files ? files : 1));
  return failures > 0 ? 1 : 0;
}

std::string secret_path;

void Say(tessera::ReadJob& job, const char* what, bool allowed) {
  tessera::Block block;
  block.text = std::string(what) + (allowed ? ": allowed" : ": denied");
  (void)job.out.Add(std::move(block));
}

bool CanOpen(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  return fd >= 0;
}

void Escape(const tessera::InputFile& file, tessera::ReadJob& job) {
  tessera::DocumentInfo info;
  info.name = file.name();
  job.out.Start(info);
  Say(job, "socket", ::socket(AF_INET, SOCK_STREAM, 0) >= 0);
  Say(job, "kill parent", ::kill(::getppid(), 0) == 0);
  Say(job, "user namespace", ::unshare(CLONE_NEWUSER) == 0);
  Say(job, "ptrace", ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr) == 0);
  Say(job, "read secret", CanOpen(secret_path, O_RDONLY));
  Say(job, "write /tmp", CanOpen("/tmp/tessera-escaped", O_WRONLY | O_CREAT));
  Say(job, "write own folder", CanOpen(job.temp_dir + "/file", O_WRONLY | O_CREAT));
  Say(job, "open input again", CanOpen("/proc/self/fd/" + std::to_string(file.fd()), O_RDONLY));
  job.out.End(info, {});
}

void Hang(const tessera::InputFile&, tessera::ReadJob&) {
  while (true) ::pause();
}

void Spin(const tessera::InputFile&, tessera::ReadJob&) {
  for (volatile unsigned i = 0;; i = i + 1) {
  }
}

/// Crashes on files that ask for it.
void Crash(const tessera::InputFile& file, tessera::ReadJob& job) {
  if (file.Head(100).find("crash") != std::string::npos) std::abort();
  tessera::ReadFile(file, job);
}

void Eat(const tessera::InputFile&, tessera::ReadJob&) {
  for (std::string all(1 << 20, 'x');;) all.append(all);
}

void Garbage(const tessera::InputFile&, tessera::ReadJob&) {
  const char bytes[] = "\x05\0\0\0\x09 not a frame at all";
  (void)!::write(4, bytes, sizeof bytes);  // the pipe of a job's process
  ::_exit(0);
}

tessera::FileReader ReaderOf(std::string_view mode) {
  if (mode == "hang") return Hang;
  if (mode == "spin") return Spin;
  if (mode == "crash") return Crash;
  if (mode == "eat") return Eat;
  if (mode == "garbage") return Garbage;
  if (mode == "escape") return Escape;
  return tessera::ReadFile;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "print" || mode == "count") return Print(argc, argv);
  if (argc > 2) secret_path = argv[2];
  return tessera::ServeExtractJobs(0, ReaderOf(mode));
}
