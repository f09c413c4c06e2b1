#include "io/tree_hash.h"

#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "io/hash.h"

namespace invar {

std::string tree_hash_hex(std::span<const std::byte> bytes, ThreadPool& pool) {
  const auto size = static_cast<int64_t>(bytes.size());
  const int64_t leaves = (size + kTreeHashLeaf - 1) / kTreeHashLeaf;
  std::vector<XXH128_canonical_t> hashes(static_cast<std::size_t>(leaves));
  pool.parallel_for(leaves, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * kTreeHashLeaf;
      const XXH128_hash_t hash =
          XXH3_128bits(bytes.data() + at, static_cast<std::size_t>(std::min(kTreeHashLeaf, size - at)));
      XXH128_canonicalFromHash(&hashes[static_cast<std::size_t>(i)], hash);
    }
  });
  return hex(Sha256().add_u64(bytes.size()).add(std::as_bytes(std::span(hashes))).digest());
}

}  // namespace invar
