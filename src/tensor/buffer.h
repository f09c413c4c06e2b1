// Buffer<T>: owned, 64-byte aligned, zero-filled memory for `size` elements. Plain data only.
//
// Large ones are in huge pages (2 MiB) where the system has them: rows of matrices lie a page apart otherwise, and each
// would need an entry of the TLB. Their pages become resident when they are first written or read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

namespace invar {

inline constexpr std::size_t kBufferAlignment = 64;

// bytes > 0. Throws std::bad_alloc.
void* allocate_zeros(std::size_t bytes);
// What allocate_zeros() returned for this size.
void free_zeros(void* data, std::size_t bytes);

template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(int64_t size) : size_(size) {
    if (size != 0) data_ = static_cast<T*>(allocate_zeros(bytes()));
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) free_zeros(data_, bytes());
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  int64_t size() const { return size_; }
  std::size_t bytes() const { return static_cast<std::size_t>(size_) * sizeof(T); }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, static_cast<std::size_t>(size_)}; }
  std::span<const T> span() const { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  T* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace invar
