#include "kv/prefix_tree.h"

#include <gtest/gtest.h>

#include <numeric>

namespace invar {
namespace {

using Tokens = std::vector<int32_t>;
using Pages = std::vector<int32_t>;

constexpr int64_t kPageSize = 4;

class PrefixTreeTest : public testing::Test {
 protected:
  ~PrefixTreeTest() override { tree.check(); }

  Pages allocate(int64_t count) {
    Pages pages;
    INVAR_CHECK(pool.allocate(count, pages), "{} pages", count);
    return pages;
  }
  static int64_t pages_for(const Tokens& tokens) {
    return (static_cast<int64_t>(tokens.size()) + kPageSize - 1) / kPageSize;
  }
  // A sequence that ran and ended: only the tree holds its pages.
  Pages leave(const Tokens& tokens) {
    Pages pages = allocate(pages_for(tokens));
    const Pages given = pages;
    tree.insert(tokens, pages);
    pool.release(pages);
    tree.check();
    return given;
  }
  // The number of tokens found; gives up all references.
  int64_t found(const Tokens& tokens) {
    Pages pages;
    const PrefixTree::Match match = tree.match(tokens, static_cast<int64_t>(tokens.size()), pages);
    if (match.partial_page >= 0) pool.release(match.partial_page);
    pool.release(pages);
    return match.tokens;
  }

