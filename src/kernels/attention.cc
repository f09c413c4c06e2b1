#include "kernels/attention.h"

#include "base/check.h"
#include "kernels/cpu/attention_tile.h"
#include "kernels/cpu/kv_write.h"
#include "kernels/ref/attention.h"

namespace invar {
namespace {

constexpr std::size_t kPageAlignment = 64;

void check_layout(const KvLayout& layout, const bf16* k_pages, const bf16* v_pages) {
  INVAR_CHECK(layout.kv_heads > 0, "kv_heads = {}", layout.kv_heads);
  INVAR_CHECK(layout.head_dim > 0 && layout.head_dim % 16 == 0, "head_dim = {}, not a multiple of 16",
              layout.head_dim);
  const int64_t size = layout.page_size;
  INVAR_CHECK(size == 16 || size == 32 || size == 64 || size == 128, "page_size = {}, not 16, 32, 64 or 128",
              size);
  INVAR_CHECK(reinterpret_cast<std::uintptr_t>(k_pages) % kPageAlignment == 0 &&
                  reinterpret_cast<std::uintptr_t>(v_pages) % kPageAlignment == 0,
              "pages at {} and {} are not aligned to {} bytes", static_cast<const void*>(k_pages),
              static_cast<const void*>(v_pages), kPageAlignment);
}

void check_chunks(std::span<const SequenceChunk> chunks) {
  for (const SequenceChunk& chunk : chunks) {
    INVAR_CHECK(chunk.rows >= 1 && chunk.row_begin >= 0 && chunk.position_begin >= 0,
                "row_begin = {}, rows = {}, position_begin = {}", chunk.row_begin, chunk.rows,
                chunk.position_begin);
    INVAR_CHECK(chunk.pages != nullptr, "a chunk without a block table");
  }
}

cpu::AttentionKernels kernels_of(Tier tier, Profile profile) {
  if (tier == Tier::kAvx2) return cpu::attention_avx2(profile);
  return tier == Tier::kAvx512 || fma_beats_dpbf16() ? cpu::attention_avx512(profile)
                                                     : cpu::attention_avx512bf16(profile);
}

}  // namespace

void kv_write(Queue& queue, const KvWriteArgs& args) {
  check_layout(args.layout, args.k_pages, args.v_pages);
  check_chunks(args.chunks);
  const int64_t width = args.layout.kv_heads * args.layout.head_dim;
  INVAR_CHECK(args.k_stride >= width && args.v_stride >= width, "k_stride = {}, v_stride = {}, G D = {}",
              args.k_stride, args.v_stride, width);
  if (queue.tier() == Tier::kRef) return ref::kv_write(args);
  cpu::kv_write(queue, args);
}

void attention(Queue& queue, const AttentionArgs& args) {
  check_layout(args.layout, args.k_pages, args.v_pages);
  check_chunks(args.chunks);
  INVAR_CHECK(args.heads > 0 && args.heads % args.layout.kv_heads == 0, "heads = {}, kv_heads = {}",
              args.heads, args.layout.kv_heads);
  const int64_t width = args.heads * args.layout.head_dim;
  INVAR_CHECK(args.q_stride >= width && args.out_stride >= width, "q_stride = {}, out_stride = {}, H D = {}",
              args.q_stride, args.out_stride, width);
  INVAR_CHECK(args.scale > 0, "scale = {}", args.scale);
  constexpr double kLog2E = 1.4426950408889634;
  const auto c = static_cast<float>(static_cast<double>(args.scale) * kLog2E);
  if (queue.tier() == Tier::kRef) return ref::attention(queue.profile(), args, c);
  cpu::run_attention(queue, args, c, kernels_of(queue.tier(), queue.profile()));
}

}  // namespace invar
