#include "kernels/cpu/simd_avx2.h"

#include "kernels/cpu/sample_body.h"

namespace invar::cpu {

extern const SampleKernels kSampleAvx2{.first_equal = first_equal,
                                       .strided_max = strided_max,
                                       .collect = collect,
                                       .masses = list_masses,
                                       .draw_row = draw_row,
                                       .draw_list = draw_list,
                                       .gumbel_bound = gumbel_bounds,
                                       .gumbel = gumbels};

}  // namespace invar::cpu
