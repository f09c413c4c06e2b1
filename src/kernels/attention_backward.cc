#include "kernels/attention_backward.h"

#include "base/check.h"
#include "kernels/cpu/attention_backward_task.h"
#include "kernels/ref/attention_backward.h"

namespace invar {
namespace {

void check(const AttentionBackwardArgs& args) {
  INVAR_CHECK(args.kv_heads > 0 && args.heads > 0 && args.heads % args.kv_heads == 0,
              "heads = {}, kv_heads = {}", args.heads, args.kv_heads);
  INVAR_CHECK(args.head_dim > 0 && args.head_dim % 16 == 0, "head_dim = {}, not a multiple of 16",
              args.head_dim);
  INVAR_CHECK(args.scale > 0, "scale = {}", args.scale);
  const int64_t width = args.heads * args.head_dim, kv_width = args.kv_heads * args.head_dim;
  INVAR_CHECK(args.q_stride >= width && args.out_stride >= width && args.d_out_stride >= width &&
                  args.dq_stride >= width,
              "q_stride = {}, out_stride = {}, d_out_stride = {}, dq_stride = {}, H D = {}", args.q_stride,
              args.out_stride, args.d_out_stride, args.dq_stride, width);
  INVAR_CHECK(args.k_stride >= kv_width && args.v_stride >= kv_width && args.dk_stride >= kv_width &&
                  args.dv_stride >= kv_width,
              "k_stride = {}, v_stride = {}, dk_stride = {}, dv_stride = {}, G D = {}", args.k_stride,
              args.v_stride, args.dk_stride, args.dv_stride, kv_width);
  for (const SequenceRows& sequence : args.sequences)
    INVAR_CHECK(sequence.row_begin >= 0 && sequence.rows >= 1, "row_begin = {}, rows = {}",
                sequence.row_begin, sequence.rows);
}

cpu::AttentionBackwardKernels kernels_of(Tier tier, Profile profile) {
  if (tier == Tier::kAvx2) return cpu::attention_backward_avx2(profile);
  return tier == Tier::kAvx512 || fma_beats_dpbf16() ? cpu::attention_backward_avx512(profile)
                                                     : cpu::attention_backward_avx512bf16(profile);
}

}  // namespace

void attention_backward(Queue& queue, const AttentionBackwardArgs& args) {
  check(args);
  if (args.sequences.empty()) return;
  constexpr double kLog2E = 1.4426950408889634;
  const auto c = static_cast<float>(static_cast<double>(args.scale) * kLog2E);
  if (queue.tier() == Tier::kRef) return ref::attention_backward(queue.profile(), args, c);
  cpu::run_attention_backward(queue, args, c, kernels_of(queue.tier(), queue.profile()));
}

}  // namespace invar
