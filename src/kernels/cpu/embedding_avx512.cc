#include "kernels/cpu/simd_avx512.h"

#include "kernels/cpu/embedding_body.h"

namespace invar::cpu {

void embedding_avx512(const EmbeddingArgs& args, RowRange rows) { embedding_rows(args, rows); }

}  // namespace invar::cpu
