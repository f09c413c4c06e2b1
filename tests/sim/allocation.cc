#include "allocation.h"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace {

thread_local int64_t allocations = 0;
thread_local int64_t fails_at = -1;  // a value of `allocations`; -1: never
thread_local bool fails_later = false;
thread_local bool has_failed = false;

void* allocate(std::size_t size, std::size_t alignment) {
  const int64_t number = allocations++;
  if (fails_at >= 0 && (number == fails_at || (fails_later && number > fails_at))) {
    has_failed = true;
    throw std::bad_alloc();
  }
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

}  // namespace

// The deletes are not inlined: GCC would see a free() of what another operator new gave.
void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
// The library's own would call those above; a sanitizer's would not.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  try {
    return allocate(size, alignof(std::max_align_t));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
[[gnu::noinline]] void operator delete(void* data) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::size_t) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::size_t, std::align_val_t) noexcept {
  std::free(data);
}

namespace invar {

int64_t allocations_of_thread() { return allocations; }

FailingAllocation::FailingAllocation(int64_t after, bool all_later) {
  has_failed = false;
  fails_later = all_later;
  fails_at = allocations + after;
}
FailingAllocation::~FailingAllocation() { fails_at = -1; }
bool FailingAllocation::failed() const { return has_failed; }

}  // namespace invar
