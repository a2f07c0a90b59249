#include "profiling/modules.h"

#include <algorithm>
#include <cstring>

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

namespace tessera {
namespace {

std::string_view FileName(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

int AddModule(dl_phdr_info* info, std::size_t, void* data) {
  auto& modules = *static_cast<std::vector<std::unique_ptr<LoadedModule>>*>(data);
  auto module = std::make_unique<LoadedModule>();
  module->path = info->dlpi_name == nullptr ? "" : info->dlpi_name;
  module->name = module->path.empty() ? std::string(kProgram) : std::string(FileName(module->path));
  module->bias = info->dlpi_addr;
  module->start = ~std::uint64_t{0};
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& part = info->dlpi_phdr[i];
    const std::uint64_t at = info->dlpi_addr + part.p_vaddr;
    if (part.p_type == PT_GNU_EH_FRAME) {
      module->unwind_index = reinterpret_cast<const std::uint8_t*>(at);
      module->unwind_size = part.p_memsz;
    }
    if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0) continue;
    module->start = std::min(module->start, at);
    module->end = std::max(module->end, at + part.p_memsz);
  }
  const bool known = std::any_of(modules.begin(), modules.end(), [&module](const auto& one) {
    return one->start == module->start;
  });
  if (module->end != 0 && !known) modules.push_back(std::move(module));
  return 0;
}

/// A file in memory; empty when it cannot be read.
class MappedFile {
 public:
  explicit MappedFile(const char* path) {
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct stat about = {};
    if (::fstat(fd, &about) == 0 && about.st_size > 0) {
      void* const mapped =
          ::mmap(nullptr, static_cast<std::size_t>(about.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
      if (mapped != MAP_FAILED)
        bytes_ = {static_cast<const char*>(mapped), static_cast<std::size_t>(about.st_size)};
    }
    ::close(fd);
  }
  ~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
  MappedFile(const MappedFile&) = delete;
  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

template <class T>
bool ReadAt(std::string_view file, std::uint64_t at, T* value) {
  if (at > file.size() || file.size() - at < sizeof(T)) return false;
  std::memcpy(value, file.data() + at, sizeof(T));
  return true;
}

std::string_view Part(std::string_view file, const Elf64_Shdr& section) {
  if (section.sh_offset > file.size() || section.sh_size > file.size() - section.sh_offset)
    return {};
  return file.substr(section.sh_offset, section.sh_size);
}

}  // namespace

LoadedModules::LoadedModules() { Look(); }

LoadedModules::~LoadedModules() {
  for (void* const pin : pins_) ::dlclose(pin);
}

void LoadedModules::Look() {
  const std::size_t known = modules_.size();
  ::dl_iterate_phdr(AddModule, &modules_);
  for (std::size_t i = known; i < modules_.size(); ++i) {
    if (modules_[i]->path.empty()) continue;
    void* const pin = ::dlopen(modules_[i]->path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (pin != nullptr) pins_.push_back(pin);
  }
}

const LoadedModule* LoadedModules::FindKnown(std::uint64_t address) const {
  for (const auto& module : modules_) {
    if (address >= module->start && address < module->end) return module.get();
  }
  return nullptr;
}

const LoadedModule* LoadedModules::Find(std::uint64_t address) {
  const LoadedModule* found = FindKnown(address);
  if (found != nullptr || looks_left_ == 0) return found;
  --looks_left_;
  Look();
  return FindKnown(address);
}

ModuleSymbols::ModuleSymbols(const LoadedModule& module) : bias_(module.bias) {
  const MappedFile file(module.path.empty() ? "/proc/self/exe" : module.path.c_str());
  Read(file.bytes());
  std::sort(symbols_.begin(), symbols_.end(),
            [](const Symbol& a, const Symbol& b) { return a.start < b.start; });
}

void ModuleSymbols::Read(std::string_view file) {
  Elf64_Ehdr head;
  if (!ReadAt(file, 0, &head) || std::memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
      head.e_ident[EI_CLASS] != ELFCLASS64)
    return;
  // The full table, which tools may have taken off, goes before the one of what is exported.
  Elf64_Shdr table = {};
  for (unsigned i = 0; i < head.e_shnum; ++i) {
    Elf64_Shdr section;
    if (!ReadAt(file, head.e_shoff + std::uint64_t{i} * sizeof(section), &section)) return;
    if (section.sh_type == SHT_SYMTAB || (section.sh_type == SHT_DYNSYM && table.sh_type == 0))
      table = section;
  }
  Elf64_Shdr names;
  if (table.sh_type == 0 ||
      !ReadAt(file, head.e_shoff + std::uint64_t{table.sh_link} * sizeof(names), &names))
    return;
  const std::string_view entries = Part(file, table);
  names_ = Part(file, names);
  for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= entries.size(); at += sizeof(Elf64_Sym)) {
    Elf64_Sym entry;
    std::memcpy(&entry, entries.data() + at, sizeof(entry));
    const auto type = ELF64_ST_TYPE(entry.st_info);
    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || entry.st_value == 0 || entry.st_size == 0)
      continue;
    symbols_.push_back({entry.st_value, entry.st_size, entry.st_name});
  }
}

std::string_view ModuleSymbols::NameAt(std::uint64_t address) const {
  const std::uint64_t at = address - bias_;
  auto found = std::upper_bound(symbols_.begin(), symbols_.end(), at,
                                [](std::uint64_t a, const Symbol& b) { return a < b.start; });
  if (found == symbols_.begin()) return {};
  --found;
  if (at - found->start >= found->size || found->name >= names_.size()) return {};
  const std::string_view rest = std::string_view(names_).substr(found->name);
  return rest.substr(0, rest.find('\0'));
}

}  // namespace tessera
