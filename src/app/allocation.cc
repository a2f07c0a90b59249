// malloc and operator new of the program: mimalloc's, which are told of to a heap profile while one
// is taken (profiling/heap_watch.h). Not in builds with a sanitizer, which has its own.
#include <cerrno>
#include <cstddef>
#include <new>

#include <mimalloc.h>

#include "profiling/heap_watch.h"

#define TESSERA_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

[[gnu::always_inline]] inline void* Told(void* memory, std::size_t size) {
  tessera::OnAllocated(memory, size);
  return memory;
}

[[gnu::always_inline]] inline void Free(void* memory) {
  tessera::OnFreed(memory);
  mi_free(memory);
}

__attribute__((constructor)) void Tell() { tessera::HeapIsTold(); }

std::size_t ToSize(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }

}  // namespace

// Those that end in others of these (strdup, reallocarray) are sampled nowhere, but freed here.
TESSERA_EXPORT void* malloc(std::size_t size) noexcept { return Told(mi_malloc(size), size); }
TESSERA_EXPORT void* calloc(std::size_t count, std::size_t size) noexcept {
  return Told(mi_calloc(count, size), count * size);
}
TESSERA_EXPORT void* realloc(void* memory, std::size_t size) noexcept {
  tessera::OnFreed(memory);
  return Told(mi_realloc(memory, size), size);
}
TESSERA_EXPORT void free(void* memory) noexcept { Free(memory); }
TESSERA_EXPORT void cfree(void* memory) noexcept { Free(memory); }
TESSERA_EXPORT int posix_memalign(void** memory, std::size_t alignment, std::size_t size) noexcept {
  const int error = mi_posix_memalign(memory, alignment, size);
  if (error == 0) tessera::OnAllocated(*memory, size);
  return error;
}
TESSERA_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  return Told(mi_aligned_alloc(alignment, size), size);
}
TESSERA_EXPORT void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return Told(mi_memalign(alignment, size), size);
}

void* operator new(std::size_t size) { return Told(mi_new(size), size); }
void* operator new[](std::size_t size) { return Told(mi_new(size), size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return Told(mi_new_nothrow(size), size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return Told(mi_new_nothrow(size), size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return Told(mi_new_aligned(size, ToSize(alignment)), size);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return Told(mi_new_aligned(size, ToSize(alignment)), size);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Told(mi_new_aligned_nothrow(size, ToSize(alignment)), size);
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Told(mi_new_aligned_nothrow(size, ToSize(alignment)), size);
}

void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { Free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  Free(memory);
}
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept {
  Free(memory);
}
