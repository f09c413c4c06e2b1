#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/embedding_backward_body.h"

namespace invar::cpu {

bool embedding_backward_avx2(const EmbeddingBackwardArgs& args, RowRange columns) {
  return embedding_backward_columns(args, columns);
}

}  // namespace invar::cpu
