// AMX: permission to use it, and the products of the self-check of the tier amx.
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar {

// Whether the CPU has bf16 tiles and the system lets this process use them, which has to be asked for once: Linux saves
// their 8 KiB for threads of a process that asked, and for no other.
bool amx_permitted();

// From here to amx_end() this thread's tiles 0 to 7 hold 16 rows of 64 bytes. Outside of the two they hold nothing, so
// that a switch of threads does not save them. Calls do not nest.
void amx_begin();
void amx_end();

// a: [kSize, kK] and w: [kSize, kK], both row-major.
struct AmxProblem {
  static constexpr int64_t kSize = 16;
  static constexpr int64_t kK = 96;
  bf16 a[kSize * kK];
  bf16 w[kSize * kK];
};
// out[r, n] = the chain of tdpbf16ps over k of a[r, .] and w[n, .], from +0. out: [kSize, kSize].
void amx_products(const AmxProblem& problem, float* out);

}  // namespace invar
