#include "kv/kv_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace invar {
namespace {

constexpr int64_t kAlignElements = 64 / sizeof(uint16_t);

}  // namespace

Result<KvMemory> KvMemory::create(const Shape& shape) {
  INVAR_CHECK(shape.layers >= 0 && shape.pages >= 0 && shape.page_elements >= 0, "{} layers, {} pages of {}",
              shape.layers, shape.pages, shape.page_elements);
  int64_t stride = 0, elements = 0, bytes = 0;
  const bool too_large =
      __builtin_mul_overflow(shape.pages, shape.page_elements, &stride) ||
      __builtin_add_overflow(stride, kAlignElements - 1, &stride) ||
      __builtin_mul_overflow(stride - stride % kAlignElements, 2 * shape.layers, &elements) ||
      __builtin_mul_overflow(elements, sizeof(uint16_t), &bytes);
  stride -= stride % kAlignElements;
  void* data = nullptr;
  if (!too_large && bytes > 0) {
    data = mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
  }
  if (too_large || data == MAP_FAILED) {
    return error(
        "no memory for a KV cache of {} pages, {} layers, {} elements a page and layer ({}); lower the cache "
        "limit",
        shape.pages, shape.layers, shape.page_elements,
        std::generic_category().message(too_large ? EOVERFLOW : errno));
  }
  return KvMemory(shape, stride, static_cast<std::size_t>(bytes), static_cast<uint16_t*>(data));
}

KvMemory::KvMemory(KvMemory&& other) noexcept
    : shape_(other.shape_),
      stride_(other.stride_),
      bytes_(std::exchange(other.bytes_, 0)),
      data_(std::exchange(other.data_, nullptr)) {}

KvMemory& KvMemory::operator=(KvMemory&& other) noexcept {
  std::swap(shape_, other.shape_);
  std::swap(stride_, other.stride_);
  std::swap(bytes_, other.bytes_);
  std::swap(data_, other.data_);
  return *this;
}

KvMemory::~KvMemory() {
  if (bytes_ > 0) munmap(data_, bytes_);
}

void KvMemory::copy_page(int32_t from, int32_t to) {
  INVAR_CHECK(from >= 0 && from < shape_.pages && to >= 0 && to < shape_.pages, "pages {} and {} of {}", from,
              to, shape_.pages);
  if (from == to) return;
  const int64_t elements = shape_.page_elements;
  const std::size_t bytes = static_cast<std::size_t>(elements) * sizeof(uint16_t);
  for (int64_t layer = 0; layer < shape_.layers; ++layer) {
    std::memcpy(keys(layer) + to * elements, keys(layer) + from * elements, bytes);
    std::memcpy(values(layer) + to * elements, values(layer) + from * elements, bytes);
  }
}

}  // namespace invar