  PagePool pool{16};
  PrefixTree tree{pool, kPageSize};
};

TEST_F(PrefixTreeTest, AnEmptyTreeFindsNothing) {
  Pages pages;
  const PrefixTree::Match match = tree.match(Tokens{1, 2, 3, 4, 5}, 5, pages);
  EXPECT_EQ(match.tokens, 0);
  EXPECT_EQ(match.partial_page, -1);
  EXPECT_EQ(match.partial_tokens, 0);
  EXPECT_EQ(pages, Pages{});
  EXPECT_EQ(tree.evict(5), 0);
}

TEST_F(PrefixTreeTest, APrefixOfAnyLengthIsFoundInFullPagesAndAPartialOne) {
  const Tokens all = {10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
  const Pages written = leave(all);
  for (std::size_t size = 0; size <= all.size(); ++size) {
    Tokens tokens(all.begin(), all.begin() + static_cast<int64_t>(size));
    tokens.insert(tokens.end(), {99, 98, 97, 96, 95});
    Pages pages;
    const PrefixTree::Match match = tree.match(tokens, static_cast<int64_t>(tokens.size()), pages);
    EXPECT_EQ(match.tokens, static_cast<int64_t>(size));
    EXPECT_EQ(pages, Pages(written.begin(), written.begin() + static_cast<int64_t>(size) / kPageSize));
    EXPECT_EQ(match.partial_tokens, static_cast<int64_t>(size) % kPageSize);
    EXPECT_EQ(match.partial_page, match.partial_tokens > 0 ? written[size / kPageSize] : -1);
    if (match.partial_page >= 0) pool.release(match.partial_page);
    pool.release(pages);
  }
}

TEST_F(PrefixTreeTest, AFullPageThatIsCutByMostIsPartial) {
  const Tokens tokens = {1, 2, 3, 4, 5, 6, 7, 8};
  const Pages written = leave(tokens);
  Pages pages;
  const PrefixTree::Match match = tree.match(tokens, 7, pages);
  EXPECT_EQ(match.tokens, 7);
  EXPECT_EQ(pages, Pages{written[0]});
  EXPECT_EQ(match.partial_page, written[1]);
  EXPECT_EQ(match.partial_tokens, 3);
  pool.release(match.partial_page);
  pool.release(pages);
  EXPECT_EQ(tree.match(tokens, 0, pages).tokens, 0);
  EXPECT_EQ(tree.match(tokens, -1, pages).tokens, 0);
  EXPECT_EQ(pages, Pages{});
  EXPECT_EQ(tree.match(tokens, 100, pages).tokens, 8);
  pool.release(pages);
}

TEST_F(PrefixTreeTest, TheLongestPartialPageWinsAndOfEqualOnesTheLowest) {
  Pages a = allocate(1), b = allocate(1), c = allocate(1);
  tree.insert(Tokens{1, 2, 7}, c);
  tree.insert(Tokens{1, 2, 5}, b);
  tree.insert(Tokens{1, 4}, a);
  Pages none;
  const auto partial = [&](const Tokens& tokens) {
    const PrefixTree::Match match = tree.match(tokens, static_cast<int64_t>(tokens.size()), none);
    pool.release(match.partial_page);
    return match.partial_page;
  };
  EXPECT_EQ(partial({1, 2, 7, 7}), c[0]);
  EXPECT_EQ(partial({1, 2, 5, 5}), b[0]);
  EXPECT_EQ(partial({1, 2, 6, 5}), std::min(b[0], c[0]));
  EXPECT_EQ(partial({1, 9, 9, 9}), std::min({a[0], b[0], c[0]}));
  EXPECT_EQ(none, Pages{});
  pool.release(a);
  pool.release(b);
  pool.release(c);
}

TEST_F(PrefixTreeTest, WhatWasFoundCannotBeEvictedBeforeItIsGivenUp) {
  const Tokens tokens = {1, 2, 3, 4, 5, 6};
  leave(tokens);
  Pages pages;
  const PrefixTree::Match match = tree.match(tokens, 6, pages);
  EXPECT_EQ(tree.evictable_pages(), 0);
  EXPECT_EQ(tree.evict(2), 0);
  pool.release(match.partial_page);
  EXPECT_EQ(tree.evictable_pages(), 1);
  EXPECT_EQ(tree.evict(2), 1);
  tree.check();
  EXPECT_EQ(found(tokens), 4);
  pool.release(pages);
  EXPECT_EQ(tree.evict(2), 1);
  EXPECT_EQ(found(tokens), 0);
  EXPECT_EQ(pool.free_pages(), pool.pages());
}

TEST_F(PrefixTreeTest, APartialPageGrowsInPlaceAsItsSequenceDoes) {
  Tokens tokens;
  Pages pages = allocate(3);
  PrefixTree::Cursor cursor = tree.start();
  for (int32_t token = 0; token < 12; ++token) {
    tokens.push_back(token);
    tree.insert(tokens, pages, cursor);
    tree.check();
    EXPECT_EQ(found(tokens), token + 1);
    EXPECT_EQ(tree.nodes(), token / kPageSize + 1);
  }
  EXPECT_EQ(cursor.depth, 3);
  EXPECT_EQ(tree.counters().inserted_pages, 3);
  EXPECT_EQ(tree.counters().replaced_pages, 0);
  for (int32_t page : pages) EXPECT_EQ(pool.references(page), 2);
  pool.release(pages);
}

TEST_F(PrefixTreeTest, OfEqualPagesTheFirstStaysAndTheOtherIsItsSequencesAlone) {
  const Tokens tokens = {1, 2, 3, 4, 5, 6};
  const Pages first = leave(tokens);
  Pages second = allocate(2);
  tree.insert(tokens, second);
  EXPECT_EQ(pool.references(second[0]), 1);
  EXPECT_EQ(pool.references(second[1]), 1);
  EXPECT_EQ(tree.nodes(), 2);
  // A page of its own may follow the pages of the other sequence.
  Tokens longer = tokens;
  longer.insert(longer.end(), {7, 8, 9});
  second.push_back(*pool.allocate());
  tree.insert(longer, second);
  tree.check();
  Pages pages;
  const PrefixTree::Match match = tree.match(longer, 9, pages);
  EXPECT_EQ(match.tokens, 9);
  EXPECT_EQ(pages, (Pages{first[0], second[1]}));
  EXPECT_EQ(match.partial_page, second[2]);
  pool.release(match.partial_page);
  pool.release(pages);
  pool.release(second);
}

TEST_F(PrefixTreeTest, APageThatFillsUpAsAnEqualOneHasLeavesTheTree) {
  Pages a = allocate(1), b = allocate(1);
  PrefixTree::Cursor cursor = tree.start();
  tree.insert(Tokens{1, 2}, a, cursor);
  tree.insert(Tokens{1, 2, 3, 4}, b);
  EXPECT_EQ(tree.nodes(), 2);
  tree.insert(Tokens{1, 2, 3, 4}, a, cursor);
  tree.check();
  EXPECT_EQ(tree.nodes(), 1);
  EXPECT_EQ(cursor.page, b[0]);
  EXPECT_EQ(pool.references(a[0]), 1);
  EXPECT_EQ(pool.references(b[0]), 2);
  pool.release(a);
  pool.release(b);
}

TEST_F(PrefixTreeTest, AnUnusedPageGivesWayToOneThatHoldsItsTokensAndMore) {
  const Pages turn = leave({1, 2, 3, 4, 5, 6});
  Pages pages;
  const PrefixTree::Match match = tree.match(Tokens{1, 2, 3, 4, 5, 6, 7}, 7, pages);
  ASSERT_EQ(match.partial_page, turn[1]);
  Pages own = allocate(1);
  pages.push_back(own[0]);
  PrefixTree::Cursor cursor = match.cursor;
  // While the old page is held, it stays.
  tree.insert(Tokens{1, 2, 3, 4, 5, 6, 7}, pages, cursor);
  EXPECT_EQ(tree.nodes(), 3);
  pool.release(match.partial_page);
  Pages another = allocate(2);
  tree.insert(Tokens{1, 2, 3, 4, 5, 6, 9}, another);
  tree.check();
  EXPECT_EQ(tree.nodes(), 3);
  EXPECT_EQ(tree.counters().replaced_pages, 1);
  EXPECT_EQ(pool.references(turn[1]), 0);
  EXPECT_EQ(found({1, 2, 3, 4, 5, 6}), 6);
  pool.release(another);
  pool.release(pages);
}

TEST_F(PrefixTreeTest, TheLeastRecentlyUsedLeafIsEvictedFirstAndUsingALeafUsesItsPath) {
  const Pages a = leave({1, 1, 1, 1, 1, 1, 1, 1});
  const Pages b = leave({2, 2, 2, 2});
  const Pages c = leave({3, 3, 3, 3});
  EXPECT_EQ(found({1, 1, 1, 1, 1, 1, 1, 1}), 8);
  EXPECT_EQ(found({2, 2}), 2);
  const auto next = [&] {
    Pages held;
    for (int32_t page = 0; page < pool.pages(); ++page) {
      if (pool.references(page) > 0) held.push_back(page);
    }
    EXPECT_EQ(tree.evict(1), 1);
    tree.check();
    for (int32_t page : held) {
      if (pool.references(page) == 0) return page;
    }
    return -1;
  };
  EXPECT_EQ(next(), c[0]);
  // The path of `a` was used before `b` was; its inner page becomes a leaf as old as that use.
  const Pages d = leave({4, 4, 4, 4});
  EXPECT_EQ(next(), a[1]);
  EXPECT_EQ(next(), a[0]);
  EXPECT_EQ(next(), b[0]);
  EXPECT_EQ(next(), d[0]);
  EXPECT_EQ(tree.evict(1), 0);
  EXPECT_EQ(tree.counters().evicted_pages, 5);
}

TEST_F(PrefixTreeTest, PagesInUseArePassedOverAndTheirAncestorsStay) {
  const Tokens tokens = {1, 2, 3, 4, 5, 6, 7, 8};
  const Pages first = leave(tokens);
  Pages second = allocate(3);
  tree.insert(Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9}, second);  // a page of its own behind two that are not
  leave({3, 3, 3, 3, 3});
  EXPECT_EQ(tree.evictable_pages(), 2);
  EXPECT_EQ(tree.evict(10), 2);
  tree.check();
  EXPECT_EQ(tree.nodes(), 3);
  pool.release(second);
  EXPECT_EQ(tree.evictable_pages(), 3);
  EXPECT_EQ(tree.evict(10), 3);
  EXPECT_EQ(pool.free_pages(), pool.pages());
}

TEST_F(PrefixTreeTest, ACursorWhosePathWasEvictedStartsAgainAtTheRoot) {
  Tokens tokens = {1, 2, 3, 4, 5, 6, 7, 8};
  leave(tokens);
  Pages own = allocate(3);
  PrefixTree::Cursor cursor = tree.start();
  tree.insert(tokens, own, cursor);
  EXPECT_EQ(cursor.depth, 2);
  // Nothing holds the other sequence's pages: both go, and one of them comes back with other tokens.
  EXPECT_EQ(tree.evict(2), 2);
  leave({9, 9, 9, 9, 9, 9, 9, 9});
  tokens.push_back(9);
  tree.insert(tokens, own, cursor);
  tree.check();
  EXPECT_EQ(cursor.page, own[1]);
  EXPECT_EQ(found(tokens), 9);
  for (int32_t page : own) EXPECT_EQ(pool.references(page), 2);
  pool.release(own);
}

TEST_F(PrefixTreeTest, ACursorOfAMatchGoesOnBehindTheSharedPages) {
  const Pages shared = leave({1, 2, 3, 4, 5, 6, 7, 8});
  Tokens tokens = {1, 2, 3, 4, 5, 6, 7, 8, 1, 1};
  Pages pages;
  PrefixTree::Match match = tree.match(tokens, 9, pages);
  EXPECT_EQ(match.cursor.depth, 2);
  EXPECT_EQ(match.cursor.page, shared[1]);
  pages.push_back(*pool.allocate());
  tree.insert(tokens, pages, match.cursor);
  EXPECT_EQ(found(tokens), 10);
  EXPECT_EQ(tree.counters().inserted_pages, 3);
  pool.release(pages);
}

TEST_F(PrefixTreeTest, ClearForgetsAllAndPagesOfTheOldWeightsDoNotComeBack) {
  const Tokens tokens = {1, 2, 3, 4, 5, 6};
  leave({7, 7, 7, 7, 7, 7});
  Pages pages = allocate(2);
  PrefixTree::Cursor cursor = tree.start();
  tree.insert(tokens, pages, cursor);
  tree.clear();
  tree.check();
  EXPECT_EQ(tree.nodes(), 0);
  EXPECT_EQ(pool.free_pages(), pool.pages() - 2);
  tree.insert(tokens, pages, cursor);
  EXPECT_EQ(tree.nodes(), 0);
  EXPECT_EQ(found(tokens), 0);
  pool.release(pages);
  leave(tokens);
  EXPECT_EQ(found(tokens), 6);
}

TEST_F(PrefixTreeTest, TheCountersCount) {
  leave({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(found({1, 2, 3, 4, 5, 9, 9}), 5);
  EXPECT_EQ(found({8}), 0);
  Pages pages;
  EXPECT_EQ(tree.match(Tokens{1, 2, 3, 4, 5}, 4, pages).tokens, 4);
  pool.release(pages);
  EXPECT_EQ(tree.evict(1), 1);
  const PrefixCounters& counters = tree.counters();
  EXPECT_EQ(counters.lookups, 3);
  EXPECT_EQ(counters.hit_tokens, 9);
  EXPECT_EQ(counters.miss_tokens, 4);
  EXPECT_EQ(counters.inserted_pages, 2);
  EXPECT_EQ(counters.evicted_pages, 1);
}

TEST_F(PrefixTreeTest, APoolThatIsFullOfOneSequenceIsEvictedFromItsEnd) {
  Tokens tokens(static_cast<std::size_t>(pool.pages() * kPageSize));
  std::iota(tokens.begin(), tokens.end(), 0);
  leave(tokens);
  EXPECT_EQ(pool.free_pages(), 0);
  for (int64_t left = pool.pages() - 1; left >= 0; --left) {
    EXPECT_EQ(tree.evict(1), 1);
    EXPECT_EQ(found(tokens), left * kPageSize);
  }
}

TEST(PrefixTree, GivesItsPagesBackAtItsEnd) {
  PagePool pool(4);
  {
    PrefixTree tree(pool, 2);
    std::vector<int32_t> pages;
    ASSERT_TRUE(pool.allocate(3, pages));
    tree.insert(Tokens{1, 2, 3, 4, 5}, pages);
    pool.release(pages);
    EXPECT_EQ(pool.free_pages(), 1);
  }
  EXPECT_EQ(pool.free_pages(), 4);
}

using PrefixTreeDeathTest = PrefixTreeTest;

TEST_F(PrefixTreeDeathTest, BugsOfTheCallerAreCaught) {
  Pages pages = allocate(2);
  PrefixTree::Cursor cursor = tree.start();
  tree.insert(Tokens{1, 2, 3, 4, 5, 6}, pages, cursor);
  EXPECT_DEATH(tree.insert(Tokens{1, 2, 3, 4, 5, 7}, pages, cursor), "inserted with other tokens");
  EXPECT_DEATH(tree.insert(Tokens{1, 2, 3, 9, 5, 6}, pages, cursor), "cursor of another sequence");
  EXPECT_DEATH(tree.insert(Tokens{1, 2, 3}, pages, cursor), "cursor at 4 of 3 tokens");
  EXPECT_DEATH(tree.insert(Tokens{5, 6}, Pages{pages[1]}), "elsewhere in the tree");
  EXPECT_DEATH(tree.insert(Tokens{1, 2, 3, 4, 5, 6, 7, 8, 9}, pages), "2 pages for 9 tokens");
  EXPECT_DEATH(tree.insert(Tokens{7, 7, 7, 7, 7}, Pages{9, 10}), "is free");
  pool.release(pages);
}

}  // namespace
}  // namespace invar
