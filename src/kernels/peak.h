// Loops that reach a ceiling of this machine, for benches to time: a percentage means nothing without its ceiling,
// measured in the same process.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/queue.h"

namespace invar {

// Runs `iterations` rounds of independent multiply-adds in registers with the widest instruction of a tier that
// products may use: vfmadd of 256 bits (avx2), of 512 bits (avx512), vdpbf16ps (avx512bf16), tdpbf16ps (amx). Returns
// the FLOP executed, two for a multiply-add. One thread. The tier must be supported and not ref.
double peak_product_loop(Tier tier, int64_t iterations);

// Reads every byte once, in 8 ascending streams (one alone keeps fewer misses in flight). Returns a value that depends
// on all of them. One thread. data is 64-byte aligned, bytes a multiple of 1024.
uint64_t stream_read(const std::byte* data, int64_t bytes);

}  // namespace invar
