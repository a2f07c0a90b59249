// Two changes to llama.cpp, put in by llama.sh (why and figures: src/model/README.md).
#pragma once
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __cplusplus
#include <stdatomic.h>
// ggml's barrier spins for ever. With more runnable threads than cores the spinner burns the time slice that the thread
// it waits for needs: decoding was seen to fall from 80 to 1.5 tokens/s. So: spin for some microseconds, then sleep.
enum { kTesseraSpins = 400 };

static atomic_int tessera_sleepers = 0;

static inline void tessera_barrier_wait(atomic_int * passed, int before, int * spins) {
    if (++*spins < kTesseraSpins) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        return;
    }
    atomic_fetch_add_explicit(&tessera_sleepers, 1, memory_order_seq_cst);
    syscall(SYS_futex, passed, FUTEX_WAIT_PRIVATE, before, NULL, NULL, 0);
    atomic_fetch_sub_explicit(&tessera_sleepers, 1, memory_order_seq_cst);
}

static inline void tessera_barrier_wake(atomic_int * passed) {
    if (atomic_load_explicit(&tessera_sleepers, memory_order_seq_cst) > 0) {
        syscall(SYS_futex, passed, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    }
}
#endif

// Zeroes memory of malloc by giving its pages back, so that a KV cache for many chats costs memory only once it is used.
static inline void tessera_zero(void * data, size_t size) {
    const uintptr_t page = 4096;
    const uintptr_t begin = (uintptr_t) data;
    const uintptr_t first = (begin + page - 1) & ~(page - 1);
    const uintptr_t last = (begin + size) & ~(page - 1);
    if (size < 64 * page || madvise((void *) first, last - first, MADV_DONTNEED) != 0) {
        memset(data, 0, size);
        return;
    }
    memset(data, 0, first - begin);
    memset((void *) last, 0, begin + size - last);
}
