// NaivePrefixTree: what PrefixTree must do, by brute force over a list of token sequences. For its
// random test.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kv/page_pool.h"

namespace invar {

class NaivePrefixTree {
 public:
  using Tokens = std::vector<int32_t>;

  struct Entry {
    int32_t page;
    Tokens path;    // all tokens from position 0 to the page's last one
    int64_t begin;  // position of the page's first token
    int64_t used;   // the clock of the last match or insertion whose path led through this page
  };

  struct Found {
    Tokens::size_type tokens = 0;
    std::vector<int32_t> pages;
    int32_t partial_page = -1;
  };

  NaivePrefixTree(const PagePool& pool, int64_t page_size) : pool_(pool), page_size_(page_size) {}

  const std::vector<Entry>& entries() const { return entries_; }
  bool holds(int32_t page) const { return find(page) != nullptr; }

  Found match(const Tokens& tokens, int64_t most) {
    ++clock_;
    const Tokens asked(tokens.begin(), tokens.begin() + most);
    Found found;
    for (const Entry& entry : entries_) found.tokens = std::max(found.tokens, common(entry.path, asked));
    const Tokens path(asked.begin(), asked.begin() + static_cast<int64_t>(found.tokens));
    const int64_t size = static_cast<int64_t>(path.size());
    for (int64_t end = page_size_; end <= size; end += page_size_)
      found.pages.push_back(equal({path.begin(), path.begin() + end})->page);
    const int64_t rest = size / page_size_ * page_size_;
    if (rest < size) {
      for (const Entry& entry : entries_) {
        if (entry.begin != rest || common(entry.path, path) != path.size()) continue;
        if (found.partial_page < 0 || entry.page < found.partial_page) found.partial_page = entry.page;
      }
    }
    const int32_t last = found.partial_page >= 0 ? found.partial_page
                         : found.pages.empty()   ? -1
                                                 : found.pages.back();
    use(last);
    return found;
  }

  void insert(const Tokens& tokens, std::span<const int32_t> pages) {
    ++clock_;
    const int64_t size = static_cast<int64_t>(tokens.size());
    int32_t last = -1;
    for (int64_t begin = 0; begin < size; begin += page_size_) {
      const Tokens path(tokens.begin(), tokens.begin() + std::min(size, begin + page_size_));
      last = place(path, begin, pages[static_cast<std::size_t>(begin / page_size_)]);
    }
    use(last);
  }

  // The pages that evict(wanted) must free, in its order. They are gone from this tree.
  std::vector<int32_t> evict(int64_t wanted) {
    std::vector<int32_t> freed;
    while (static_cast<int64_t>(freed.size()) < wanted) {
      const Entry* oldest = nullptr;
      for (const Entry& entry : entries_) {
        if (!leaf(entry) || pool_.references(entry.page) > 1) continue;
        if (oldest == nullptr || entry.used < oldest->used) oldest = &entry;
      }
      if (oldest == nullptr) break;
      freed.push_back(oldest->page);
      erase(oldest->page);
    }
    return freed;
  }

  void clear() { entries_.clear(); }

 private:
  static Tokens::size_type common(const Tokens& a, const Tokens& b) {
    const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
    return static_cast<Tokens::size_type>(end - a.begin());
  }
  static bool starts_with(const Tokens& tokens, const Tokens& prefix) {
    return common(tokens, prefix) == prefix.size();
  }

  bool full(const Entry& entry) const {
    return static_cast<int64_t>(entry.path.size()) - entry.begin == page_size_;
  }
  bool leaf(const Entry& entry) const {
    return std::none_of(entries_.begin(), entries_.end(), [&](const Entry& other) {
      return full(entry) && other.begin == entry.begin + page_size_ && starts_with(other.path, entry.path);
    });
  }
  const Entry* find(int32_t page) const {
    const auto at =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.page == page; });
    return at == entries_.end() ? nullptr : &*at;
  }
  const Entry* equal(const Tokens& path) const {
    const auto at =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.path == path; });
    return at == entries_.end() ? nullptr : &*at;
  }
  void erase(int32_t page) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.page == page; });
  }

  void use(int32_t page) {
    if (page < 0) return;
    const Tokens path = find(page)->path;
    for (Entry& entry : entries_) {
      if (entry.page == page || (full(entry) && starts_with(path, entry.path))) entry.used = clock_;
    }
  }

  int32_t place(const Tokens& path, int64_t begin, int32_t page) {
    const bool whole = static_cast<int64_t>(path.size()) == begin + page_size_;
    Entry* own = const_cast<Entry*>(find(page));
    if (whole) {
      if (const Entry* there = equal(path); there != nullptr) {
        const int32_t kept = there->page;
        if (kept != page) erase(page);
        return kept;
      }
    }
    if (own != nullptr) {
      if (path.size() > own->path.size()) own->path = path;
      return page;
    }
    // Among the pages at this place: the one that shares most, of equal ones the lowest.
    std::optional<Entry> best;
    const Tokens parent(path.begin(), path.begin() + begin);
    for (const Entry& entry : entries_) {
      if (entry.begin != begin || !starts_with(entry.path, parent)) continue;
      const auto shared = common(entry.path, path);
      const auto most = best ? common(best->path, path) : parent.size();
      if (shared > most || (best && shared == most && entry.page < best->page)) best = entry;
    }
    if (best && !whole && starts_with(best->path, path)) return best->page;
    if (best && !full(*best) && starts_with(path, best->path) && pool_.references(best->page) == 1)
      erase(best->page);
    entries_.push_back({.page = page, .path = path, .begin = begin, .used = clock_});
    return page;
  }

  const PagePool& pool_;
  int64_t page_size_;
  std::vector<Entry> entries_;
  int64_t clock_ = 0;
};

}  // namespace invar
