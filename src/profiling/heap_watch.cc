#include "profiling/heap_watch.h"

#include <cmath>

#include <sys/syscall.h>
#include <unistd.h>

namespace tessera {

constinit std::atomic<std::uint32_t> heap_session{0};

namespace {

constexpr std::size_t kWays = 8;  // places that one pointer may have: a line of the cache
constexpr std::size_t kBuckets = HeapWatch::kSamplesMax / kWays;
constexpr unsigned kBucketBits = 13;
static_assert(kBuckets == 1u << kBucketBits);

struct Watched {
  std::atomic<std::size_t> size;
  std::atomic<bool> freed;
};

struct Bucket {
  alignas(64) std::atomic<void*> memory[kWays];
};

std::atomic<bool> told;
std::atomic<SampleRing*> watched_ring;
std::atomic<std::uint32_t> next_sample;
Watched samples[HeapWatch::kSamplesMax];
Bucket buckets[kBuckets];
std::atomic<std::uint32_t> indexes[kBuckets][kWays];

struct ThreadState {
  std::uint32_t session;
  std::int64_t left;  // bytes until the next sample
  std::uint64_t random;
};
thread_local ThreadState thread_state;

// Exponential, so that every byte is as likely as any other, whatever came before.
std::int64_t NextDistance(ThreadState& state) {
  if (state.random == 0)
    state.random = static_cast<std::uint64_t>(::syscall(SYS_gettid)) * 0x9e3779b97f4a7c15u | 1;
  state.random ^= state.random << 13;
  state.random ^= state.random >> 7;
  state.random ^= state.random << 17;
  const double part = (static_cast<double>(state.random >> 11) + 1) * 0x1p-53;
  return static_cast<std::int64_t>(-std::log(part) * static_cast<double>(HeapWatch::kPeriod));
}

std::size_t BucketOf(void* memory) {
  return reinterpret_cast<std::uint64_t>(memory) / 16 * 0x9e3779b97f4a7c15u >> (64 - kBucketBits);
}

bool Remember(void* memory, std::uint32_t index) {
  const std::size_t bucket = BucketOf(memory);
  for (std::size_t way = 0; way < kWays; ++way) {
    void* nobody = nullptr;
    std::atomic<void*>& place = buckets[bucket].memory[way];
    if (place.load(std::memory_order_relaxed) != nullptr) continue;
    // Nobody else frees this pointer before the caller has it.
    if (!place.compare_exchange_strong(nobody, memory, std::memory_order_acq_rel)) continue;
    indexes[bucket][way].store(index, std::memory_order_release);
    return true;
  }
  return false;
}

}  // namespace

[[gnu::noinline]] void NoteAllocation(void* memory, std::size_t size) {
  ThreadState& state = thread_state;
  const std::uint32_t session = heap_session.load(std::memory_order_relaxed);
  if (state.session != session) {
    state.session = session;
    state.left = NextDistance(state);
  }
  state.left -= static_cast<std::int64_t>(size);
  SampleRing* const ring = watched_ring.load(std::memory_order_acquire);
  if (state.left >= 0 || memory == nullptr || ring == nullptr || session == 0) return;
  state.left = NextDistance(state);
  SampleRing::Slot* const slot = ring->Claim();
  if (slot == nullptr) return;
  const std::uint32_t index = next_sample.fetch_add(1, std::memory_order_relaxed);
  if (index >= HeapWatch::kSamplesMax || !Remember(memory, index)) {
    ring->Lost();
    return SampleRing::Drop(slot);
  }
  samples[index].size.store(size, std::memory_order_relaxed);
  slot->session = session;
  slot->thread = static_cast<std::int32_t>(::syscall(SYS_gettid));
  slot->index = index;
  slot->stack.CaptureCaller(__builtin_frame_address(0));
  SampleRing::Publish(slot);
}

void NoteFreed(void* memory) {
  if (memory == nullptr) return;
  const std::size_t bucket = BucketOf(memory);
  for (std::size_t way = 0; way < kWays; ++way) {
    std::atomic<void*>& place = buckets[bucket].memory[way];
    if (place.load(std::memory_order_relaxed) != memory) continue;
    const std::uint32_t index = indexes[bucket][way].load(std::memory_order_acquire);
    samples[index].freed.store(true, std::memory_order_relaxed);
    place.store(nullptr, std::memory_order_release);
    return;
  }
}

void HeapIsTold() { told = true; }
bool HeapTells() { return told; }

HeapWatch::HeapWatch(SampleRing& ring, std::uint32_t session) {
  for (Bucket& bucket : buckets) {
    for (auto& place : bucket.memory) place.store(nullptr, std::memory_order_relaxed);
  }
  for (Watched& sample : samples) {
    sample.size.store(0, std::memory_order_relaxed);
    sample.freed.store(false, std::memory_order_relaxed);
  }
  next_sample = 0;
  watched_ring = &ring;
  heap_session = session;
}

HeapWatch::Sample HeapWatch::Get(std::uint32_t index) {
  return {samples[index].size.load(std::memory_order_relaxed),
          samples[index].freed.load(std::memory_order_relaxed)};
}

}  // namespace tessera
