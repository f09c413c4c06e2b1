#include "kv/page_pool.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kv/block_table.h"

namespace invar {
namespace {

TEST(PagePool, PagesAreGivenOutOnceEach) {
  PagePool pool(5);
  std::vector<int32_t> pages;
  ASSERT_TRUE(pool.allocate(3, pages));
  ASSERT_TRUE(pool.allocate(2, pages));
  EXPECT_EQ(pool.free_pages(), 0);
  EXPECT_EQ(pool.allocate(), std::nullopt);
  std::sort(pages.begin(), pages.end());
  EXPECT_EQ(pages, (std::vector<int32_t>{0, 1, 2, 3, 4}));
}

TEST(PagePool, TooFewFreePagesChangeNothing) {
  PagePool pool(2);
  std::vector<int32_t> pages = {7};
  EXPECT_FALSE(pool.allocate(3, pages));
  EXPECT_EQ(pages, (std::vector<int32_t>{7}));
  EXPECT_EQ(pool.free_pages(), 2);
  EXPECT_TRUE(pool.allocate(0, pages));
  EXPECT_EQ(pool.free_pages(), 2);
}

TEST(PagePool, PagesGivenBackAreUsedAgainLastFirst) {
  PagePool pool(4);
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

TEST(PagePool, APageIsFreeWhenItsLastHolderGivesItUp) {
  PagePool pool(2);
  const int32_t page = *pool.allocate();
  EXPECT_EQ(pool.references(page), 1);
  pool.retain(page);
  pool.retain(page);
  EXPECT_EQ(pool.references(page), 3);
  pool.release(page);
  pool.release(page);
  EXPECT_EQ(pool.free_pages(), 1);
  pool.release(page);
  EXPECT_EQ(pool.references(page), 0);
  EXPECT_EQ(pool.free_pages(), 2);
}

TEST(PagePoolDeathTest, AFreePageCanNeitherBeReleasedNorRetained) {
  PagePool pool(2);
  EXPECT_DEATH(pool.release(0), "page 0 is free");
  EXPECT_DEATH(pool.retain(1), "page 1 is free");
  EXPECT_DEATH(pool.retain(2), "page 2 of 2");
  EXPECT_DEATH(pool.retain(-1), "page -1 of 2");
}

TEST(BlockTable, HoldsJustThePagesOfItsTokens) {
  PagePool pool(8);
  BlockTable table(16, 100);
  const int32_t* data = table.data();
  EXPECT_EQ(table.missing(100), 7);
  ASSERT_TRUE(table.ensure(pool, 1));
  EXPECT_EQ(table.pages().size(), 1u);
  ASSERT_TRUE(table.ensure(pool, 16));
  EXPECT_EQ(table.pages().size(), 1u);
  ASSERT_TRUE(table.ensure(pool, 17));
  EXPECT_EQ(table.pages().size(), 2u);
  ASSERT_TRUE(table.ensure(pool, 3));
  EXPECT_EQ(table.pages().size(), 2u);
  ASSERT_TRUE(table.ensure(pool, 100));
  EXPECT_EQ(table.pages().size(), 7u);
  EXPECT_EQ(table.data(), data);
  table.release(pool);
  EXPECT_EQ(pool.free_pages(), 8);
  EXPECT_EQ(table.pages().size(), 0u);
}

TEST(BlockTable, TooFewFreePagesChangeNothing) {
  PagePool pool(2);
  BlockTable table(4, 100);
  ASSERT_TRUE(table.ensure(pool, 4));
  EXPECT_FALSE(table.ensure(pool, 12));
  EXPECT_EQ(table.pages().size(), 1u);
  EXPECT_EQ(pool.free_pages(), 1);
  table.release(pool);
}

TEST(BlockTableDeathTest, GrowingBeyondItsRoomIsABug) {
  PagePool pool(8);
  BlockTable table(4, 8);
  EXPECT_DEATH((void)table.ensure(pool, 12), "exceed the room");
}

}  // namespace
}  // namespace invar
