// The port to a slower home for pages, by a tier in the test's memory.
#include "kv/page_tier.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <utility>

#include "kv/kv_memory.h"
#include "kv/prefix_tree.h"

namespace invar {
namespace {

using Tokens = std::vector<int32_t>;

constexpr KvMemory::Shape kShape = {.layers = 2, .pages = 8, .page_elements = 4};

// Its digest is a table: the n-th pair of parent and tokens that it meets is n. No two keys collide.
class TableTier : public PageTier {
 public:
  explicit TableTier(KvMemory& memory) : memory_(memory) {}

  PageKey root() const override { return named(0xffff0000u + weights); }
  PageKey extend(const PageKey& parent, std::span<const int32_t> tokens) const override {
    const std::pair<PageKey, Tokens> link = {parent, {tokens.begin(), tokens.end()}};
    return named(links_.try_emplace(link, static_cast<uint32_t>(links_.size())).first->second);
  }
  void save(const PageKey& key, int32_t page) override {
    std::vector<uint16_t>& bytes = saved_[key];
    bytes.clear();
    each_part(page, [&](uint16_t* part) { bytes.insert(bytes.end(), part, part + kShape.page_elements); });
  }
  bool restore(const PageKey& key, int32_t page) override {
    const auto at = saved_.find(key);
    if (at == saved_.end()) return false;
    const uint16_t* from = at->second.data();
    each_part(page, [&](uint16_t* part) {
      std::copy_n(from, kShape.page_elements, part);
      from += kShape.page_elements;
    });
    return true;
  }

  template <class Body>
  void each_part(int32_t page, const Body& body) {
    for (int64_t layer = 0; layer < kShape.layers; ++layer) {
      body(memory_.keys(layer) + page * kShape.page_elements);
      body(memory_.values(layer) + page * kShape.page_elements);
    }
  }

  std::size_t pages() const { return saved_.size(); }
  uint32_t weights = 0;

 private:
  static PageKey named(uint32_t number) {
    PageKey key{};
    std::memcpy(key.data(), &number, sizeof(number));
    return key;
  }

  KvMemory& memory_;
  mutable std::map<std::pair<PageKey, Tokens>, uint32_t> links_;
  std::map<PageKey, std::vector<uint16_t>> saved_;
};

TEST(PageTier, AnEvictedPageComesBackByTheTokensThatLeadToIt) {
  auto memory = KvMemory::create(kShape);
  ASSERT_TRUE(memory.ok()) << memory.message();
  TableTier tier(*memory);
  PagePool pool(kShape.pages);
  PrefixTree tree(pool, kShape.page_elements, &tier);
  std::vector<int32_t> pages;
  ASSERT_TRUE(pool.allocate(3, pages));
  const std::vector<int32_t> written = pages;
  uint16_t next = 1;
  for (int32_t page : pages) {
    tier.each_part(page, [&](uint16_t* part) {
      for (int64_t i = 0; i < kShape.page_elements; ++i) part[i] = next++;
    });
  }
  // Grown token by token: the keys are those of the tokens, however they came.
  const Tokens tokens = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  PrefixTree::Cursor cursor = tree.start();
  for (std::size_t size = 1; size <= tokens.size(); ++size)
    tree.insert(std::span(tokens).first(size), pages, cursor);
  pool.release(pages);
  EXPECT_EQ(tree.evict(2), 2);
  EXPECT_EQ(tier.pages(), 2u);
  EXPECT_EQ(tree.evict(2), 1);
  EXPECT_EQ(tier.pages(), 3u);

  PageKey key = tier.root();
  uint16_t expected = 1;
  for (const std::span<const int32_t> stretch :
       {std::span(tokens).first(4), std::span(tokens).subspan(4, 4), std::span(tokens).subspan(8)}) {
    key = tier.extend(key, stretch);
    const int32_t page = written[2] + 1;
    ASSERT_TRUE(tier.restore(key, page));
    tier.each_part(page, [&](uint16_t* part) {
      for (int64_t i = 0; i < kShape.page_elements; ++i) EXPECT_EQ(part[i], expected++);
    });
  }
  EXPECT_FALSE(tier.restore(tier.extend(tier.root(), Tokens{1, 1, 1}), 0));
}

TEST(PageTier, KeysOfOtherWeightsAreOthersAndAClearedTreeSavesNothing) {
  auto memory = KvMemory::create(kShape);
  ASSERT_TRUE(memory.ok()) << memory.message();
  TableTier tier(*memory);
  PagePool pool(kShape.pages);
  PrefixTree tree(pool, kShape.page_elements, &tier);
  std::vector<int32_t> pages;
  ASSERT_TRUE(pool.allocate(2, pages));
  tree.insert(Tokens{1, 2, 3, 4, 5}, pages);
  tier.weights = 1;
  tree.clear();
  EXPECT_EQ(tier.pages(), 0u);
  tree.insert(Tokens{1, 2, 3, 4, 5}, pages);
  pool.release(pages);
  EXPECT_EQ(tree.evict(2), 2);
  EXPECT_TRUE(tier.restore(tier.extend(tier.root(), Tokens{1, 2, 3, 4}), 0));
  tier.weights = 0;
  EXPECT_FALSE(tier.restore(tier.extend(tier.root(), Tokens{1, 2, 3, 4}), 0));
}

}  // namespace
}  // namespace invar
