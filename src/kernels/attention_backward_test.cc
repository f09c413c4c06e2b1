#include "kernels/attention_backward.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "kernels/cpu/attention_backward_task.h"
#include "kernels/tiers_test.h"
#include "tensor/buffer.h"

namespace invar {
namespace {

struct Shape {
  int64_t heads, kv_heads, dim;
};
constexpr Shape kShapes[] = {{1, 1, 16}, {6, 2, 64}, {2, 1, 128}, {3, 3, 80}};
constexpr Profile kProfiles[] = {Profile::kFma32, Profile::kTc16};
constexpr bf16 kNan{0x7fc1}, kInf{0x7f80};
constexpr float kScale = 0.125f;

enum class Values { kNormal, kLargeScores, kEqualScores, kTiny };

// Some whole sequences, each with rows of its own memory: qkv [L, (H + 2 G) D], d_out [L, H D].
struct Sequence {
  int64_t length;
  std::vector<bf16> qkv, d_out;
};

Sequence make_sequence(const Shape& shape, int64_t length, Values values, uint64_t seed) {
  TestRandom random(seed);
  const int64_t width = (shape.heads + 2 * shape.kv_heads) * shape.dim;
  Sequence s{length, random.bf16_normals(length * width),
             random.bf16_normals(length * shape.heads * shape.dim, 0.1f)};
  const auto tiny = [&](bf16& x) {
    x = to_bf16(std::ldexp(to_float(x), -static_cast<int>(random.below(75)) - 60));
  };
  if (values == Values::kLargeScores)
    for (bf16& x : s.qkv) x = to_bf16(to_float(x) * 300.0f / std::sqrt(static_cast<float>(shape.dim)));
  if (values == Values::kEqualScores) std::ranges::fill(s.qkv, to_bf16(0.5f));
  if (values == Values::kTiny) {
    std::ranges::for_each(s.qkv, tiny);
    std::ranges::for_each(s.d_out, tiny);
  }
  return s;
}

uint32_t same_nan(float x) { return x == x ? std::bit_cast<uint32_t>(x) : 0x7fffffffu; }

// The bits of one sequence's gradients, and what the forward left.
struct Gradients {
  std::vector<uint32_t> dq, dk, dv;             // [L, H D], [L, G D], [L, G D]
  std::vector<uint32_t> out, row_max, row_sum;  // [L, H D], [L, H], [L, H]
};

// A call: sequences packed with `gap` rows of NaN before each.
class Packed {
 public:
  Packed(const Shape& shape, const std::vector<Sequence>& sequences, int64_t gap) : shape_(shape) {
    for (const Sequence& s : sequences) {
      rows_ += gap;
      spans_.push_back({rows_, s.length});
      rows_ += s.length;
    }
    rows_ += gap;
    qkv_.assign(static_cast<std::size_t>(rows_ * stride()), kNan);
    d_out_.assign(static_cast<std::size_t>(rows_ * q_width()), kNan);
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      std::ranges::copy(sequences[i].qkv, qkv_.begin() + spans_[i].row_begin * stride());
      std::ranges::copy(sequences[i].d_out, d_out_.begin() + spans_[i].row_begin * q_width());
    }
  }

  // Forward and backward; one result a sequence.
  std::vector<Gradients> run(Queue& queue) {
    return run_by(queue, [&](const AttentionBackwardArgs& args) { attention_backward(queue, args); });
  }

