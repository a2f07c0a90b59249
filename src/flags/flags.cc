#include "flags/flags.h"

#include <atomic>
#include <mutex>

namespace tessera {
namespace {

/// One for a process: a thread keeps its own reference and looks at one counter to see whether it
/// is the newest.
struct Newest {
  std::atomic<std::uint64_t> generation{1};
  std::mutex mutex;
  std::shared_ptr<const FlagSet> flags = std::make_shared<const FlagSet>();
};

Newest& TheNewest() {
  static auto& newest = *new Newest;  // outlives every thread
  return newest;
}

struct Seen {
  std::uint64_t generation = 0;
  std::shared_ptr<const FlagSet> flags;
};

const std::shared_ptr<const FlagSet>& Current() {
  thread_local Seen seen;
  Newest& newest = TheNewest();
  if (seen.generation != newest.generation.load(std::memory_order_acquire)) [[unlikely]] {
    std::lock_guard lock(newest.mutex);
    seen.generation = newest.generation.load(std::memory_order_relaxed);
    seen.flags = newest.flags;
  }
  return seen.flags;
}

const FlagVariant* Find(const Ctx& ctx, std::string_view key, v1::FlagType type,
                        v1::FlagType or_type = v1::FLAG_TYPE_UNSPECIFIED) {
  const CompiledFlag* flag = Current()->Find(key);
  if (flag == nullptr || (flag->type() != type && flag->type() != or_type)) return nullptr;
  return flag->Evaluate(SubjectOf(ctx)).variant;
}

}  // namespace

std::shared_ptr<const FlagSet> CurrentFlags() { return Current(); }

void SetCurrentFlags(std::shared_ptr<const FlagSet> flags) {
  Newest& newest = TheNewest();
  std::lock_guard lock(newest.mutex);
  if (flags->version() < newest.flags->version()) return;
  newest.flags.swap(flags);
  newest.generation.fetch_add(1, std::memory_order_release);
}

void ForgetFlags() {
  Newest& newest = TheNewest();
  std::lock_guard lock(newest.mutex);
  newest.flags = std::make_shared<const FlagSet>();
  newest.generation.fetch_add(1, std::memory_order_release);
}

FlagSubject SubjectOf(const Ctx& ctx) {
  const RequestInfo& info = ctx.info();
  FlagSubject subject;
  subject.principal = info.principal.id;
  subject.tenant = info.tenant;
  subject.scopes = info.principal.scopes;
  subject.targeting_key = !info.principal.id.empty() ? std::string_view(info.principal.id)
                          : !info.tenant.empty()     ? std::string_view(info.tenant)
                                                     : std::string_view(info.request_id);
  return subject;
}

bool BoolFlag(const Ctx& ctx, std::string_view key, bool fallback) {
  const FlagVariant* variant = Find(ctx, key, v1::FLAG_TYPE_BOOLEAN);
  return variant != nullptr ? variant->boolean : fallback;
}

std::int64_t IntegerFlag(const Ctx& ctx, std::string_view key, std::int64_t fallback) {
  const FlagVariant* variant = Find(ctx, key, v1::FLAG_TYPE_INTEGER);
  return variant != nullptr ? variant->integer : fallback;
}

double NumberFlag(const Ctx& ctx, std::string_view key, double fallback) {
  const FlagVariant* variant = Find(ctx, key, v1::FLAG_TYPE_NUMBER, v1::FLAG_TYPE_INTEGER);
  return variant != nullptr ? variant->number : fallback;
}

std::string StringFlag(const Ctx& ctx, std::string_view key, std::string_view fallback) {
  const FlagVariant* variant = Find(ctx, key, v1::FLAG_TYPE_STRING);
  return variant != nullptr ? variant->text : std::string(fallback);
}

std::string ObjectFlag(const Ctx& ctx, std::string_view key, std::string_view fallback) {
  const FlagVariant* variant = Find(ctx, key, v1::FLAG_TYPE_OBJECT);
  return variant != nullptr ? variant->text : std::string(fallback);
}

std::string FlagVariantOf(const Ctx& ctx, std::string_view key) {
  const CompiledFlag* flag = Current()->Find(key);
  if (flag == nullptr) return "";
  const FlagAnswer answer = flag->Evaluate(SubjectOf(ctx));
  return answer.variant != nullptr ? answer.variant->name : std::string();
}

}  // namespace tessera
