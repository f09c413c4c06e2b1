#include "io/tree_hash.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "io/hash.h"

namespace invar {
namespace {

std::vector<std::byte> bytes_of(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 2654435761u >> 13);
  return bytes;
}

// As the header says, written out.
std::string expected(std::span<const std::byte> bytes) {
  Sha256 root;
  root.add_u64(bytes.size());
  for (std::size_t at = 0; at < bytes.size(); at += kTreeHashLeaf) {
    const auto leaf = bytes.subspan(at, std::min<std::size_t>(kTreeHashLeaf, bytes.size() - at));
    root.add(std::as_bytes(std::span<const uint8_t>(Sha256().add(leaf).digest())));
  }
  return hex(root.digest());
}

TEST(TreeHash, IsTheHashOfTheLeavesHashesOnAnyNumberOfThreads) {
  constexpr std::size_t kLeaf = kTreeHashLeaf;
  std::set<std::string> found;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kLeaf - 1, kLeaf, kLeaf + 1, 5 * kLeaf + 7}) {
    const std::vector<std::byte> bytes = bytes_of(size);
    for (const int threads : {1, 2, 3}) {
      ThreadPool pool(threads);
      EXPECT_EQ(tree_sha256_hex(bytes, pool), expected(bytes)) << size << " bytes, " << threads << " threads";
    }
    found.insert(expected(bytes));
  }
  EXPECT_EQ(found.size(), 6u);
}

TEST(TreeHash, EveryByteCounts) {
  ThreadPool pool(2);
  std::vector<std::byte> bytes = bytes_of(2 * kTreeHashLeaf + 100);
  const std::string before = tree_sha256_hex(bytes, pool);
  for (const std::size_t at : {std::size_t{0}, std::size_t{kTreeHashLeaf}, bytes.size() - 1}) {
    bytes[at] ^= std::byte{1};
    EXPECT_NE(tree_sha256_hex(bytes, pool), before) << at;
    bytes[at] ^= std::byte{1};
  }
}

}  // namespace
}  // namespace invar