  // The same with any implementation of the backward.
  template <class Backward>
  std::vector<Gradients> run_by(Queue& queue, const Backward& backward) {
    forward(queue);
    std::vector<float> dq(static_cast<std::size_t>(rows_ * q_width()), kUntouched);
    std::vector<float> dk(static_cast<std::size_t>(rows_ * kv_width()), kUntouched);
    std::vector<bf16> dv(static_cast<std::size_t>(rows_ * kv_width()), to_bf16(kUntouched));
    backward(AttentionBackwardArgs{.q = qkv_.data(),
                                   .k = qkv_.data() + q_width(),
                                   .v = qkv_.data() + q_width() + kv_width(),
                                   .out = out_.data(),
                                   .d_out = d_out_.data(),
                                   .row_sums = row_sums_.data(),
                                   .dq = dq.data(),
                                   .dk = dk.data(),
                                   .dv = dv.data(),
                                   .q_stride = stride(),
                                   .k_stride = stride(),
                                   .v_stride = stride(),
                                   .out_stride = q_width(),
                                   .d_out_stride = q_width(),
                                   .dq_stride = q_width(),
                                   .dk_stride = kv_width(),
                                   .dv_stride = kv_width(),
                                   .heads = shape_.heads,
                                   .kv_heads = shape_.kv_heads,
                                   .head_dim = shape_.dim,
                                   .scale = kScale,
                                   .sequences = spans_});
    std::vector<Gradients> results;
    for (const SequenceRows& s : spans_) {
      Gradients& g = results.emplace_back();
      const auto rows = [&](const auto& x, int64_t width) {
        std::vector<uint32_t> bits;
        for (int64_t i = s.row_begin * width; i < (s.row_begin + s.rows) * width; ++i)
          bits.push_back(word(x[i]));
        return bits;
      };
      g.dq = rows(dq, q_width());
      g.dk = rows(dk, kv_width());
      g.dv = rows(dv, kv_width());
      g.out = rows(out_, q_width());
      for (int64_t i = s.row_begin * shape_.heads; i < (s.row_begin + s.rows) * shape_.heads; ++i) {
        g.row_max.push_back(same_nan(row_sums_[i].max));
        g.row_sum.push_back(same_nan(row_sums_[i].sum));
      }
    }
    for (int64_t r = 0; r < spans_.front().row_begin; ++r) {
      for (int64_t i = 0; i < q_width(); ++i) EXPECT_EQ(dq[r * q_width() + i], kUntouched);
      for (int64_t i = 0; i < kv_width(); ++i) EXPECT_EQ(dk[r * kv_width() + i], kUntouched);
    }
    return results;
  }

 private:
  static constexpr float kUntouched = 12345.0f;
  static uint32_t word(float x) { return same_nan(x); }
  static uint32_t word(bf16 x) { return x.bits; }

  int64_t q_width() const { return shape_.heads * shape_.dim; }
  int64_t kv_width() const { return shape_.kv_heads * shape_.dim; }
  int64_t stride() const { return q_width() + 2 * kv_width(); }

  void forward(Queue& queue) {
    constexpr int64_t kPage = 32;
    const KvLayout layout{shape_.kv_heads, shape_.dim, kPage};
    std::vector<std::vector<int32_t>> tables;
    std::vector<SequenceChunk> chunks;
    int32_t pages = 0;
    for (const SequenceRows& s : spans_) {
      std::vector<int32_t>& table =
          tables.emplace_back(static_cast<std::size_t>((s.rows + kPage - 1) / kPage));
      std::iota(table.begin(), table.end(), pages);
      pages += static_cast<int32_t>(table.size());
      chunks.push_back({s.row_begin, s.rows, 0, table.data()});
    }
    Buffer<bf16> k_pages(pages * layout.page_elements()), v_pages(pages * layout.page_elements());
    kv_write(queue, {.k = qkv_.data() + q_width(),
                     .v = qkv_.data() + q_width() + kv_width(),
                     .k_stride = stride(),
                     .v_stride = stride(),
                     .k_pages = k_pages.data(),
                     .v_pages = v_pages.data(),
                     .layout = layout,
                     .chunks = chunks});
    out_.assign(static_cast<std::size_t>(rows_ * q_width()), kNan);
    row_sums_.assign(static_cast<std::size_t>(rows_ * shape_.heads), {0, 0});
    attention(queue, {.q = qkv_.data(),
                      .out = out_.data(),
                      .q_stride = stride(),
                      .out_stride = q_width(),
                      .k_pages = k_pages.data(),
                      .v_pages = v_pages.data(),
                      .layout = layout,
                      .heads = shape_.heads,
                      .scale = kScale,
                      .chunks = chunks,
                      .row_sums = row_sums_.data()});
  }

