#include "tensor/buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>

namespace invar {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kMapped = SIZE_MAX;  // the sanitizer sees the ends of what it has allocated itself
#else
constexpr std::size_t kMapped = std::size_t{4} << 20;  // from this size on memory is the kernel's, not the heap's
#endif

}  // namespace

void* allocate_zeros(std::size_t bytes) {
  if (bytes < kMapped) {
    void* data = ::operator new (bytes, std::align_val_t{kBufferAlignment});
    std::memset(data, 0, bytes);
    return data;
  }
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  madvise(data, bytes, MADV_HUGEPAGE);  // advice: where it is not taken, memory is slower
  return data;
}

void free_zeros(void* data, std::size_t bytes) {
  if (bytes < kMapped)
    ::operator delete (data, std::align_val_t{kBufferAlignment});
  else
    munmap(data, bytes);
}

}  // namespace invar
