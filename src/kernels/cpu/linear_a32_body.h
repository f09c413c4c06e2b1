// Profile amx32 of linear() from FMAs: NUM-A32 on vectors of outputs. Include a simd_*.h first; all static.
//
// These functions run with subnormals flushed: linear_driver.cc sets the mode around their calls.
#pragma once

#include "kernels/cpu/linear_dispatch.h"
#include "kernels/cpu/linear_expand_body.h"

namespace invar {
namespace {

#ifdef __AVX512F__

// 16 outputs: a panel.
struct A32Vector {
  static constexpr int kParts = 1;  // of a panel
  __m512 v;

  static A32Vector zero() { return {_mm512_setzero_ps()}; }
  static A32Vector load(const float* p) { return {_mm512_load_ps(p)}; }
  static A32Vector broadcast(const float* p) { return {_mm512_set1_ps(*p)}; }
  static A32Vector even(const std::byte* pairs) {
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_load_si512(pairs), 16))};
  }
  static A32Vector odd(const std::byte* pairs) {
    return {_mm512_castsi512_ps(_mm512_and_si512(_mm512_load_si512(pairs), _mm512_set1_epi32(0xffff0000)))};
  }
  void store(float* p) const { _mm512_store_ps(p, v); }
  // In place: GCC 12 left to itself copies accumulators, see fma_into_avx512.
  void add_product(A32Vector a, A32Vector w) {
    __asm__("vfmadd231ps %2, %1, %0" : "+v"(v) : "v"(a.v), "v"(w.v));
  }
  friend A32Vector operator+(A32Vector a, A32Vector b) { return {_mm512_add_ps(a.v, b.v)}; }
};

#else

// 8 outputs: half a panel.
struct A32Vector {
  static constexpr int kParts = 2;
  __m256 v;

  static A32Vector zero() { return {_mm256_setzero_ps()}; }
  static A32Vector load(const float* p) { return {_mm256_load_ps(p)}; }
  static A32Vector broadcast(const float* p) { return {_mm256_broadcast_ss(p)}; }
  static __m256i load_pairs(const std::byte* p) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  }
  static A32Vector even(const std::byte* pairs) {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(load_pairs(pairs), 16))};
  }
  static A32Vector odd(const std::byte* pairs) {
    return {_mm256_castsi256_ps(_mm256_and_si256(load_pairs(pairs), _mm256_set1_epi32(0xffff0000)))};
  }
  void store(float* p) const { _mm256_store_ps(p, v); }
  void add_product(A32Vector a, A32Vector w) { v = _mm256_fmadd_ps(a.v, w.v, v); }
  friend A32Vector operator+(A32Vector a, A32Vector b) { return {_mm256_add_ps(a.v, b.v)}; }
};

#endif

constexpr int kA32Width = 16 / A32Vector::kParts;  // outputs of a vector

// Weights as the packed panel has them, converted in registers; or expanded to fp32 [k, 16] before.
struct A32Packed {
  static constexpr int64_t kPairBytes = 64;
  static A32Vector even(const std::byte* pair, int part) {
    return A32Vector::even(pair + 4 * kA32Width * part);
  }
  static A32Vector odd(const std::byte* pair, int part) {
    return A32Vector::odd(pair + 4 * kA32Width * part);
  }
};
struct A32Expanded {
  static constexpr int64_t kPairBytes = 128;
  static A32Vector at(const std::byte* value, int part) {
    return A32Vector::load(reinterpret_cast<const float*>(value) + kA32Width * part);
  }
  static A32Vector even(const std::byte* pair, int part) { return at(pair, part); }
  static A32Vector odd(const std::byte* pair, int part) { return at(pair + 64, part); }
};

// The even and the odd chain of one group, for rows and vectors of outputs.
template <int kRows, int kVectors>
struct A32Chains {
  A32Vector even[kRows][kVectors], odd[kRows][kVectors];

