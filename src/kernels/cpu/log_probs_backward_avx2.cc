#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/log_probs_backward_body.h"

namespace invar::cpu {

void log_probs_backward_avx2(const LogProbsBackwardArgs& args, RowRange rows) {
  log_probs_backward_rows(args, rows);
}

}  // namespace invar::cpu
