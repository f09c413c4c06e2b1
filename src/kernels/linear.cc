#include "kernels/linear.h"

#include <array>
#include <cstring>

#include "base/check.h"
#include "kernels/cpu/linear_driver.h"
#include "kernels/ref/linear.h"

namespace invar {
namespace {

constexpr int64_t kPanel = PackedWeight::kPanel;

// The rows of the blocks below each other, one after the other; null past the last.
class RowCursor {
 public:
  RowCursor(std::span<const WeightRows> blocks, int64_t k) : blocks_(blocks), k_(k) {}

  const bf16* next() {
    while (!blocks_.empty() && row_ == blocks_.front().n) {
      blocks_ = blocks_.subspan(1);
      row_ = 0;
    }
    return blocks_.empty() ? nullptr : blocks_.front().data + row_++ * k_;
  }

 private:
  std::span<const WeightRows> blocks_;
  int64_t k_;
  int64_t row_ = 0;
};

// rows: 16 rows [k]; out: [k / 2, 16, 2].
void pack_panel(const std::array<const bf16*, kPanel>& rows, int64_t k, bf16* out) {
  for (int64_t pair = 0; pair < k / 2; ++pair)
    for (int64_t n = 0; n < kPanel; ++n)
      std::memcpy(out + (pair * kPanel + n) * 2, rows[n] + 2 * pair, 2 * sizeof(bf16));
  if (k % 2 != 0)
    for (int64_t n = 0; n < kPanel; ++n) out[(k / 2 * kPanel + n) * 2] = rows[n][k - 1];
}

LinearKernels kernels_of(const Queue& queue) {
  if (queue.profile() == Profile::kTc16)
    return queue.tier() == Tier::kAvx2 ? linear_tc16_avx2() : linear_tc16_avx512();
  if (queue.tier() == Tier::kAvx2) return linear_fma32_avx2();
  return queue.tier() == Tier::kAvx512 || fma_beats_dpbf16() ? linear_fma32_avx512()
                                                             : linear_fma32_avx512bf16();
}

void check(const LinearArgs& args) {
  INVAR_CHECK(args.weight != nullptr, "linear without a weight");
  const PackedWeight& weight = *args.weight;
  INVAR_CHECK(weight.n > 0 && weight.k > 0, "weight is [{}, {}]", weight.n, weight.k);
  INVAR_CHECK(weight.data.size() == weight.panels() * kPanel * weight.k_padded(),
              "weight [{}, {}] holds {} elements", weight.n, weight.k, weight.data.size());
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK((args.out_bf16 != nullptr) != (args.out_f32 != nullptr) || args.rows == 0,
              "exactly one output: out_bf16 {} out_f32 {}", args.out_bf16 != nullptr,
              args.out_f32 != nullptr);
  INVAR_CHECK(args.x != nullptr || args.rows == 0, "{} rows without x", args.rows);
  INVAR_CHECK(args.rows <= 1 || args.x_stride >= weight.k, "x_stride = {}, K = {}", args.x_stride, weight.k);
  INVAR_CHECK(args.rows <= 1 || args.out_stride >= weight.n, "out_stride = {}, N = {}", args.out_stride,
              weight.n);
}

}  // namespace

PackedWeight pack_weight(std::span<const WeightRows> blocks, int64_t k) {
  PackedWeight weight;
  weight.k = k;
  for (const WeightRows& block : blocks) {
    INVAR_CHECK(block.n >= 0 && (block.data != nullptr || block.n == 0), "block of {} rows", block.n);
    weight.n += block.n;
  }
  INVAR_CHECK(weight.n > 0 && k > 0, "weight is [{}, {}]", weight.n, k);
  weight.data = Buffer<bf16>(weight.panels() * kPanel * weight.k_padded());

  const Buffer<bf16> zeros(k);
  RowCursor cursor(blocks, k);
  for (int64_t p = 0; p < weight.panels(); ++p) {
    std::array<const bf16*, kPanel> rows;
    for (const bf16*& row : rows) {
      row = cursor.next();
      if (row == nullptr) row = zeros.data();
    }
    pack_panel(rows, k, weight.data.data() + p * kPanel * weight.k_padded());
  }
  return weight;
}

void linear(Queue& queue, const LinearArgs& args) {
  check(args);
  if (args.rows == 0) return;
  if (queue.tier() == Tier::kRef) return linear_ref(queue, args);
  linear_tiled(queue, args, kernels_of(queue));
}

}  // namespace invar
