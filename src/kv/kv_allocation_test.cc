// The engine's step allocates nothing: this program's operator new counts.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <random>

#include "kv/block_table.h"
#include "kv/prefix_tree.h"

namespace {

int64_t allocations = 0;

void* count_and_allocate(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* data = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (data == nullptr) std::abort();
  return data;
}

}  // namespace

// The deletes are not inlined: GCC would see a free() of what another operator new gave.
void* operator new(std::size_t size) { return count_and_allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return count_and_allocate(size, static_cast<std::size_t>(alignment));
}
// The library's own would call those above; a sanitizer's would not.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return count_and_allocate(size, alignof(std::max_align_t));
}
[[gnu::noinline]] void operator delete(void* data) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::size_t) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::size_t, std::align_val_t) noexcept {
  std::free(data);
}

namespace invar {
namespace {

TEST(KvAllocation, TheCounterCounts) {
  const int64_t before = allocations;
  std::vector<int32_t> list;
  list.push_back(1);
  EXPECT_GT(allocations, before);
}

TEST(KvAllocation, PoolAndTreeAllocateNothingAfterConstruction) {
  constexpr int64_t kPages = 64, kPageSize = 4, kTokens = 48, kTables = 4;
  PagePool pool(kPages);
  PrefixTree tree(pool, kPageSize);
  std::vector<BlockTable> tables;
  for (int64_t i = 0; i < kTables; ++i) tables.emplace_back(kPageSize, kTokens);
  std::vector<std::vector<int32_t>> tokens(kTables, std::vector<int32_t>(kTokens));
  std::vector<PrefixTree::Cursor> cursors(kTables);
  std::mt19937_64 random(20261122);
  int64_t hits = 0;
  const int64_t before = allocations;
  for (int round = 0; round < 300; ++round) {
    for (int64_t i = 0; i < kTables; ++i) {
      for (int32_t& token : tokens[i]) token = static_cast<int32_t>(random() % 16 == 0);
      const auto match = tree.match(tokens[i], kTokens - 1, tables[i].list());
      hits += match.tokens;
      cursors[i] = match.cursor;
      if (match.partial_page >= 0) pool.release(match.partial_page);
      const int64_t missing = tables[i].missing(kTokens) - pool.free_pages();
      if (missing > 0)
        INVAR_CHECK(tree.evict(missing) == missing && tree.evictable_pages() >= 0, "{}", missing);
      INVAR_CHECK(tables[i].ensure(pool, kTokens), "{} free", pool.free_pages());
    }
    for (int64_t size = kTokens - 9; size <= kTokens; ++size) {
      for (int64_t i = 0; i < kTables; ++i) {
        if (size < cursors[i].depth * kPageSize) continue;  // was found, not written
        tree.insert(std::span(tokens[i]).first(static_cast<std::size_t>(size)), tables[i].pages(),
                    cursors[i]);
      }
    }
    for (BlockTable& table : tables) table.release(pool);
    if (round == 200) tree.clear();
  }
  EXPECT_EQ(allocations - before, 0);
  EXPECT_GT(hits, 0);
  EXPECT_GT(tree.counters().evicted_pages, 1000);
}

}  // namespace
}  // namespace invar
