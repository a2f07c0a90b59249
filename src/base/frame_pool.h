#pragma once
// Memory of coroutine frames: per-thread free lists by size class, so that calls in steady state
// never malloc.

#include <cstddef>

namespace tessera {

/// Allocates at least `size` bytes, aligned for any scalar. Never fails (aborts when memory is
/// out). Thread-safe.
void* AllocateFrame(std::size_t size);

/// Returns memory of AllocateFrame; any thread may free what another allocated. `size` as it was
/// asked for.
void FreeFrame(void* frame, std::size_t size) noexcept;

}  // namespace tessera