  [[gnu::always_inline]] A32Chains() {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int p = 0; p < kVectors; ++p) even[r][p] = odd[r][p] = A32Vector::zero();
  }

  // 16 of the group's k. x: [kRows, 16] fp32; pairs: of the first panel.
  template <class Weights>
  [[gnu::always_inline]] void half(const float* x, const std::byte* pairs, int64_t panel_stride,
                                   int64_t ahead) {
    for (int i = 0; i < 16; i += 2, pairs += Weights::kPairBytes) {
      if (ahead != 0)
        for (int p = 0; p < kVectors; p += A32Vector::kParts)
          _mm_prefetch(pairs + p / A32Vector::kParts * panel_stride + ahead, _MM_HINT_T0);
      products<Weights, false>(even, x + i, pairs, panel_stride);
      products<Weights, true>(odd, x + i + 1, pairs, panel_stride);
    }
  }

  // Adds the group to acc [kRows, outputs]; where `first`, acc is +0 before.
  [[gnu::always_inline]] void add_to(float* acc, int64_t stride, bool first) const {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int p = 0; p < kVectors; ++p) {
        float* to = acc + r * stride + kA32Width * p;
        ((first ? A32Vector::zero() : A32Vector::load(to)) + (even[r][p] + odd[r][p])).store(to);
      }
  }

  // What the missing half of a group does: zero terms turn the -0 that a flush may leave into +0.
  [[gnu::always_inline]] void add_zeros() {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int p = 0; p < kVectors; ++p) {
        even[r][p] = even[r][p] + A32Vector::zero();
        odd[r][p] = odd[r][p] + A32Vector::zero();
      }
  }

 private:
  template <class Weights, bool kOdd>
  [[gnu::always_inline]] static void products(A32Vector (&chains)[kRows][kVectors], const float* x,
                                              const std::byte* pairs, int64_t panel_stride) {
    A32Vector weight[kVectors];
#pragma GCC unroll 8
    for (int p = 0; p < kVectors; ++p) {
      const std::byte* pair = pairs + p / A32Vector::kParts * panel_stride;
      weight[p] =
          kOdd ? Weights::odd(pair, p % A32Vector::kParts) : Weights::even(pair, p % A32Vector::kParts);
    }
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const A32Vector a = A32Vector::broadcast(x + 16 * r);
#pragma GCC unroll 8
      for (int p = 0; p < kVectors; ++p) chains[r][p].add_product(a, weight[p]);
    }
  }
};

// kStreams: weights are read from memory, and prefetched.
template <class Shape, class Weights, bool kStreams>
struct A32Tile : Shape {
  template <int kRows, int kPanels>
  [[gnu::noinline]] static void run(const LinearTileArgs& args) {
    const float* x = reinterpret_cast<const float*>(args.x);
    const std::byte* pairs = args.weights;
    for (int64_t k = 0; k < args.k; k += 32) {
      A32Chains<kRows, kPanels * A32Vector::kParts> chains;
      const int64_t halves = args.k - k < 32 ? 1 : 2;
      for (int64_t h = 0; h < halves; ++h, x += 16 * kRows, pairs += 8 * Weights::kPairBytes) {
        const int64_t ahead = kStreams ? linear_prefetch_bytes(args, k + 16 * h, kPanels) : 0;
        chains.template half<Weights>(x, pairs, args.weight_stride, ahead);
      }
      if (halves == 1) chains.add_zeros();
      chains.add_to(args.acc, args.acc_stride, args.first && k == 0);
    }
  }
};

// Two chains an output: half the rows that fma32's tiles have.
struct A32Few {
#ifdef __AVX512F__
  static constexpr int kRowsMax = 8;
  static constexpr int panels(int rows) {
    return rows == 1 ? 8 : rows <= 3 ? 4 : rows == 4 ? 3 : rows <= 6 ? 2 : 1;
  }
#else
  static constexpr int kRowsMax = 3;
  static constexpr int panels(int rows) { return rows == 1 ? 2 : 1; }
#endif
};
struct A32Many {
#ifdef __AVX512F__
  static constexpr int kRowsMax = 4;
  static constexpr int panels(int) { return 3; }
#else
  static constexpr int kRowsMax = 3;
  static constexpr int panels(int) { return 1; }
#endif
};

constexpr LinearTile kA32Few = {
    .rows_max = A32Few::kRowsMax,
    .panels_max = A32Few::panels(1),
    .k_chunk = 0,
    .k_group = 32,
    .row_bytes = 4,
    .weight_bytes = 0,
    .pack_rows = linear_pack_rows<64, expand_row_f32, 32>,
    .expand = nullptr,
    .run = linear_run<A32Tile<A32Few, A32Packed, true>>,
};

constexpr LinearTile kA32Many = {
    .rows_max = A32Many::kRowsMax,
    .panels_max = A32Many::panels(1),
    .k_chunk = A32Many::panels(1) == 1 ? 256 : 192,  // 16 or 36 KiB of expanded weights
    .k_group = 32,
    .row_bytes = 4,
    .weight_bytes = 64,
    .pack_rows = linear_pack_rows<64, expand_row_f32, 32>,
    .expand = expand_panel_f32,
    .run = linear_run<A32Tile<A32Many, A32Expanded, false>>,
};

constexpr LinearKernels kA32Kernels = {
    .mode = LinearMode::kFlush, .few = kA32Few, .many = kA32Many, .tokens = kA32Many, .store = kLinearStore};

}  // namespace
}  // namespace invar
