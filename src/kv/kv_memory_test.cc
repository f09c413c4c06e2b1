#include "kv/kv_memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>

namespace invar {
namespace {

int64_t resident_bytes() {
  int64_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(KvMemory, LayersHaveKeysAndValuesOfTheirOwnAllZeroAtFirst) {
  auto memory = KvMemory::create({.layers = 3, .pages = 3, .page_elements = 8});
  ASSERT_TRUE(memory.ok()) << memory.message();
  for (int64_t layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->keys(layer)) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory->values(layer)) % 64, 0u);
    EXPECT_EQ(std::count(memory->keys(layer), memory->keys(layer) + 24, 0), 24);
    EXPECT_EQ(std::count(memory->values(layer), memory->values(layer) + 24, 0), 24);
    std::fill_n(memory->keys(layer), 24, static_cast<uint16_t>(layer + 1));
    std::fill_n(memory->values(layer), 24, static_cast<uint16_t>(layer + 10));
  }
  for (int64_t layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(std::count(memory->keys(layer), memory->keys(layer) + 24, layer + 1), 24);
    EXPECT_EQ(std::count(memory->values(layer), memory->values(layer) + 24, layer + 10), 24);
  }
}

TEST(KvMemory, ACopiedPageIsEqualInAllLayersAndNoOtherPageChanges) {
  constexpr int64_t kLayers = 2, kPages = 4, kElements = 24;
  auto memory = KvMemory::create({.layers = kLayers, .pages = kPages, .page_elements = kElements});
  ASSERT_TRUE(memory.ok()) << memory.message();
  const auto content = [](int64_t layer, int64_t values, int64_t i) {
    return static_cast<uint16_t>(1 + 1000 * layer + 500 * values + i);
  };
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    for (int64_t i = 0; i < kPages * kElements; ++i) {
      memory->keys(layer)[i] = content(layer, 0, i);
      memory->values(layer)[i] = content(layer, 1, i);
    }
  }
  memory->copy_page(1, 3);
  memory->copy_page(2, 2);
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    for (int64_t i = 0; i < kPages * kElements; ++i) {
      const int64_t source = i / kElements == 3 ? i - 2 * kElements : i;
      ASSERT_EQ(memory->keys(layer)[i], content(layer, 0, source)) << "layer " << layer << ", element " << i;
      ASSERT_EQ(memory->values(layer)[i], content(layer, 1, source))
          << "layer " << layer << ", element " << i;
    }
  }
}

TEST(KvMemory, MemoryComesWhenItIsWritten) {
  const KvMemory::Shape shape = {.layers = 4, .pages = 1024, .page_elements = 16384};
  EXPECT_EQ(shape.page_bytes() * shape.pages, int64_t{256} << 20);
  const int64_t before = resident_bytes();
  ASSERT_GT(before, 0);
  auto memory = KvMemory::create(shape);
  ASSERT_TRUE(memory.ok()) << memory.message();
  KvMemory moved = std::move(*memory);
  moved.keys(3)[5] = 1;
  EXPECT_EQ(moved.keys(3)[5], 1);
  EXPECT_EQ(moved.values(2)[1000], 0);
  EXPECT_LT(resident_bytes() - before, int64_t{64} << 20);
}

TEST(KvMemory, MoreThanTheMachineHasIsAnErrorWithItsSize) {
  for (const int64_t pages : {int64_t{1} << 44, int64_t{1} << 62}) {
    auto memory = KvMemory::create({.layers = 16, .pages = pages, .page_elements = 4096});
    ASSERT_FALSE(memory.ok());
    EXPECT_NE(memory.message().find(std::to_string(pages) + " pages"), std::string::npos) << memory.message();
    EXPECT_NE(memory.message().find("lower the cache limit"), std::string::npos) << memory.message();
  }
}

TEST(KvMemory, NoPagesNeedNoMemory) {
  auto memory = KvMemory::create({.layers = 16, .pages = 0, .page_elements = 4096});
  ASSERT_TRUE(memory.ok()) << memory.message();
}

}  // namespace
}  // namespace invar
