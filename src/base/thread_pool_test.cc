#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace invar {
namespace {

TEST(ThreadPool, EveryItemRunsOnceWhateverTheThreads) {
  for (int threads : {1, 2, 3, 5, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int64_t items : {0, 1, 2, 3, 7, 100, 1001}) {
      std::vector<int> count(items);
      pool.parallel_for(items, [&](int64_t begin, int64_t end, int share) {
        EXPECT_LT(begin, end);
        EXPECT_LT(share, threads);
        for (int64_t i = begin; i < end; ++i) ++count[i];
      });
      for (int64_t i = 0; i < items; ++i) ASSERT_EQ(count[i], 1) << items << " items, item " << i;
    }
  }
}

TEST(ThreadPool, ManyShortRunsInARowLoseNoWork) {
  ThreadPool pool(3);
  int64_t total = 0;
  std::vector<int64_t> sums(3 * 16);  // one cache line a share
  for (int run = 0; run < 20000; ++run) {
    std::fill(sums.begin(), sums.end(), 0);
    pool.parallel_for(9, [&](int64_t begin, int64_t end, int share) { sums[share * 16] += end - begin; });
    total += sums[0] + sums[16] + sums[32];
  }
  EXPECT_EQ(total, 20000 * 9);
}

TEST(ThreadPool, WhatAShareThrowsReachesTheCallerOnceAllSharesHaveEnded) {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int thrower = 0; thrower < threads; ++thrower) {
      std::vector<int> ended(static_cast<std::size_t>(threads));
      std::string found;
      try {
        pool.parallel_for(threads, [&](int64_t begin, int64_t, int share) {
          ended[static_cast<std::size_t>(begin)] = 1;
          if (share >= thrower) throw std::runtime_error(std::to_string(share));
        });
      } catch (const std::runtime_error& thrown) {
        found = thrown.what();
      }
      EXPECT_EQ(found, std::to_string(thrower));
      EXPECT_EQ(std::count(ended.begin(), ended.end(), 1), threads);
      std::atomic<int64_t> again = 0;  // and the pool goes on
      pool.parallel_for(100, [&](int64_t begin, int64_t end, int) { again += end - begin; });
      EXPECT_EQ(again, 100);
    }
  }
}

}  // namespace
}  // namespace invar
