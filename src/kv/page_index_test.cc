#include "kv/page_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace invar {
namespace {

TEST(PageIndex, PagesOfOneHashAreToldApartByTheComparisonAlone) {
  PageIndex index(4);
  for (int32_t page = 0; page < 4; ++page) index.add(7, page);
  for (int32_t page = 0; page < 4; ++page) {
    EXPECT_EQ(index.find(7, [&](int32_t other) { return other == page; }), page);
  }
  EXPECT_EQ(index.find(7, [](int32_t) { return false; }), -1);
  EXPECT_EQ(index.find(8, [](int32_t) { return true; }), -1);
}

TEST(PageIndex, WhatIsAddedIsFoundUntilItIsRemovedHoweverHashesCollide) {
  constexpr uint64_t kSeed = 20261122;
  for (const uint64_t hashes : {uint64_t{1}, uint64_t{3}, uint64_t{16}, uint64_t{1} << 40}) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << ", " << hashes << " hashes");
    std::mt19937_64 random(kSeed);
    PageIndex index(14);  // 32 slots: 14 entries wrap around the end often
    std::map<int32_t, uint64_t> held;
    for (int step = 0; step < 5000; ++step) {
      const int32_t page = static_cast<int32_t>(random() % 14);
      if (held.contains(page)) {
        index.remove(held[page], page);
        held.erase(page);
      } else {
        held[page] = 31 - random() % hashes;
        index.add(held[page], page);
      }
      ASSERT_EQ(index.size(), static_cast<int64_t>(held.size()));
      for (const auto& [there, hash] : held) {
        ASSERT_EQ(index.find(hash, [&, there = there](int32_t other) { return other == there; }), there);
      }
    }
  }
}

TEST(PageIndexDeathTest, RemovingWhatWasNotAddedIsABug) {
  PageIndex index(4);
  index.add(7, 1);
  EXPECT_DEATH(index.remove(7, 2), "page 2 was not added");
}

}  // namespace
}  // namespace invar
