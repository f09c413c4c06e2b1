// PrefixTree: which pages hold the keys and values of which tokens, so that a prompt computes only
// what is new.
//
// A radix tree over token ids whose edges are pages: a node is one physical page and the 1 to
// page_size tokens that it holds; only full pages have children. The keys and values of a position
// are a function of the tokens up to it (positions are absolute), so a page serves every sequence
// that begins with the node's path, whoever wrote it, in prefill or in decode, and a hit gives the
// bits of a miss.
//
// The tree has one reference on each of its pages. A page has one writer, the sequence that took it
// from the pool, and that one only writes behind the tokens that it has inserted. Who finds a page
// that is not full, or is not wanted whole, copies it (copy-on-write). The life of a sequence:
//
//   match = tree.match(prompt, prompt.size() - 1, table.list());  // references on all that was found
//   tree.evict(what is missing), table.ensure(pool, tokens);      // pages of its own
//   memory.copy_page(match.partial_page, its first own page), pool.release(match.partial_page);
//   each step: run from position match.tokens on; then tree.insert(tokens, pages, match.cursor);
//   at its end: table.release(pool).                              // the tree keeps what it holds
//
// Time is logical: a counter of matches and insertions. Eviction takes the leaf whose last use is
// the longest ago; using a node uses its ancestors. No decision depends on an address, a wall clock
// or the order of a hash table.
//
// Nothing allocates after construction. Not thread-safe.
// Source    The idea of a radix tree over token ids with eviction of leaves: Zheng et al. 2023,
// arXiv:2312.07104.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kv/clock_heap.h"
#include "kv/page_index.h"
#include "kv/page_pool.h"
#include "kv/page_tier.h"

namespace invar {

struct PrefixCounters {
  int64_t lookups = 0;         // calls of match
  int64_t hit_tokens = 0;      // found by match
  int64_t miss_tokens = 0;     // asked for by match and not found, those beyond `most` too
  int64_t inserted_pages = 0;  // nodes made
  int64_t replaced_pages = 0;  // nodes that gave way to one that holds their tokens and more
  int64_t evicted_pages = 0;   // nodes removed by evict
};

class PrefixTree {
 public:
  // How far a sequence's full pages have been followed: insert goes on from there. Belongs to one
  // sequence; a copy is as good as the original. It stays right when what it points to is evicted:
  // then insert starts again at the root. A cursor from before a clear() inserts nothing: those
  // pages belong to other weights.
  struct Cursor {
    int32_t page = -1;        // the node of the last full page; -1: the root
    uint32_t generation = 0;  // of that node
    int64_t depth = 0;        // full pages on the path, that one included
    int64_t epoch = -1;       // clears before it
  };

  struct Match {
    int64_t tokens = 0;          // found: those of the full pages and partial_tokens
    int32_t partial_page = -1;   // its first partial_tokens tokens go on after the full pages; -1: none
    int64_t partial_tokens = 0;  // < page_size
    Cursor cursor;
  };

  // An empty tree over the pages of `pool`, page_size tokens each. With a tier, each evicted page
  // is offered to it.
  PrefixTree(PagePool& pool, int64_t page_size, PageTier* tier = nullptr);
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;
  ~PrefixTree() { clear(); }

  // Finds the longest cached prefix of tokens[0, most), of any length, and appends its full pages
  // to `pages` (room is the caller's: at most most / page_size pages). The caller owns one new
  // reference on each appended page and one on partial_page, so that none can be evicted: it
  // releases the former when its sequence ends and the latter when it has copied it; both at once
  // where the sequence is not admitted after all.
  // Cost: a hash of each full page; then one pass over the children of the last full node.
  Match match(std::span<const int32_t> tokens, int64_t most, std::vector<int32_t>& pages);

  // A cursor at the root, for a sequence that was not matched.
  Cursor start() const { return {.page = -1, .generation = 0, .depth = 0, .epoch = epoch_}; }

