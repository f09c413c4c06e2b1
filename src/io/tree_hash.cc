#include "io/tree_hash.h"

#include <algorithm>
#include <vector>

#include "io/hash.h"

namespace invar {

std::string tree_sha256_hex(std::span<const std::byte> bytes, ThreadPool& pool) {
  const auto size = static_cast<int64_t>(bytes.size());
  const int64_t leaves = (size + kTreeHashLeaf - 1) / kTreeHashLeaf;
  std::vector<Sha256Digest> digests(static_cast<std::size_t>(leaves));
  pool.parallel_for(leaves, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t at = i * kTreeHashLeaf;
      digests[static_cast<std::size_t>(i)] =
          Sha256()
              .add(bytes.subspan(static_cast<std::size_t>(at),
                                 static_cast<std::size_t>(std::min(kTreeHashLeaf, size - at))))
              .digest();
    }
  });
  Sha256 root;
  root.add_u64(bytes.size());
  for (const Sha256Digest& digest : digests) root.add(std::as_bytes(std::span<const uint8_t>(digest)));
  return hex(root.digest());
}

}  // namespace invar
