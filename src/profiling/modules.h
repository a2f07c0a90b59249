#pragma once
// The program and the libraries that are loaded: where their code lies, and what it is called.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// What the program itself is called.
constexpr std::string_view kProgram = "tessera";

/// One of them.
struct LoadedModule {
  std::string path;  ///< empty: the program itself
  std::string name;  ///< without its folder
  std::uint64_t bias = 0;
  std::uint64_t start = 0, end = 0;            ///< of its code, in memory
  const std::uint8_t* unwind_index = nullptr;  ///< its .eh_frame_hdr, in memory
  std::uint64_t unwind_size = 0;
};

/// What is loaded now. It stays loaded while this lives. Not thread-safe.
class LoadedModules {
 public:
  LoadedModules();
  ~LoadedModules();
  LoadedModules(const LoadedModules&) = delete;

  /// Looks again when nothing of what is known has the address, though not too often.
  const LoadedModule* Find(std::uint64_t address);
  const LoadedModule* FindKnown(std::uint64_t address) const;

 private:
  void Look();

  std::vector<std::unique_ptr<LoadedModule>> modules_;  // they keep their places
  std::vector<void*> pins_;
  int looks_left_ = 20;
};

/// The names of a module's functions. Reads its file: not for an event loop.
class ModuleSymbols {
 public:
  explicit ModuleSymbols(const LoadedModule& module);

  /// As the linker calls it; empty when the file does not say.
  std::string_view NameAt(std::uint64_t address) const;

 private:
  struct Symbol {
    std::uint64_t start, size;
    std::uint32_t name;  // where it begins in names_
  };
  void Read(std::string_view file);

  std::uint64_t bias_;
  std::string names_;
  std::vector<Symbol> symbols_;  // by start
};

/// "tessera::LocalRetrieval::Search" of what the linker calls it: without parameters, returned type
/// and arguments of templates.
std::string ReadableName(std::string_view linker_name);

}  // namespace tessera
