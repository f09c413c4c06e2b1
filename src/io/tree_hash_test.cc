#include "io/tree_hash.h"

#include <gtest/gtest.h>
#include <xxhash.h>

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
    const XXH128_hash_t hash = XXH3_128bits(leaf.data(), leaf.size());
    for (const uint64_t half : {hash.high64, hash.low64})
      for (int shift = 56; shift >= 0; shift -= 8) {
        const auto byte = static_cast<std::byte>(half >> shift);
        root.add({&byte, 1});
      }
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
      EXPECT_EQ(tree_hash_hex(bytes, pool), expected(bytes)) << size << " bytes, " << threads << " threads";
    }
    found.insert(expected(bytes));
  }
  EXPECT_EQ(found.size(), 6u);
}

// The published value of nothing: another version of XXH3 would be another digest.
TEST(TreeHash, TheLibraryHasTheXxh3ThatWasFrozen) {
  const XXH128_hash_t hash = XXH3_128bits("", 0);
  EXPECT_EQ(hash.high64, 0x99aa06d3014798d8u);
  EXPECT_EQ(hash.low64, 0x6001c324468d497fu);
}

TEST(TreeHash, EveryByteCounts) {
  ThreadPool pool(2);
  std::vector<std::byte> bytes = bytes_of(2 * kTreeHashLeaf + 100);
  const std::string before = tree_hash_hex(bytes, pool);
  for (const std::size_t at : {std::size_t{0}, std::size_t{kTreeHashLeaf}, bytes.size() - 1}) {
    bytes[at] ^= std::byte{1};
    EXPECT_NE(tree_hash_hex(bytes, pool), before) << at;
    bytes[at] ^= std::byte{1};
  }
}

}  // namespace
}  // namespace invar
