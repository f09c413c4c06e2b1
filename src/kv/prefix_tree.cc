#include "kv/prefix_tree.h"

#include <algorithm>

namespace invar {
namespace {

uint64_t mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93u;
  x ^= x >> 32;
  return x;
}

// Of a page's place and content; the same on every machine.
uint64_t hash_of(int32_t parent, std::span<const int32_t> tokens) {
  uint64_t hash = mix(static_cast<uint32_t>(parent) + uint64_t{0x9e3779b97f4a7c15u});
  for (int32_t token : tokens) hash = mix(hash * 31 + static_cast<uint32_t>(token));
  return hash;
}

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < most && a[i] == b[i]) ++i;
  return static_cast<int64_t>(i);
}

bool same_tokens(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

PrefixTree::PrefixTree(PagePool& pool, int64_t page_size, PageTier* tier)
    : pool_(pool),
      page_size_(page_size),
      tier_(tier),
      nodes_(static_cast<std::size_t>(pool.pages()) + 1),
      index_(pool.pages()),
      leaves_(pool.pages()) {
  INVAR_CHECK(page_size > 0, "page size {}", page_size);
  tokens_.resize(static_cast<std::size_t>(pool.pages() * page_size));
  passed_.reserve(static_cast<std::size_t>(pool.pages()));
  nodes_[root()].count = static_cast<int32_t>(page_size);
  if (tier_ != nullptr) {
    keys_.resize(nodes_.size());
    keys_[root()] = tier_->root();
  }
}

PrefixTree::Match PrefixTree::match(std::span<const int32_t> tokens, int64_t most,
                                    std::vector<int32_t>& pages) {
  const std::size_t size = static_cast<std::size_t>(page_size_);
  const int64_t asked = static_cast<int64_t>(tokens.size());
  std::span<const int32_t> rest = tokens.first(static_cast<std::size_t>(std::clamp<int64_t>(most, 0, asked)));
  ++clock_;
  Match match;
  int32_t node = root();
  match.cursor = start();
  for (; rest.size() >= size; rest = rest.subspan(size)) {
    const int32_t child = find_full(node, rest.first(size));
    if (child < 0) break;
    node = child;
    pool_.retain(node);
    pages.push_back(node);
    match.tokens += page_size_;
    match.cursor.page = node;
    match.cursor.generation = nodes_[node].generation;
    ++match.cursor.depth;
  }
  const Common common = longest_common(node, rest);
  if (common.tokens > 0) {
    node = match.partial_page = common.page;
    pool_.retain(node);
    match.partial_tokens = common.tokens;
    match.tokens += common.tokens;
  }
  use(node);
  ++counters_.lookups;
  counters_.hit_tokens += match.tokens;
  counters_.miss_tokens += asked - match.tokens;
  return match;
}

void PrefixTree::insert(std::span<const int32_t> tokens, std::span<const int32_t> pages, Cursor& cursor) {
  if (cursor.epoch != epoch_) return;
  const std::size_t size = static_cast<std::size_t>(page_size_);
  INVAR_CHECK(pages.size() * size >= tokens.size(), "{} pages for {} tokens", pages.size(), tokens.size());
  ++clock_;
  int32_t node = follow(cursor, tokens);
  if (node == root()) cursor = start();
  std::size_t depth = static_cast<std::size_t>(cursor.depth);
  for (; (depth + 1) * size <= tokens.size(); ++depth) {
    INVAR_CHECK(pool_.references(pages[depth]) > 0, "page {} is free", pages[depth]);
    node = place_full(node, tokens.subspan(depth * size, size), pages[depth]);
    cursor = {.page = node,
              .generation = nodes_[node].generation,
              .depth = static_cast<int64_t>(depth) + 1,
              .epoch = epoch_};
  }
  const std::span<const int32_t> rest = tokens.subspan(depth * size);
  if (!rest.empty()) {
    INVAR_CHECK(pool_.references(pages[depth]) > 0, "page {} is free", pages[depth]);
    node = place_partial(node, rest, pages[depth]);
  }
  use(node);
}

// The node that the cursor points to, or the root when it has left the tree.
int32_t PrefixTree::follow(const Cursor& cursor, std::span<const int32_t> tokens) const {
  if (cursor.page < 0 || !in_tree(cursor.page) || nodes_[cursor.page].generation != cursor.generation)
    return root();
  const int64_t end = cursor.depth * page_size_;
  INVAR_CHECK(end <= static_cast<int64_t>(tokens.size()), "cursor at {} of {} tokens", end, tokens.size());
  INVAR_CHECK(same_tokens(tokens_of(cursor.page), tokens.subspan(static_cast<std::size_t>(end - page_size_),
                                                                 static_cast<std::size_t>(page_size_))),
              "page {}: the cursor of another sequence", cursor.page);
  return cursor.page;
}

int32_t PrefixTree::find_full(int32_t parent, std::span<const int32_t> stretch) const {
  return index_.find(hash_of(parent, stretch), [&](int32_t page) {
    return nodes_[page].parent == parent && same_tokens(tokens_of(page), stretch);
  });
}

// The child that shares the longest prefix with `stretch`; of equal ones the lowest page.
PrefixTree::Common PrefixTree::longest_common(int32_t parent, std::span<const int32_t> stretch) const {
  Common best;
  if (stretch.empty()) return best;
  for (int32_t child = nodes_[parent].first_child; child >= 0; child = nodes_[child].next) {
    const int64_t tokens = common_prefix(tokens_of(child), stretch);
    if (tokens > best.tokens || (tokens > 0 && tokens == best.tokens && child < best.page))
      best = {child, tokens};
  }
  return best;
}

// The child of `parent` that holds `stretch`, page_size tokens: an equal one that is there, or that
// of `page`.
int32_t PrefixTree::place_full(int32_t parent, std::span<const int32_t> stretch, int32_t page) {
  const int32_t equal = find_full(parent, stretch);
  if (equal == page) return page;
  if (equal >= 0) {
    // Another page came to hold these tokens first; a node that has grown with this one has nothing to add.
    if (in_tree(page)) {
      INVAR_CHECK(nodes_[page].parent == parent && !full(page), "page {} is elsewhere in the tree", page);
      remove(page);
      ++counters_.replaced_pages;
    }
    return equal;
  }
  if (in_tree(page)) {
    grow(parent, stretch, page);
  } else {
    replace(longest_common(parent, stretch));
    add(parent, stretch, page);
  }
  return page;
}

// The child of `parent` whose tokens begin with `stretch`, fewer than page_size tokens.
int32_t PrefixTree::place_partial(int32_t parent, std::span<const int32_t> stretch, int32_t page) {
  if (in_tree(page)) {
    grow(parent, stretch, page);
    return page;
  }
  const Common common = longest_common(parent, stretch);
  if (common.tokens == static_cast<int64_t>(stretch.size())) return common.page;
  replace(common);
  add(parent, stretch, page);
  return page;
}

// A leaf whose tokens all begin a page that is about to be added, and that nobody else holds, is of
// no more use: the next turn of a conversation copies the last page of the one before and goes on.
void PrefixTree::replace(const Common& shorter) {
  if (shorter.tokens == 0 || shorter.tokens != nodes_[shorter.page].count || full(shorter.page)) return;
  if (pool_.references(shorter.page) > 1) return;
  remove(shorter.page);
  ++counters_.replaced_pages;
}

void PrefixTree::add(int32_t parent, std::span<const int32_t> stretch, int32_t page) {
  pool_.retain(page);
  if (parent != root() && nodes_[parent].first_child < 0) leaves_.remove(parent);
  Node& node = nodes_[page];
  node.parent = parent;
  node.count = static_cast<int32_t>(stretch.size());
  node.previous = -1;
  node.next = nodes_[parent].first_child;
  if (node.next >= 0) nodes_[node.next].previous = page;
  nodes_[parent].first_child = page;
  node.used = clock_;
  std::copy(stretch.begin(), stretch.end(), tokens_.begin() + page * page_size_);
  leaves_.push(page, clock_);
  ++nodes_count_;
  ++counters_.inserted_pages;
  if (full(page)) became_full(page);
}

// The node of `page` holds `stretch` from now on, which begins with what it held; or it holds that
// and more already.
void PrefixTree::grow(int32_t parent, std::span<const int32_t> stretch, int32_t page) {
  const int64_t held = nodes_[page].count;
  const int64_t tokens = static_cast<int64_t>(stretch.size());
  INVAR_CHECK(nodes_[page].parent == parent, "page {} is elsewhere in the tree", page);
  INVAR_CHECK(common_prefix(tokens_of(page), stretch) == std::min(held, tokens),
              "page {} was inserted with other tokens", page);
  if (tokens <= held) return;
  std::copy(stretch.begin() + held, stretch.end(), tokens_.begin() + page * page_size_ + held);
  nodes_[page].count = static_cast<int32_t>(tokens);
  if (full(page)) became_full(page);
}

void PrefixTree::became_full(int32_t page) {
  if (tier_ != nullptr) keys_[page] = tier_->extend(keys_[nodes_[page].parent], tokens_of(page));
  index_.add(hash_of(nodes_[page].parent, tokens_of(page)), page);
}

// Takes a leaf out of the tree. Its parent was used when it was.
void PrefixTree::remove(int32_t page) {
  Node& node = nodes_[page];
  const int32_t parent = node.parent;
  INVAR_CHECK(in_tree(page) && node.first_child < 0, "page {} is no leaf", page);
  if (full(page)) index_.remove(hash_of(parent, tokens_of(page)), page);
  leaves_.remove(page);
  (node.previous >= 0 ? nodes_[node.previous].next : nodes_[parent].first_child) = node.next;
  if (node.next >= 0) nodes_[node.next].previous = node.previous;
  nodes_[parent].used = std::max(nodes_[parent].used, node.used);
  if (parent != root() && nodes_[parent].first_child < 0) leaves_.push(parent, nodes_[parent].used);
  node.count = 0;
  ++node.generation;
  --nodes_count_;
  pool_.release(page);
}

// Marks the path to `page` as used now. Only a leaf's clock is ever compared, and a node becomes a
// leaf when its children have handed theirs up: so it is enough to write the last node's. The nodes
// of one tick lie on one path, of which at most one is a leaf at any time: no two leaves have the
// same clock.
void PrefixTree::use(int32_t page) {
  nodes_[page].used = clock_;
  if (page != root() && leaves_.contains(page)) leaves_.raise(page, clock_);
}

int64_t PrefixTree::evict(int64_t wanted) {
  int64_t freed = 0;
  while (freed < wanted && !leaves_.empty()) {
    const int32_t page = leaves_.least();
    if (pool_.references(page) > 1) {
      leaves_.remove(page);
      passed_.push_back(page);
      continue;
    }
    if (tier_ != nullptr) tier_->save(key(page), page);
    remove(page);
    ++freed;
  }
  for (int32_t page : passed_) leaves_.push(page, nodes_[page].used);
  passed_.clear();
  counters_.evicted_pages += freed;
  return freed;
}

int64_t PrefixTree::evictable_pages() {
  ++mark_;
  int64_t pinned = 0;
  for (int32_t page = 0; page < root(); ++page) {
    if (!in_tree(page) || pool_.references(page) == 1) continue;
    for (int32_t i = page; i != root() && nodes_[i].mark != mark_; i = nodes_[i].parent) {
      nodes_[i].mark = mark_;
      ++pinned;
    }
  }
  return nodes_count_ - pinned;
}

void PrefixTree::clear() {
  for (int32_t page = 0; page < root(); ++page) {
    // Up from each leaf, as far as the way is a leaf too.
    for (int32_t i = page; i != root() && in_tree(i) && nodes_[i].first_child < 0;) {
      const int32_t parent = nodes_[i].parent;
      remove(i);
      i = parent;
    }
  }
  ++epoch_;
  if (tier_ != nullptr) keys_[root()] = tier_->root();
}

PageKey PrefixTree::key(int32_t page) const {
  return full(page) ? keys_[page] : tier_->extend(keys_[nodes_[page].parent], tokens_of(page));
}

}  // namespace invar
