#include "tensor/buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <new>

namespace invar {
namespace {

// On the heap, around the size from which memory is mapped, and beyond.
constexpr int64_t kSizes[] = {1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3'000'001};

TEST(Buffer, IsAlignedZeroFilledAndMovable) {
  for (const int64_t size : kSizes) {
    Buffer<float> buffer(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % kBufferAlignment, 0u) << size;
    EXPECT_TRUE(std::all_of(buffer.span().begin(), buffer.span().end(), [](float value) { return value == 0; }))
        << size;
    buffer[size - 1] = 2.0f;
    Buffer<float> moved = std::move(buffer);
    EXPECT_EQ(buffer.size(), 0);
    EXPECT_EQ(moved[size - 1], 2.0f);
    Buffer<float> assigned(3);
    assigned = std::move(moved);
    EXPECT_EQ(assigned.size(), size);
    EXPECT_EQ(assigned[size - 1], 2.0f);
  }
  EXPECT_EQ(Buffer<float>().size(), 0);
  EXPECT_EQ(Buffer<float>(0).data(), nullptr);
}

TEST(Buffer, MemoryThatWasUsedBeforeIsZeroAgain) {
  for (const int64_t size : kSizes) {
    for (int round = 0; round < 3; ++round) {
      Buffer<float> buffer(size);
      EXPECT_EQ(std::count(buffer.span().begin(), buffer.span().end(), 0.0f), size);
      std::fill(buffer.span().begin(), buffer.span().end(), 1.0f);
    }
  }
}

TEST(Buffer, MoreThanThereIsThrows) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer ends the program instead";
#endif
  EXPECT_THROW(Buffer<float>(int64_t{1} << 46), std::bad_alloc);
}

}  // namespace
}  // namespace invar
