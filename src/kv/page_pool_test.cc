#include "kv/page_pool.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace invar {
namespace {

TEST(PagePool, PagesAreGivenOutOnceEach) {
  PagePool pool({.layers = 2, .pages = 5, .page_elements = 8});
  std::vector<int32_t> pages;
  ASSERT_TRUE(pool.allocate(3, pages));
  ASSERT_TRUE(pool.allocate(2, pages));
  EXPECT_EQ(pool.free_pages(), 0);
  std::sort(pages.begin(), pages.end());
  EXPECT_EQ(pages, (std::vector<int32_t>{0, 1, 2, 3, 4}));
}

TEST(PagePool, TooFewFreePagesChangeNothing) {
  PagePool pool({.layers = 1, .pages = 2, .page_elements = 8});
  std::vector<int32_t> pages = {7};
  EXPECT_FALSE(pool.allocate(3, pages));
  EXPECT_EQ(pages, (std::vector<int32_t>{7}));
  EXPECT_EQ(pool.free_pages(), 2);
  EXPECT_TRUE(pool.allocate(0, pages));
  EXPECT_EQ(pool.free_pages(), 2);
}

TEST(PagePool, PagesGivenBackAreUsedAgainLastFirst) {
  PagePool pool({.layers = 1, .pages = 4, .page_elements = 8});
  std::vector<int32_t> a, b;
  ASSERT_TRUE(pool.allocate(2, a));
  ASSERT_TRUE(pool.allocate(2, b));
  const std::vector<int32_t> given = a;
  pool.release(a);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(pool.free_pages(), 2);
  ASSERT_TRUE(pool.allocate(2, a));
  EXPECT_EQ(a, given);
}

TEST(PagePool, LayersHaveKeysAndValuesOfTheirOwn) {
  PagePool pool({.layers = 2, .pages = 3, .page_elements = 8});
  for (int64_t layer = 0; layer < 2; ++layer) {
    std::fill_n(pool.keys(layer), 24, static_cast<uint16_t>(layer + 1));
    std::fill_n(pool.values(layer), 24, static_cast<uint16_t>(layer + 10));
  }
  for (int64_t layer = 0; layer < 2; ++layer) {
    EXPECT_EQ(std::count(pool.keys(layer), pool.keys(layer) + 24, layer + 1), 24);
    EXPECT_EQ(std::count(pool.values(layer), pool.values(layer) + 24, layer + 10), 24);
  }
}

}  // namespace
}  // namespace invar
