#include <gtest/gtest.h>

#include <iterator>
#include <random>

#include "kv/block_table.h"
#include "kv/kv_memory.h"
#include "kv/naive_prefix_tree.h"
#include "kv/prefix_tree.h"

namespace invar {
namespace {

using Tokens = std::vector<int32_t>;

constexpr int64_t kLayers = 2;
constexpr int64_t kLongest = 24;  // tokens of a sequence

struct Shape {
  int64_t page_size;
  int64_t pages;
  int64_t alphabet;  // token ids: few, so that sequences meet
};

struct Running {
  Tokens tokens;  // their keys and values lie in the pages
  BlockTable table;
  PrefixTree::Cursor cursor;
  int64_t weights;  // clears before it began
};

// An engine without a model: sequences match, copy, grow, insert and end at random and pages are
// evicted, beside the naive tree.
// The "keys and values" of a position are a function of the weights and all tokens up to it.
class World {
 public:
  World(const Shape& shape, uint64_t seed)
      : shape_(shape),
        random_(seed),
        pool_(shape.pages),
        memory_(std::move(
            KvMemory::create({.layers = kLayers, .pages = shape.pages, .page_elements = shape.page_size})
                .value())),
        tree_(pool_, shape.page_size),
        naive_(pool_, shape.page_size) {}

  void step() {
    const int64_t what = below(100);
    if (what < 35) {
      if (!running_.empty()) grow(below(size(running_)));
    } else if (what < 60) {
      if (!running_.empty()) insert(below(size(running_)), below(8) == 0);
    } else if (what < 78) {
      if (size(running_) < 5) start();
    } else if (what < 86) {
      if (!running_.empty()) finish(below(size(running_)));
    } else if (what < 90) {
      evict(1 + below(4));
    } else if (what < 94) {
      pin();
    } else if (what < 99) {
      pool_.release(pinned_);
    } else if (below(4) == 0) {
      clear();
    }
  }

  void check() {
    tree_.check();
    ASSERT_EQ(tree_.nodes(), size(naive_.entries()));
    std::vector<int32_t> references(static_cast<std::size_t>(shape_.pages));
    for (const auto& entry : naive_.entries()) ++references[entry.page];
    for (const Running& running : running_) {
      for (int32_t page : running.table.pages()) ++references[page];
    }
    for (int32_t page : pinned_) ++references[page];
    for (int32_t page = 0; page < shape_.pages; ++page)
      ASSERT_EQ(pool_.references(page), references[page]) << "page " << page;
    NaivePrefixTree all_gone = naive_;
    ASSERT_EQ(tree_.evictable_pages(), size(all_gone.evict(shape_.pages)));
    for (const Running& running : running_) {
      expect_content(running.tokens, size(running.tokens), running.table.pages(), running.weights);
    }
    const PrefixCounters& counters = tree_.counters();
    ASSERT_EQ(counters.inserted_pages - counters.replaced_pages - counters.evicted_pages - cleared_,
              tree_.nodes());
    ASSERT_EQ(counters.evicted_pages, evicted_);
    ASSERT_EQ(counters.lookups, lookups_);
    ASSERT_EQ(counters.hit_tokens, hits_);
    ASSERT_EQ(counters.miss_tokens, misses_);
  }

  // What the run met: a test that never evicts or never copies proves nothing.
  int64_t evicted() const { return evicted_; }
  int64_t copies() const { return copies_; }
  int64_t shared_pages() const { return shared_pages_; }
  int64_t full_pools() const { return full_pools_; }
  int64_t replaced() const { return tree_.counters().replaced_pages; }
  int64_t stale_cursors() const { return stale_cursors_; }

 private:
  template <class List>
  static int64_t size(const List& list) {
    return static_cast<int64_t>(std::size(list));
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(n)); }
  int32_t token() { return static_cast<int32_t>(below(shape_.alphabet)); }

