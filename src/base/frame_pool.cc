#include "base/frame_pool.h"

#include <array>
#include <cstdint>
#include <cstdlib>

#include "base/status.h"

namespace tessera {
namespace {

constexpr std::size_t kClassBytes = 64;
constexpr std::size_t kClasses = 64;     // frames up to 4 KiB are pooled
constexpr std::uint32_t kFreeMax = 256;  // frames kept for reuse, a thread and class

struct FreeFrameNode {
  FreeFrameNode* next;
};

struct FreeList {
  FreeFrameNode* head = nullptr;
  std::uint32_t count = 0;
};

class ThreadPool {
 public:
  ~ThreadPool() {
    closed_ = true;
    for (FreeList& list : lists_) {
      while (list.head != nullptr) {
        FreeFrameNode* node = list.head;
        list.head = node->next;
        std::free(node);
      }
    }
  }

  void* Take(std::size_t size_class) {
    FreeList& list = lists_[size_class];
    if (list.head == nullptr) return nullptr;
    FreeFrameNode* node = list.head;
    list.head = node->next;
    --list.count;
    return node;
  }

  bool Give(void* frame, std::size_t size_class) noexcept {
    FreeList& list = lists_[size_class];
    if (closed_ || list.count >= kFreeMax) return false;
    list.head = new (frame) FreeFrameNode{list.head};
    ++list.count;
    return true;
  }

 private:
  std::array<FreeList, kClasses> lists_;
  bool closed_ = false;  // frames freed while the thread ends go straight to free()
};

thread_local ThreadPool pool;

[[maybe_unused]] std::size_t SizeClass(std::size_t size) { return (size - 1) / kClassBytes; }

}  // namespace

void* AllocateFrame(std::size_t size) {
#ifndef TESSERA_SANITIZED  // the sanitizers must see every frame's own lifetime
  const std::size_t size_class = SizeClass(size);
  if (size_class < kClasses) {
    if (void* frame = pool.Take(size_class)) return frame;
    size = (size_class + 1) * kClassBytes;
  }
#endif
  void* frame = std::malloc(size);
  CHECK(frame != nullptr);
  return frame;
}

void FreeFrame(void* frame, std::size_t size) noexcept {
#ifndef TESSERA_SANITIZED
  const std::size_t size_class = SizeClass(size);
  if (size_class < kClasses && pool.Give(frame, size_class)) return;
#endif
  std::free(frame);
}

}  // namespace tessera
