#include "kernels/linear.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/cpu/linear_driver.h"
#include "kernels/ref/linear.h"

namespace invar {
namespace {

constexpr int64_t kPanel = PackedWeight::kPanel;

// The part of one panel that some rows of a weight fall into.
struct PanelRows {
  int64_t panel;
  int64_t begin, end;  // rows of the panel, within [0, 16]
};

// Calls body(part, rows before it) for the parts of rows [row, row + rows), in order.
template <class Body>
void for_panels(int64_t row, int64_t rows, const Body& body) {
  for (int64_t done = 0; done < rows;) {
    const int64_t begin = (row + done) % kPanel;
    const int64_t end = std::min(kPanel, begin + rows - done);
    body(PanelRows{(row + done) / kPanel, begin, end}, done);
    done += end - begin;
  }
}

// w: rows [begin, end) of the panel, row-major [end - begin, k]; panel: [k / 2, 16, 2]. Pairs are the
// outer loop, so that
// the panel is written line by line.
void pack_panel(const bf16* w, int64_t begin, int64_t end, int64_t k, bf16* panel) {
  for (int64_t pair = 0; pair < k / 2; ++pair)
    for (int64_t n = begin; n < end; ++n)
      std::memcpy(panel + (pair * kPanel + n) * 2, w + (n - begin) * k + 2 * pair, 2 * sizeof(bf16));
  if (k % 2 != 0)
    for (int64_t n = begin; n < end; ++n) panel[(k / 2 * kPanel + n) * 2] = w[(n - begin + 1) * k - 1];
}

void unpack_panel(const bf16* panel, int64_t begin, int64_t end, int64_t k, bf16* w) {
  for (int64_t pair = 0; pair < k / 2; ++pair)
    for (int64_t n = begin; n < end; ++n)
      std::memcpy(w + (n - begin) * k + 2 * pair, panel + (pair * kPanel + n) * 2, 2 * sizeof(bf16));
  if (k % 2 != 0)
    for (int64_t n = begin; n < end; ++n) w[(n - begin + 1) * k - 1] = panel[(k / 2 * kPanel + n) * 2];
}

void check_rows(const PackedWeight& weight, int64_t row, int64_t rows) {
  INVAR_CHECK(row >= 0 && rows >= 0 && row <= weight.n - rows, "rows {} + {} of {}", row, rows, weight.n);
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

LinearKernels linear_kernels(const Queue& queue) {
  if (queue.profile() == Profile::kTc16)
    return queue.tier() == Tier::kAvx2 ? linear_tc16_avx2() : linear_tc16_avx512();
  if (queue.profile() == Profile::kAmx32) {
    if (queue.tier() == Tier::kAvx2) return linear_amx32_avx2();
    return queue.tier() == Tier::kAmx && amx_is_a32() ? linear_amx32_amx() : linear_amx32_avx512();
  }
  if (queue.tier() == Tier::kAvx2) return linear_fma32_avx2();
  return queue.tier() == Tier::kAvx512 || fma_beats_dpbf16() ? linear_fma32_avx512()
                                                             : linear_fma32_avx512bf16();
}

PackedWeight pack_weight(std::span<const WeightRows> blocks, int64_t k) {
  int64_t n = 0;
  for (const WeightRows& block : blocks) {
    INVAR_CHECK(block.n >= 0 && (block.data != nullptr || block.n == 0), "block of {} rows", block.n);
    n += block.n;
  }
  PackedWeight weight = packed_zeros(n, k);
  int64_t row = 0;
  for (const WeightRows& block : blocks) {
    pack_rows(weight, row, block);
    row += block.n;
  }
  return weight;
}

PackedWeight packed_zeros(int64_t n, int64_t k) {
  INVAR_CHECK(n > 0 && k > 0, "weight is [{}, {}]", n, k);
  PackedWeight weight;
  weight.n = n;
  weight.k = k;
  weight.data = Buffer<bf16>(weight.panels() * kPanel * weight.k_padded());
  return weight;
}

void pack_rows(PackedWeight& weight, int64_t row, const WeightRows& block) {
  check_rows(weight, row, block.n);
  const int64_t k = weight.k, panel_elements = kPanel * weight.k_padded();
  for_panels(row, block.n, [&](const PanelRows& part, int64_t done) {
    bf16* panel = weight.data.data() + part.panel * panel_elements;
    pack_panel(block.data + done * k, part.begin, part.end, k, panel);
  });
}

void unpack_rows(const PackedWeight& weight, int64_t row, int64_t rows, bf16* out) {
  check_rows(weight, row, rows);
  for_panels(row, rows, [&](const PanelRows& part, int64_t done) {
    unpack_panel(weight.panel(part.panel), part.begin, part.end, weight.k, out + done * weight.k);
  });
}

void linear(Queue& queue, const LinearArgs& args) {
  check(args);
  if (args.rows == 0) return;
  if (queue.tier() == Tier::kRef) return linear_ref(queue, args);
  linear_tiled(queue, args, linear_kernels(queue));
}

}  // namespace invar