  static uint16_t content(const Tokens& tokens, int64_t position, int64_t weights, int64_t plane) {
    uint64_t hash = static_cast<uint64_t>(weights * 8 + plane);
    for (int64_t i = 0; i <= position; ++i)
      hash = hash * 0x5851f42d4c957f2d + static_cast<uint64_t>(tokens[i]) + 1;
    return static_cast<uint16_t>(hash >> 40);
  }
  uint16_t& slot(std::span<const int32_t> pages, int64_t position, int64_t plane) {
    uint16_t* data = plane % 2 == 0 ? memory_.keys(plane / 2) : memory_.values(plane / 2);
    return data[pages[position / shape_.page_size] * shape_.page_size + position % shape_.page_size];
  }
  void expect_content(const Tokens& tokens, int64_t count, std::span<const int32_t> pages, int64_t weights) {
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t plane = 0; plane < 2 * kLayers; ++plane) {
        ASSERT_EQ(slot(pages, i, plane), content(tokens, i, weights, plane)) << "position " << i;
      }
    }
  }

  Tokens prompt() {
    Tokens tokens;
    if (!naive_.entries().empty() && below(3) > 0) {
      tokens = naive_.entries()[below(size(naive_.entries()))].path;
      tokens.resize(below(size(tokens) + 1));
    }
    const int64_t more = 1 + below(2 * shape_.page_size);
    for (int64_t i = 0; i < more && size(tokens) < kLongest; ++i) tokens.push_back(token());
    return tokens;
  }

  // Both trees' answer; what was found holds what the tokens' own computation would have written.
  PrefixTree::Match match(const Tokens& tokens, std::vector<int32_t>& pages) {
    const int64_t most = below(4) == 0 ? below(size(tokens) + 1) : size(tokens) - 1;
    const NaivePrefixTree::Found expected = naive_.match(tokens, most);
    const PrefixTree::Match match = tree_.match(tokens, most, pages);
    EXPECT_EQ(match.tokens, static_cast<int64_t>(expected.tokens));
    EXPECT_EQ(pages, expected.pages);
    EXPECT_EQ(match.partial_page, expected.partial_page);
    EXPECT_EQ(match.partial_tokens, match.tokens % shape_.page_size);
    std::vector<int32_t> all = pages;
    if (match.partial_page >= 0) all.push_back(match.partial_page);
    expect_content(tokens, match.tokens, all, weights_);
    ++lookups_;
    hits_ += match.tokens;
    misses_ += size(tokens) - match.tokens;
    shared_pages_ += size(pages);
    return match;
  }

  void start() {
    Running next{.tokens = prompt(),
                 .table = BlockTable(shape_.page_size, kLongest),
                 .cursor = {},
                 .weights = weights_};
    const PrefixTree::Match found = match(next.tokens, next.table.list());
    next.tokens.resize(static_cast<std::size_t>(found.tokens));
    next.cursor = found.cursor;
    const bool admitted = ensure(next.table, found.tokens);
    if (found.partial_page >= 0) {
      if (admitted) {
        memory_.copy_page(found.partial_page, next.table.pages().back());
        ++copies_;
      }
      pool_.release(found.partial_page);
    }
    if (!admitted) return next.table.release(pool_);
    running_.push_back(std::move(next));
  }

  bool ensure(BlockTable& table, int64_t tokens) {
    const int64_t missing = table.missing(tokens) - pool_.free_pages();
    if (missing > 0) evict(missing);
    if (table.ensure(pool_, tokens)) return true;
    ++full_pools_;
    return false;
  }

  void grow(int64_t i) {
    Running& running = running_[i];
    const int64_t more = std::min(1 + below(3), kLongest - size(running.tokens));
    if (!ensure(running.table, size(running.tokens) + more)) return finish(i);
    for (int64_t k = 0; k < more; ++k) {
      running.tokens.push_back(token());
      for (int64_t plane = 0; plane < 2 * kLayers; ++plane) {
        const int64_t position = size(running.tokens) - 1;
        slot(running.table.pages(), position, plane) =
            content(running.tokens, position, running.weights, plane);
      }
    }
  }

  void insert(int64_t i, bool from_root) {
    Running& running = running_[i];
    if (running.weights != weights_) {
      tree_.insert(running.tokens, running.table.pages(), running.cursor);  // changes nothing
      return;
    }
    PrefixTree::Cursor fresh = tree_.start();
    PrefixTree::Cursor& cursor = from_root ? fresh : running.cursor;
    stale_cursors_ += cursor.page >= 0 && !naive_.holds(cursor.page);
    naive_.insert(running.tokens, running.table.pages());
    tree_.insert(running.tokens, running.table.pages(), cursor);
  }

  void finish(int64_t i) {
    if (below(2) == 0) insert(i, false);
    running_[i].table.release(pool_);
    running_.erase(running_.begin() + i);
  }

  void evict(int64_t wanted) {
    const std::vector<int32_t> expected = naive_.evict(wanted);
    ASSERT_EQ(tree_.evict(wanted), size(expected));
    for (int32_t page : expected) ASSERT_EQ(pool_.references(page), 0) << "page " << page;
    evicted_ += size(expected);
  }

  // Holds what was found for a while, as a request that waits for its copy.
  void pin() {
    if (!pinned_.empty()) return;
    const PrefixTree::Match found = match(prompt(), pinned_);
    if (found.partial_page >= 0) pinned_.push_back(found.partial_page);
  }

  void clear() {
    cleared_ += tree_.nodes();
    tree_.clear();
    naive_.clear();
    ++weights_;
  }

  Shape shape_;
  std::mt19937_64 random_;
  PagePool pool_;
  KvMemory memory_;
  PrefixTree tree_;
  NaivePrefixTree naive_;
  std::vector<Running> running_;
  std::vector<int32_t> pinned_;
  int64_t weights_ = 0;
  int64_t evicted_ = 0, cleared_ = 0, lookups_ = 0, hits_ = 0, misses_ = 0;
  int64_t copies_ = 0, shared_pages_ = 0, full_pools_ = 0, stale_cursors_ = 0;
};

