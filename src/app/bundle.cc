#include "app/bundle.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <sys/utsname.h>
#include <unistd.h>

#include "app/api_caller.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/str.h"
#include "base/task.h"
#include "telemetry/redact.h"

namespace tessera {
namespace {

constexpr auto kPatience = std::chrono::seconds(10);
constexpr std::size_t kFileMax = std::size_t{1} << 20;

constexpr char kReadme[] =
    "A support archive of Tessera, made by \"tessera bundle\".\n\n"
    "doctor.json         what was looked at, and what is wrong\n"
    "configuration.yaml  everything that is configured, defaults included, secrets as ***\n"
    "machine.json        operating system, processor, memory\n"
    "environment.txt     names of variables that concern Tessera; values only where no secret can "
    "be\n"
    "data.json           sizes in the data folder\n"
    "server/             state and figures of the running server, if there was one\n\n"
    "Not in it: documents, questions, answers, logs' message texts, keys. Names of collections "
    "and\n"
    "models, host names and addresses are in it: look through it before you pass it on.\n";

std::string ReadStart(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  text.resize(kFileMax);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

// The value of "name : value" in a file of /proc.
std::string LineOf(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const std::size_t colon = line.find(':');
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

std::string Machine(const std::string& version) {
  utsname system = {};
  ::uname(&system);
  JsonWriter out;
  out.BeginObject()
      .Field("tessera", version)
      .Field("time_ms", WallMillis())
      .Field("system", std::string(system.sysname))
      .Field("kernel", std::string(system.release))
      .Field("machine", std::string(system.machine))
      .Field("distribution", LineOf("/etc/os-release", "PRETTY_NAME"))
      .Field("processor", LineOf("/proc/cpuinfo", "model name"))
      .Field("processor_features", LineOf("/proc/cpuinfo", "flags"))
      .Field("processors", ::sysconf(_SC_NPROCESSORS_ONLN))
      .Field("memory", LineOf("/proc/meminfo", "MemTotal"))
      .Field("memory_available", LineOf("/proc/meminfo", "MemAvailable"))
      .Field("cgroup_memory_max", ReadStart("/sys/fs/cgroup/memory.max"))
      .EndObject();
  return out.Take();
}

bool Concerns(std::string_view name) {
  for (const std::string_view prefix : {"TESSERA_", "OTEL_", "XDG_", "SSL_", "http_proxy",
                                        "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}) {
    if (name.starts_with(prefix)) return true;
  }
  return false;
}

std::string EnvironmentNames() {
  std::string out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const std::string_view name = line.substr(0, line.find('='));
    if (!Concerns(name)) continue;
    const bool hidden = NamesSecret(name) || name.find("HEADERS") != std::string_view::npos;
    StrAppend(&out, hidden ? StrCat(name, "=***") : std::string(line), "\n");
  }
  return out;
}

// Sizes by the first name below the data folder: what grew, not what it is called.
std::string DataSizes(const std::string& data) {
  namespace fs = std::filesystem;
  JsonWriter out;
  out.BeginArray();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data, error)) {
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    const auto add = [&](const fs::directory_entry& file) {
      std::error_code ignored;
      if (!file.is_regular_file(ignored)) return;
      ++files;
      const std::uintmax_t size = file.file_size(ignored);
      if (!ignored) bytes += size;
    };
    std::error_code ignored;
    if (entry.is_directory(ignored)) {
      for (fs::recursive_directory_iterator walk(
               entry.path(), fs::directory_options::skip_permission_denied, ignored);
           !ignored && walk != fs::recursive_directory_iterator(); walk.increment(ignored))
        add(*walk);
    } else {
      add(entry);
    }
    out.BeginObject()
        .Field("name", entry.path().filename().string())
        .Field("files", files)
        .Field("bytes", bytes)
        .EndObject();
  }
  out.EndArray();
  return out.Take();
}

void AskServer(const Ctx& ctx, const Patient::Server& server, std::vector<BundleFile>& files) {
  static constexpr std::pair<const char*, const char*> kPages[] = {
      {"server/ready.json", "/health/ready"},
      {"server/system.json", "/api/v1/system"},
      {"server/topology.json", "/admin/v1/topology"},
      {"server/flags.json", "/admin/v1/flags"},
      {"server/metrics.txt", "/metrics"},
  };
  ApiCaller api(server.url, server.base, server.key);
  for (const auto& [name, path] : kPages) {
    const Result<std::string> text =
        SyncWait(api.Call(ctx.WithTimeout(kPatience), HttpMethod::kGet, path, ""));
    files.push_back({name, text.ok() ? *text : StrCat("no answer: ", text.status().message())});
  }
}

std::vector<std::string> KnownSecrets(const Patient& patient) {
  std::vector<std::string> secrets;
  if (patient.server) secrets.push_back(patient.server->key);
  std::ifstream file(patient.data + "/owner.key");
  std::string key;
  std::getline(file, key);
  secrets.push_back(key);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line(*entry);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || !NamesSecret(line.substr(0, equals))) continue;
    secrets.emplace_back(line.substr(equals + 1));
  }
  return secrets;
}

}  // namespace

std::vector<BundleFile> CollectBundle(const Ctx& ctx, const Patient& patient) {
  std::vector<BundleFile> files = {
      {"README.txt", kReadme},
      {"doctor.json", Examine(ctx, patient).ToJson()},
      {"configuration.yaml", patient.config.ok() ? patient.config->ToYaml()
                                                 : std::string(patient.config.status().message())},
      {"machine.json", Machine(patient.version)},
      {"environment.txt", EnvironmentNames()},
  };
  if (!patient.data.empty()) files.push_back({"data.json", DataSizes(patient.data)});
  if (patient.server) AskServer(ctx, *patient.server, files);
  const Redactor redactor(KnownSecrets(patient));
  for (BundleFile& file : files) file.text = redactor.Redact(file.text);
  return files;
}

}  // namespace tessera
