// What the row-wise CPU ops share: choosing a tier's kernel, and dividing rows between threads.
#pragma once

#include <cstdint>

#include "kernels/queue.h"

namespace invar {

// Rows begin .. end - 1 of a call.
struct RowRange {
  int64_t begin;
  int64_t end;
};

// One function, in its tiers. AVX512-BF16 has no dot product to offer here, so it runs the AVX-512
// one.
template <class Function>
struct Tiers {
  Function* ref;
  Function* avx2;
  Function* avx512;

  Function* operator[](Tier tier) const {
    switch (tier) {
      case Tier::kRef: return ref;
      case Tier::kAvx2: return avx2;
      default: return avx512;
    }
  }
};

// A fork and join costs about as much as this many elements of a memory-bound op.
constexpr int64_t kElementsWorthThreads = 16384;

// Calls body(RowRange) for shares of [0, rows), on all threads where there is enough to do.
template <class Body>
void parallel_rows(const Queue& queue, int64_t rows, int64_t elements_per_row, const Body& body) {
  if (rows == 0) return;
  if (rows * elements_per_row < kElementsWorthThreads) return body(RowRange{0, rows});
  queue.pool().parallel_for(rows, [&](int64_t begin, int64_t end, int) { body(RowRange{begin, end}); });
}

}  // namespace invar
