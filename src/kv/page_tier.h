// PageTier: the port to a slower, larger home (host memory, disk) for pages that the prefix tree evicts.
//
// A page's bytes are a function of the model and of all tokens up to the page's last one: a key
// that names both names the bytes. The key is a chain of digests, one link a page; the tier brings
// the digest, so that a tier on a disk can use SHA-256 and one in a test a table. A key that two
// token sequences shared would give one of them the other's keys and values: a digest must be free
// of collisions in practice.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace invar {

using PageKey = std::array<uint8_t, 32>;

class PageTier {
 public:
  virtual ~PageTier() = default;

  // Names the model: its weights, the numerics version, the page layout. Asked again after
  // PrefixTree::clear().
  virtual PageKey root() const = 0;
  // The key of a page that holds `tokens` (1 to page_size of them) behind the pages that `parent` names.
  virtual PageKey extend(const PageKey& parent, std::span<const int32_t> tokens) const = 0;

  // `page` is about to be freed: copy its bytes now, or let them go.
  virtual void save(const PageKey& key, int32_t page) = 0;
  // Writes the saved bytes of `key` into `page`, which the caller holds; false, and no change, when
  // there are none.
  virtual bool restore(const PageKey& key, int32_t page) = 0;
};

}  // namespace invar