  Shape shape_;
  int64_t rows_ = 0;
  std::vector<SequenceRows> spans_;
  std::vector<bf16> qkv_, d_out_, out_;
  std::vector<AttentionRowSum> row_sums_;
};

std::vector<Gradients> run(const Shape& shape, const std::vector<Sequence>& sequences, Profile profile,
                           Tier tier, int threads, int64_t gap = 0) {
  Queue queue(shared_pool(threads), profile, tier);
  return Packed(shape, sequences, gap).run(queue);
}

void expect_equal(const std::vector<Gradients>& expected, const std::vector<Gradients>& found,
                  const std::string& what) {
  ASSERT_EQ(expected.size(), found.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto same = [&](const std::vector<uint32_t>& a, const std::vector<uint32_t>& b, const char* name) {
      const auto [at, other] = std::ranges::mismatch(a, b);
      ASSERT_TRUE(at == a.end() && other == b.end())
          << what << ": sequence " << i << ", " << name << " at " << at - a.begin();
    };
    same(expected[i].row_max, found[i].row_max, "row max");
    same(expected[i].row_sum, found[i].row_sum, "row sum");
    same(expected[i].out, found[i].out, "out");
    same(expected[i].dv, found[i].dv, "dv");
    same(expected[i].dq, found[i].dq, "dq");
    same(expected[i].dk, found[i].dk, "dk");
  }
}

std::string describe(const Shape& shape, Profile profile, Tier tier, int threads) {
  return fmt::format("H {} G {} D {}, {} {}, {} threads", shape.heads, shape.kv_heads, shape.dim,
                     profile_name(profile), tier_name(tier), threads);
}

TEST(AttentionBackward, EveryTierEqualsTheScalarSpecificationAtTheBordersOfGroupsAndBlocks) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles) {
      std::vector<Sequence> sequences;
      for (int64_t length : {1, 15, 16, 17, 33, 65, 127, 129})
        sequences.push_back(
            make_sequence(shape, length, Values::kNormal, 10 + static_cast<uint64_t>(length)));
      if (profile == Profile::kFma32)
        for (int64_t length : {64, 128, 290})
          sequences.push_back(make_sequence(shape, length, Values::kNormal, 9));
      const auto expected = run(shape, sequences, profile, Tier::kRef, 1);
      for (Tier tier : fast_tiers())
        expect_equal(expected, run(shape, sequences, profile, tier, 1, 1), describe(shape, profile, tier, 1));
    }
}

TEST(AttentionBackward, EveryValueClassEqualsTheScalarSpecification) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles) {
      std::vector<Sequence> sequences;
      for (Values values : {Values::kLargeScores, Values::kEqualScores, Values::kTiny})
        // Tiny operands take the scalar path of H16 in every tier, which is slow.
        sequences.push_back(make_sequence(shape, values == Values::kTiny ? 40 : 140, values, 20));
      const auto expected = run(shape, sequences, profile, Tier::kRef, 1);
      for (Tier tier : fast_tiers())
        expect_equal(expected, run(shape, sequences, profile, tier, 2), describe(shape, profile, tier, 2));
    }
}

// One sequence on many threads divides keys and queries apart; several are divided whole.
TEST(AttentionBackward, ThreadsAndPackingChangeNoBit) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles)
      for (Tier tier : fast_tiers()) {
        const int64_t longest = profile == Profile::kFma32 ? 390 : 200;
        const std::vector<Sequence> sequences = {make_sequence(shape, longest, Values::kNormal, 31),
                                                 make_sequence(shape, 1, Values::kNormal, 32),
                                                 make_sequence(shape, longest / 3, Values::kLargeScores, 33),
                                                 make_sequence(shape, 35, Values::kNormal, 34)};
        std::vector<Gradients> alone;
        for (const Sequence& s : sequences) alone.push_back(run(shape, {s}, profile, tier, 1)[0]);
        for (int threads : {1, 2, 3, 5}) {
          if (profile == Profile::kTc16 && threads == 3) continue;  // slow
          expect_equal(alone, run(shape, sequences, profile, tier, threads, 3),
                       describe(shape, profile, tier, threads));
          expect_equal({alone[0]}, run(shape, {sequences[0]}, profile, tier, threads),
                       describe(shape, profile, tier, threads));
        }
      }
}

// Which of the two computes NUM-P2 in the tier avx512bf16 depends on the CPU's vendor; here both run.
TEST(AttentionBackward, TheDotProductInstructionAndFmasGiveTheSameBits) {
  if (!tier_supported(Tier::kAvx512Bf16)) GTEST_SKIP() << "no vdpbf16ps on this CPU";
  constexpr auto kC = static_cast<float>(static_cast<double>(kScale) * 1.4426950408889634);
  for (const Shape& shape : kShapes) {
    std::vector<Sequence> sequences;
    for (Values values : {Values::kNormal, Values::kLargeScores, Values::kEqualScores, Values::kTiny})
      sequences.push_back(make_sequence(shape, 210, values, 41));
    Queue queue(shared_pool(2), Profile::kFma32, Tier::kAvx512Bf16);
    Packed packed(shape, sequences, 0);
    const auto by = [&](cpu::AttentionBackwardKernels kernels) {
      return packed.run_by(queue, [&](const AttentionBackwardArgs& args) {
        cpu::run_attention_backward(queue, args, kC, kernels);
      });
    };
    expect_equal(by(cpu::attention_backward_avx512(Profile::kFma32)),
                 by(cpu::attention_backward_avx512bf16(Profile::kFma32)), fmt::format("D {}", shape.dim));
  }
}