  // Makes tokens[0, n) findable, whose keys and values lie in `pages` (page i: positions [i *
  // page_size, ...); pages beyond n are ignored). To be called again with the same cursor as the
  // sequence grows; what was inserted of a page may never change. The caller must hold its
  // reference on each page. Where the tree has an equal page that one stays and nothing refers to
  // the caller's; a node of pages[i] that holds fewer tokens grows in place.
  // Cost: for a sequence that grows, a pass over what is new, and O(log nodes).
  void insert(std::span<const int32_t> tokens, std::span<const int32_t> pages, Cursor& cursor);
  void insert(std::span<const int32_t> tokens, std::span<const int32_t> pages) {
    Cursor cursor = start();
    insert(tokens, pages, cursor);
  }

  // Frees up to `wanted` pages that nothing refers to but the tree: leaves, the least recently used
  // first; a node whose last child goes is a leaf. Returns the number freed; fewer than wanted only
  // when nothing is left to free.
  // Cost: O(log nodes) for each page freed and for each leaf passed over because it is in use (at
  // most one a sequence).
  int64_t evict(int64_t wanted);

  // How many pages evict could free now. Exact: nodes without a reference on themselves or below. O(nodes).
  int64_t evictable_pages();

  // Drops all nodes: their pages are free when nothing else refers to them. For new weights. The
  // tier is not asked.
  void clear();

  int64_t nodes() const { return nodes_count_; }
  const PrefixCounters& counters() const { return counters_; }

  // For tests: every invariant of the tree, by INVAR_CHECK.
  void check() const;

 private:
  // Nodes are numbered by their pages, and the root is the number behind the last page.
  struct Node {
    int32_t parent = -1;
    int32_t count = 0;  // tokens; 0: this page is not in the tree
    int32_t first_child = -1;
    int32_t previous = -1, next = -1;  // siblings
    uint32_t generation = 0;           // grows when the page leaves the tree
    int64_t used = 0;                  // the clock of its last use, and of its removed descendants'
    int64_t mark = 0;                  // of evictable_pages
  };
  struct Common {
    int32_t page = -1;
    int64_t tokens = 0;
  };

  int32_t root() const { return static_cast<int32_t>(nodes_.size()) - 1; }
  bool in_tree(int32_t page) const { return nodes_[page].count > 0; }
  bool full(int32_t page) const { return nodes_[page].count == page_size_; }
  std::span<const int32_t> tokens_of(int32_t page) const {
    return {tokens_.data() + page * page_size_, static_cast<std::size_t>(nodes_[page].count)};
  }

  int32_t follow(const Cursor& cursor, std::span<const int32_t> tokens) const;
  int32_t find_full(int32_t parent, std::span<const int32_t> stretch) const;
  Common longest_common(int32_t parent, std::span<const int32_t> stretch) const;
  int32_t place_full(int32_t parent, std::span<const int32_t> stretch, int32_t page);
  int32_t place_partial(int32_t parent, std::span<const int32_t> stretch, int32_t page);
  void replace(const Common& shorter);
  void add(int32_t parent, std::span<const int32_t> stretch, int32_t page);
  void grow(int32_t parent, std::span<const int32_t> stretch, int32_t page);
  void became_full(int32_t page);
  void remove(int32_t page);
  void use(int32_t page);
  PageKey key(int32_t page) const;
  void check_node(int32_t page) const;

  PagePool& pool_;
  int64_t page_size_;
  PageTier* tier_;
  std::vector<Node> nodes_;      // [pages + 1]
  std::vector<int32_t> tokens_;  // [pages, page_size]
  std::vector<PageKey> keys_;    // [pages + 1], of full pages and the root; empty without a tier
  PageIndex index_;              // full pages by (parent, tokens)
  ClockHeap leaves_;             // by `used`; no two leaves are equal (see use)
  std::vector<int32_t> passed_;  // of evict
  int64_t nodes_count_ = 0;
  int64_t clock_ = 0;
  int64_t epoch_ = 0;
  int64_t mark_ = 0;
  PrefixCounters counters_;
};

}  // namespace invar
