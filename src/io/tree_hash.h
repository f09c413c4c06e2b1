// A digest of much memory on all threads, at the speed of reading it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/thread_pool.h"

namespace invar {

inline constexpr int64_t kTreeHashLeaf = int64_t{1} << 20;

// 64 hex digits: SHA-256 over u64 number of bytes (little endian), then the XXH3 of 128 bits (seed 0, canonical: big
// endian) of every leaf of 1 MiB, in order; the last leaf may be shorter. It does not depend on the threads. XXH3 finds
// every difference that happens, but nothing that is made to be missed (docs/adr/0008-digests-of-training.md).
std::string tree_hash_hex(std::span<const std::byte> bytes, ThreadPool& pool);

}  // namespace invar
