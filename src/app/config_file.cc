#include "app/config_file.h"

#include <fstream>
#include <iostream>

#include "app/components.h"
#include "app/exit_code.h"
#include "base/str.h"

namespace tessera {

Result<std::string> ReadConfigText(const std::string& path) {
  constexpr std::size_t kMax = (1 << 20) + 1;
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  if (!in) return absl::NotFoundError(StrCat("cannot read the configuration file ", path));
  std::string text(kMax, '\0');
  in.read(text.data(), kMax);
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad() || (text.empty() && !in.eof()))
    return absl::NotFoundError(StrCat("cannot read the configuration file ", path));
  return text;
}

Result<ConfigDocument> LoadConfigDocument(const std::string& path) {
  ConfigDocument document{.name = path.empty() ? "defaults" : path};
  if (!path.empty()) {
    Result<std::string> read = ReadConfigText(path);
    if (!read.ok()) return WithExitCode(read.status(), ExitCode::kConfig);
    document.text = *std::move(read);
  }
  Result<ConfigSnapshot> config = AppSchema().Parse(document.text, document.name);
  if (!config.ok()) return WithExitCode(config.status(), ExitCode::kConfig);
  document.snapshot = *std::move(config);
  return document;
}

Result<ConfigSnapshot> LoadConfig(const std::string& path) {
  TRY(ConfigDocument document, LoadConfigDocument(path));
  return std::move(document.snapshot);
}

}  // namespace tessera
