// SHA-256 of much memory on all threads.
#pragma once

#include <span>
#include <string>

#include "base/thread_pool.h"

namespace invar {

inline constexpr int64_t kTreeHashLeaf = int64_t{1} << 20;

// SHA-256, 64 hex digits, over: u64 number of bytes (little endian), then the SHA-256 of every leaf of 1 MiB, in order;
// the last leaf may be shorter. It does not depend on the threads.
std::string tree_sha256_hex(std::span<const std::byte> bytes, ThreadPool& pool);

}  // namespace invar