TEST(AttentionBackward, WhatIsNotFiniteShowsInItsOwnSequenceAndInNoOther) {
  const Shape shape{4, 2, 32};
  const int64_t q_width = shape.heads * shape.dim, width = q_width + 2 * shape.kv_heads * shape.dim;
  const auto finite = [](const std::vector<uint32_t>& bits) {
    return std::ranges::all_of(bits, [](uint32_t b) { return (b & 0x7f800000u) != 0x7f800000u; });
  };
  for (Profile profile : kProfiles)
    for (Tier tier : fast_tiers()) {
      const std::vector<Sequence> good = {make_sequence(shape, 20, Values::kNormal, 51),
                                          make_sequence(shape, 90, Values::kNormal, 52),
                                          make_sequence(shape, 30, Values::kNormal, 53)};
      const auto expected = run(shape, good, profile, tier, 2);
      for (int64_t column : {int64_t{3}, q_width + 3, width - 3, int64_t{-1}})  // of q, k, v; of d_out
        for (bf16 value : {kNan, kInf}) {
          std::vector<Sequence> bad = good;
          if (column < 0)
            bad[1].d_out[70 * q_width + 1] = value;
          else
            bad[1].qkv[70 * width + column] = value;
          const auto found = run(shape, bad, profile, tier, 2);
          expect_equal({expected[0], expected[2]}, {found[0], found[2]}, describe(shape, profile, tier, 2));
          ASSERT_FALSE(finite(found[1].dq) && finite(found[1].dk)) << "column " << column;
        }
    }
}

// Softmax attention and its gradients in binary64.
struct Exact {
  std::vector<double> dq, dk, dv;                 // [L, H D], [L, G D], [L, G D]
  std::vector<double> dq_size, dk_size, dv_size;  // the same sums of absolute values of terms
};

Exact exact_gradients(const Shape& shape, const Sequence& s) {
  const int64_t q_width = shape.heads * shape.dim, kv_width = shape.kv_heads * shape.dim;
  const auto x = [&](int64_t t, int64_t column) {
    return static_cast<double>(to_float(s.qkv[t * (q_width + 2 * kv_width) + column]));
  };
  const auto zeros = [&](int64_t width) {
    return std::vector<double>(static_cast<std::size_t>(s.length * width));
  };
  Exact e{zeros(q_width), zeros(kv_width), zeros(kv_width), zeros(q_width), zeros(kv_width), zeros(kv_width)};
  for (int64_t h = 0; h < shape.heads; ++h) {
    const int64_t g = h / (shape.heads / shape.kv_heads);
    const int64_t q0 = h * shape.dim, k0 = q_width + g * shape.dim, v0 = k0 + kv_width;
    for (int64_t i = 0; i < s.length; ++i) {
      std::vector<double> p(static_cast<std::size_t>(i + 1)), dp(p.size()), dp_size(p.size());
      double largest = -1e300, sum = 0, delta = 0, delta_size = 0;
      for (int64_t j = 0; j <= i; ++j) {
        for (int64_t d = 0; d < shape.dim; ++d) {
          p[j] += kScale * x(i, q0 + d) * x(j, k0 + d);
          const double term = to_float(s.d_out[i * q_width + q0 + d]) * x(j, v0 + d);
          dp[j] += term;
          dp_size[j] += std::abs(term);
        }
        largest = std::max(largest, p[j]);
      }
      for (double& w : p) sum += w = std::exp(w - largest);
      for (int64_t j = 0; j <= i; ++j) {
        p[j] /= sum;
        delta += p[j] * dp[j];
        delta_size += p[j] * dp_size[j];
      }
      for (int64_t j = 0; j <= i; ++j) {
        const double ds = kScale * p[j] * (dp[j] - delta);
        const double ds_size = kScale * p[j] * (dp_size[j] + delta_size);
        for (int64_t d = 0; d < shape.dim; ++d) {
          const double d_out = to_float(s.d_out[i * q_width + q0 + d]);
          const int64_t kv = j * kv_width + g * shape.dim + d, qi = i * q_width + q0 + d;
          e.dq[qi] += ds * x(j, k0 + d), e.dq_size[qi] += ds_size * std::abs(x(j, k0 + d));
          e.dk[kv] += ds * x(i, q0 + d), e.dk_size[kv] += ds_size * std::abs(x(i, q0 + d));
          e.dv[kv] += p[j] * d_out, e.dv_size[kv] += p[j] * std::abs(d_out);
        }
      }
    }
  }
  return e;
}