TEST(PrefixTreeRandom, EveryMatchInsertionAndEvictionIsThatOfTheNaiveTree) {
  constexpr uint64_t kSeed = 20261122;
  int64_t evicted = 0, copies = 0, shared = 0, full = 0, replaced = 0, stale = 0;
  for (const Shape& shape : {Shape{4, 16, 2}, Shape{4, 10, 3}, Shape{3, 24, 2}, Shape{2, 12, 2},
                             Shape{1, 20, 2}, Shape{8, 12, 2}, Shape{2, 48, 3}, Shape{16, 6, 1}}) {
    for (uint64_t run = 0; run < 24; ++run) {
      const uint64_t seed = kSeed + run;
      SCOPED_TRACE(fmt::format("seed {}, page size {}, {} pages, {} token ids", seed, shape.page_size,
                               shape.pages, shape.alphabet));
      World world(shape, seed);
      for (int step = 0; step < 1000; ++step) {
        world.step();
        if (!HasFailure()) world.check();
        ASSERT_FALSE(HasFailure()) << "at step " << step;
      }
      evicted += world.evicted();
      copies += world.copies();
      shared += world.shared_pages();
      full += world.full_pools();
      replaced += world.replaced();
      stale += world.stale_cursors();
    }
  }
  fmt::print(
      "seeds from {}: {} pages evicted, {} copied, {} shared, {} replaced; {} full pools, {} stale cursors\n",
      kSeed, evicted, copies, shared, replaced, full, stale);
  for (int64_t met : {evicted, copies, shared, full, replaced, stale}) EXPECT_GT(met, 20);
}

// The same calls on a pool whose memory lies elsewhere, with other allocations in between.
TEST(PrefixTreeRandom, TheSameCallsGiveTheSamePagesInEveryRun) {
  const auto run = [](int64_t noise) {
    PagePool pool(32);
    const std::vector<int32_t> elsewhere(static_cast<std::size_t>(noise) * 1000);
    PrefixTree tree(pool, 4);
    std::mt19937_64 random(7);
    std::vector<int32_t> log;
    for (int step = 0; step < 500; ++step) {
      Tokens tokens(1 + random() % 20);
      for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 2);
      BlockTable table(4, 32);
      const auto match = tree.match(tokens, static_cast<int64_t>(tokens.size()), table.list());
      if (match.partial_page >= 0) pool.release(match.partial_page);
      log.push_back(match.partial_page);
      tree.evict(table.missing(static_cast<int64_t>(tokens.size())) - pool.free_pages());
      INVAR_CHECK(table.ensure(pool, static_cast<int64_t>(tokens.size())), "{} free", pool.free_pages());
      log.insert(log.end(), table.pages().begin(), table.pages().end());
      tree.insert(tokens, table.pages());
      table.release(pool);
    }
    return log;
  };
  EXPECT_EQ(run(0), run(3));
}

}  // namespace
}  // namespace invar