// Sources of error, each at most so much of the sum of absolute values of a result's terms, with dp and delta as sums
// of absolute values themselves: P or dS rounded to bf16, 2^-8; in delta, out rounded to bf16 by the forward, 2^-8,
// and its P likewise, 2^-8; NUM-EXP2P, scores and chains in fp32 at these sizes, 2^-12; dv rounded to bf16, 2^-8.
// Below 2^-6 together.
TEST(AttentionBackward, TheSpecificationIsCloseToTheGradientsOfSoftmaxAttentionInBinary64) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles) {
      const Sequence s = make_sequence(shape, 170, Values::kNormal, 61);
      const Gradients found = run(shape, {s}, profile, best_tier(), 2)[0];
      const Exact exact = exact_gradients(shape, s);
      double worst = 0;
      const auto compare = [&](const std::vector<double>& e, const std::vector<double>& size,
                               const std::vector<uint32_t>& bits, bool is_bf16, const char* name) {
        for (std::size_t i = 0; i < e.size(); ++i) {
          const double value = std::bit_cast<float>(is_bf16 ? bits[i] << 16 : bits[i]);
          worst = std::max(worst, std::abs(value - e[i]) / size[i]);
          ASSERT_NEAR(value, e[i], 0x1p-6 * size[i]) << name << " at " << i << ", D " << shape.dim;
        }
      };
      compare(exact.dq, exact.dq_size, found.dq, false, "dq");
      compare(exact.dk, exact.dk_size, found.dk, false, "dk");
      compare(exact.dv, exact.dv_size, found.dv, true, "dv");
      EXPECT_GT(worst, 0x1p-12);  // bf16 operands cannot be closer: the bound is not idle
    }
}

TEST(AttentionBackward, TheGradientOfALossPointsWhereTheLossChanges) {
  // One step of central differences of sum d_out . out over the direction of dq, dk and dv themselves, in binary64 from
  // the bf16 inputs: <gradient, direction> is sum gradient^2.
  const Shape shape = kShapes[1];
  Sequence s = make_sequence(shape, 60, Values::kNormal, 71);
  const Gradients g = run(shape, {s}, Profile::kFma32, best_tier(), 1)[0];
  const int64_t q_width = shape.heads * shape.dim, kv_width = shape.kv_heads * shape.dim;
  const int64_t width = q_width + 2 * kv_width;
  std::vector<double> direction(static_cast<std::size_t>(s.length * width));
  double squares = 0;
  for (int64_t t = 0; t < s.length; ++t)
    for (int64_t i = 0; i < width; ++i) {
      const double value = i < q_width ? std::bit_cast<float>(g.dq[t * q_width + i])
                           : i < q_width + kv_width
                               ? std::bit_cast<float>(g.dk[t * kv_width + i - q_width])
                               : std::bit_cast<float>(g.dv[t * kv_width + i - q_width - kv_width] << 16);
      direction[t * width + i] = value;
      squares += value * value;
    }
  const auto loss = [&](double step) {
    const auto x = [&](int64_t t, int64_t c) {
      return to_float(s.qkv[t * width + c]) + step * direction[t * width + c];
    };
    double total = 0;
    for (int64_t h = 0; h < shape.heads; ++h) {
      const int64_t k0 = q_width + h / (shape.heads / shape.kv_heads) * shape.dim, v0 = k0 + kv_width;
      for (int64_t i = 0; i < s.length; ++i) {
        double sum = 0, weighted = 0;
        for (int64_t j = 0; j <= i; ++j) {
          double score = 0, value = 0;
          for (int64_t d = 0; d < shape.dim; ++d) {
            score += kScale * x(i, h * shape.dim + d) * x(j, k0 + d);
            value += to_float(s.d_out[i * q_width + h * shape.dim + d]) * x(j, v0 + d);
          }
          sum += std::exp(score);
          weighted += std::exp(score) * value;
        }
        total += weighted / sum;
      }
    }
    return total;
  };
  constexpr double kStep = 0x1p-12;
  const double slope = (loss(kStep) - loss(-kStep)) / (2 * kStep);
  EXPECT_NEAR(slope / squares, 1.0, 0x1p-8);  // bf16's rounding errors have signs of their own
}

}  // namespace
}  // namespace invar
