#include "kernels/attention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/cpu/attention_tile.h"
#include "kernels/tiers_test.h"
#include "tensor/buffer.h"

namespace invar {
namespace {

struct Shape {
  int64_t heads, kv_heads, dim;
};
constexpr Shape kShapes[] = {{1, 1, 16}, {9, 3, 64}, {4, 1, 128}, {8, 2, 80}};
constexpr Profile kProfiles[] = {Profile::kFma32, Profile::kTc16};
constexpr bf16 kNan{0x7fc1}, kInf{0x7f80};
constexpr float kScale = 0.125f;

enum class Values { kNormal, kLargeScores, kEqualScores, kTiny };

// What one sequence brings: q [L, H, D], k and v [L, G, D].
struct Sequence {
  int64_t length;
  std::vector<bf16> q, k, v;
};

Sequence make_sequence(const Shape& shape, int64_t length, Values values, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const auto fill = [&](int64_t count, const auto& draw) {
    std::vector<bf16> out(static_cast<std::size_t>(count));
    for (bf16& x : out) x = to_bf16(draw());
    return out;
  };
  const auto plain = [&] { return normal(random); };
  // Subnormals of bf16 and products that are subnormal in fp32, of both signs.
  const auto tiny = [&] { return std::ldexp(normal(random), -static_cast<int>(random() % 75) - 60); };
  const auto large = [&] { return 300.0f * normal(random) / std::sqrt(static_cast<float>(shape.dim)); };
  const int64_t q = length * shape.heads * shape.dim, kv = length * shape.kv_heads * shape.dim;
  switch (values) {
    case Values::kNormal: return {length, fill(q, plain), fill(kv, plain), fill(kv, plain)};
    case Values::kLargeScores: return {length, fill(q, large), fill(kv, large), fill(kv, plain)};
    case Values::kEqualScores:
      return {length, fill(q, [] { return 0.5f; }), fill(kv, [] { return -1.0f; }), fill(kv, plain)};
    case Values::kTiny: return {length, fill(q, tiny), fill(kv, tiny), fill(kv, tiny)};
  }
  return {};
}

// The pages of some sequences in shuffled order, full of NaN until they are written.
class Cache {
 public:
  Cache(const Shape& shape, int64_t page_size, const std::vector<Sequence>& sequences, uint64_t seed)
      : shape_(shape), layout_{shape.kv_heads, shape.dim, page_size}, tables_(sequences.size()) {
    int64_t pages = 3;  // some that nobody owns
    for (const Sequence& s : sequences) pages += (s.length + page_size - 1) / page_size;
    std::vector<int32_t> ids(static_cast<std::size_t>(pages));
    std::iota(ids.begin(), ids.end(), 0);
    std::shuffle(ids.begin(), ids.end(), std::mt19937_64(seed));
    for (std::size_t i = 0; i < sequences.size(); ++i)
      for (int64_t t = 0; t < sequences[i].length; t += page_size) {
        tables_[i].push_back(ids.back());
        ids.pop_back();
      }
    k_ = Buffer<bf16>(pages * layout_.page_elements());
    v_ = Buffer<bf16>(pages * layout_.page_elements());
    std::ranges::fill(k_.span(), kNan);
    std::ranges::fill(v_.span(), kNan);
  }

  // Rows [begin, begin + rows) of a sequence.
  struct Part {
    std::size_t sequence;
    int64_t begin, rows;
  };

  // Writes the keys and values of the parts.
  void write(Queue& queue, const std::vector<Sequence>& sequences, const std::vector<Part>& parts) {
    const Step step = gather(sequences, parts);
    const bf16* k = step.qkv.data() + q_width();
    kv_write(queue, {.k = k,
                     .v = k + kv_width(),
                     .k_stride = stride(),
                     .v_stride = stride(),
                     .k_pages = k_.data(),
                     .v_pages = v_.data(),
                     .layout = layout_,
                     .chunks = step.chunks});
  }

  // outs[i]: [L, H, D] of sequence i.
  void attend(Queue& queue, const std::vector<Sequence>& sequences, const std::vector<Part>& parts,
              std::vector<std::vector<bf16>>& outs) const {
    attend_by(sequences, parts, outs, [&](const AttentionArgs& args) { attention(queue, args); });
  }

  // The same by any implementation.
  template <class Attend>
  void attend_by(const std::vector<Sequence>& sequences, const std::vector<Part>& parts,
                 std::vector<std::vector<bf16>>& outs, const Attend& attend) const {
    const Step step = gather(sequences, parts);
    const int64_t out_stride = q_width() + 16;
    std::vector<bf16> out(static_cast<std::size_t>(step.rows * out_stride));
    attend(AttentionArgs{.q = step.qkv.data(),
                         .out = out.data(),
                         .q_stride = stride(),
                         .out_stride = out_stride,
                         .k_pages = k_.data(),
                         .v_pages = v_.data(),
                         .layout = layout_,
                         .heads = shape_.heads,
                         .scale = kScale,
                         .chunks = step.chunks});
    for (std::size_t i = 0; i < parts.size(); ++i)
      for (int64_t r = 0; r < parts[i].rows; ++r)
        std::copy_n(out.data() + (step.chunks[i].row_begin + r) * out_stride, q_width(),
                    outs[parts[i].sequence].data() + (parts[i].begin + r) * q_width());
  }

  const Buffer<bf16>& k() const { return k_; }
  const Buffer<bf16>& v() const { return v_; }

 private:
  struct Step {
    std::vector<bf16> qkv;  // [rows, (H + 2 G) D]: q, k and v side by side
    std::vector<SequenceChunk> chunks;
    int64_t rows = 0;
  };
  int64_t q_width() const { return shape_.heads * shape_.dim; }
  int64_t kv_width() const { return shape_.kv_heads * shape_.dim; }
  int64_t stride() const { return q_width() + 2 * kv_width(); }

  Step gather(const std::vector<Sequence>& sequences, const std::vector<Part>& parts) const {
    Step step;
    for (const Part& part : parts) {
      step.chunks.push_back({step.rows, part.rows, part.begin, tables_[part.sequence].data()});
      step.rows += part.rows;
    }
    step.qkv.resize(static_cast<std::size_t>(step.rows * stride()));
    bf16* row = step.qkv.data();
    for (const Part& part : parts)
      for (int64_t t = part.begin; t < part.begin + part.rows; ++t, row += stride()) {
        const Sequence& s = sequences[part.sequence];
        std::copy_n(s.q.data() + t * q_width(), q_width(), row);
        std::copy_n(s.k.data() + t * kv_width(), kv_width(), row + q_width());
        std::copy_n(s.v.data() + t * kv_width(), kv_width(), row + q_width() + kv_width());
      }
    return step;
  }

  Shape shape_;
  KvLayout layout_;
  std::vector<std::vector<int32_t>> tables_;
  Buffer<bf16> k_, v_;
};

using Outputs = std::vector<std::vector<bf16>>;

Outputs empty_outputs(const Shape& shape, const std::vector<Sequence>& sequences) {
  Outputs outs;
  for (const Sequence& s : sequences)
    outs.emplace_back(static_cast<std::size_t>(s.length * shape.heads * shape.dim));
  return outs;
}

struct Setting {
  Profile profile;
  Tier tier;
  int threads;
  int64_t page_size;
  int64_t chunk;  // rows of a prefill chunk; 1 is decode one by one
};

// All sequences side by side, each in chunks of its own turn.
Outputs run(const Shape& shape, const std::vector<Sequence>& sequences, const Setting& setting) {
  Queue queue(shared_pool(setting.threads), setting.profile, setting.tier);
  Cache cache(shape, setting.page_size, sequences, 7);
  Outputs outs = empty_outputs(shape, sequences);
  std::vector<int64_t> done(sequences.size());
  while (true) {
    std::vector<Cache::Part> parts;
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      const int64_t rows = std::min(setting.chunk, sequences[i].length - done[i]);
      if (rows == 0) continue;
      parts.push_back({i, done[i], rows});
      done[i] += rows;
    }
    if (parts.empty()) return outs;
    cache.write(queue, sequences, parts);
    cache.attend(queue, sequences, parts, outs);
  }
}

std::string describe(const Shape& shape, const Setting& s) {
  return fmt::format("H {} G {} D {}, {} {}, {} threads, page {}, chunk {}", shape.heads, shape.kv_heads,
                     shape.dim, profile_name(s.profile), tier_name(s.tier), s.threads, s.page_size, s.chunk);
}

// Rows [begin, end) of a sequence's output.
void expect_rows(const Shape& shape, const std::vector<bf16>& expected, const std::vector<bf16>& found,
                 int64_t begin, int64_t end, const std::string& what) {
  const int64_t width = shape.heads * shape.dim;
  for (int64_t i = begin * width; i < end * width; ++i)
    ASSERT_EQ(expected[i].bits, found[i].bits) << what << ": position " << i / width << " head "
                                               << i % width / shape.dim << " dim " << i % shape.dim;
}

// The scalar specification for chosen rows.
void expect_reference(const Shape& shape, const std::vector<Sequence>& sequences, Profile profile,
                      std::initializer_list<int64_t> positions, const Outputs& found,
                      const std::string& what) {
  Queue queue(shared_pool(1), profile, Tier::kRef);
  Queue writer(shared_pool(1), profile, Tier::kAvx2);
  Cache cache(shape, 32, sequences, 3);
  Outputs expected = empty_outputs(shape, sequences);
  std::vector<Cache::Part> all;
  for (std::size_t i = 0; i < sequences.size(); ++i) all.push_back({i, 0, sequences[i].length});
  cache.write(writer, sequences, all);
  for (std::size_t i = 0; i < sequences.size(); ++i)
    for (int64_t position : positions) {
      if (position >= sequences[i].length) continue;
      cache.attend(queue, sequences, {{i, position, 1}}, expected);
      expect_rows(shape, expected[i], found[i], position, position + 1, what);
    }
}

TEST(Attention, EveryTierEqualsTheScalarSpecificationAtTheBordersOfPanelsBlocksAndSplits) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles) {
      const std::vector<Sequence> sequences = {make_sequence(shape, 601, Values::kNormal, 11)};
      for (Tier tier : fast_tiers()) {
        const Setting setting{profile, tier, 1, 64, 601};
        const Outputs outs = run(shape, sequences, setting);
        expect_reference(shape, sequences, profile, {0, 1, 15, 16, 127, 128, 129, 255, 256, 257, 600}, outs,
                         describe(shape, setting));
      }
    }
}

TEST(Attention, EveryValueClassEqualsTheScalarSpecification) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles)
      for (Values values : {Values::kLargeScores, Values::kEqualScores, Values::kTiny}) {
        // Tiny operands take the scalar path of H16 in every tier, which is slow.
        const int64_t length = values == Values::kTiny ? 140 : 300;
        const std::vector<Sequence> sequences = {make_sequence(shape, length, values, 12)};
        for (Tier tier : fast_tiers()) {
          const Setting setting{profile, tier, 2, 16, length};
          expect_reference(shape, sequences, profile, {0, 2, 50, 131, 255, 256, 299},
                           run(shape, sequences, setting),
                           fmt::format("{}, class {}", describe(shape, setting), static_cast<int>(values)));
        }
      }
}

// The invariance matrix of one small shape as a full product; the rest of the shapes below.
TEST(Attention, PageSizeThreadsAndChunkingChangeNoBit) {
  const Shape shape = kShapes[0];
  const std::vector<Sequence> sequences = {make_sequence(shape, 600, Values::kNormal, 21)};
  for (Profile profile : kProfiles) {
    const Outputs expected = run(shape, sequences, {profile, Tier::kAvx2, 1, 16, 600});
    for (Tier tier : fast_tiers())
      for (int64_t page_size : {16, 32, 64, 128})
        for (int threads : {1, 2, 3, 5})
          for (int64_t chunk : {600, 1, 7, 64, 100}) {
            const Setting setting{profile, tier, threads, page_size, chunk};
            expect_rows(shape, expected[0], run(shape, sequences, setting)[0], 0, 600,
                        describe(shape, setting));
          }
  }
}

TEST(Attention, TheBatchARowComesInChangesNoBit) {
  constexpr int64_t kPageSizes[] = {16, 32, 64, 128};
  constexpr int kThreads[] = {1, 2, 3, 5};
  int turn = 0;
  for (const Shape& shape : kShapes) {
    // Alone, whole; then side by side in chunks, with decode rows of one beside prefill rows of another.
    const std::vector<Sequence> sequences = {
        make_sequence(shape, 270, Values::kNormal, 31), make_sequence(shape, 1, Values::kNormal, 32),
        make_sequence(shape, 130, Values::kLargeScores, 33), make_sequence(shape, 30, Values::kTiny, 34)};
    for (Profile profile : kProfiles)
      for (Tier tier : fast_tiers()) {
        Outputs alone;
        for (const Sequence& s : sequences)
          alone.push_back(run(shape, {s}, {profile, tier, 1, 128, s.length})[0]);
        for (int64_t chunk : {1000, 1, 7, 64, 100}) {
          ++turn;
          const Setting setting{profile, tier, kThreads[turn % 4], kPageSizes[turn / 4 % 4], chunk};
          const Outputs together = run(shape, sequences, setting);
          for (std::size_t i = 0; i < sequences.size(); ++i)
            expect_rows(shape, alone[i], together[i], 0, sequences[i].length, describe(shape, setting));
        }
      }
  }
}

TEST(Attention, ALongSequenceIsFoldedInTheSameOrderByAnyNumberOfThreads) {
  const Shape shape{2, 1, 16};
  const std::vector<Sequence> sequences = {make_sequence(shape, 5001, Values::kNormal, 41)};
  for (Profile profile : kProfiles) {
    Queue queue(shared_pool(1), profile, Tier::kRef);
    Cache cache(shape, 128, sequences, 5);
    Outputs expected = empty_outputs(shape, sequences);
    Queue writer(shared_pool(2), profile, Tier::kAvx2);
    cache.write(writer, sequences, {{0, 0, 5001}});
    const std::vector<Cache::Part> parts = {{0, 4094, 4}, {0, 5000, 1}};
    for (const Cache::Part& part : parts) cache.attend(queue, sequences, {part}, expected);
    for (Tier tier : fast_tiers())
      for (int threads : {1, 2, 3, 5}) {
        Queue fast(shared_pool(threads), profile, tier);
        Outputs outs = empty_outputs(shape, sequences);
        for (const Cache::Part& part : parts) {
          cache.attend(fast, sequences, {part}, outs);
          expect_rows(shape, expected[0], outs[0], part.begin, part.begin + part.rows,
                      fmt::format("{} threads {}", tier_name(tier), threads));
        }
      }
  }
}

// Which of the two computes NUM-P2 in the tier avx512bf16 depends on the CPU's vendor; here both run.
TEST(Attention, TheDotProductInstructionAndFmasGiveTheSameBits) {
  if (!tier_supported(Tier::kAvx512Bf16)) GTEST_SKIP() << "no vdpbf16ps on this CPU";
  constexpr auto kC = static_cast<float>(static_cast<double>(kScale) * 1.4426950408889634);
  for (const Shape& shape : kShapes)
    for (Values values : {Values::kNormal, Values::kLargeScores, Values::kEqualScores, Values::kTiny}) {
      const std::vector<Sequence> sequences = {make_sequence(shape, 300, values, 91)};
      Queue queue(shared_pool(2), Profile::kFma32, Tier::kAvx512Bf16);
      Cache cache(shape, 32, sequences, 5);
      cache.write(queue, sequences, {{0, 0, 300}});
      for (const Cache::Part& part :
           {Cache::Part{0, 0, 300}, Cache::Part{0, 0, 1}, Cache::Part{0, 298, 1}, Cache::Part{0, 259, 2},
            Cache::Part{0, 100, 5}, Cache::Part{0, 120, 7}}) {
        Outputs outs[2] = {empty_outputs(shape, sequences), empty_outputs(shape, sequences)};
        cache.attend_by(sequences, {part}, outs[0], [&](const AttentionArgs& args) {
          cpu::run_attention(queue, args, kC, cpu::attention_avx512(Profile::kFma32));
        });
        cache.attend_by(sequences, {part}, outs[1], [&](const AttentionArgs& args) {
          cpu::run_attention(queue, args, kC, cpu::attention_avx512bf16(Profile::kFma32));
        });
        expect_rows(shape, outs[0][0], outs[1][0], part.begin, part.begin + part.rows,
                    fmt::format("D {}, class {}", shape.dim, static_cast<int>(values)));
      }
    }
}

TEST(Attention, WhatLiesBeyondARowChangesNoBit) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles)
      for (Tier tier : fast_tiers())
        for (int64_t last : {3, 68, 127, 140, 256}) {
          // The same prompt; in the second one everything after `last`, in the same chunk, is infinite or NaN.
          const int64_t length = last + 6;
          std::vector<Sequence> sequences = {make_sequence(shape, length, Values::kNormal, 51)};
          const Setting setting{profile, tier, 2, 32, length};
          const Outputs expected = run(shape, sequences, setting);
          const int64_t width = shape.kv_heads * shape.dim;
          for (int64_t i = (last + 1) * width; i < length * width; ++i)
            sequences[0].k[i] = sequences[0].v[i] = i % 3 == 0 ? kNan : kInf;
          expect_rows(shape, expected[0], run(shape, sequences, setting)[0], 0, last + 1,
                      describe(shape, setting));
        }
}

TEST(Attention, AVisibleInfinityIsSeenAsTheSpecificationSaysInEveryTier) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles)
      for (Tier tier : fast_tiers()) {
        std::vector<Sequence> sequences = {make_sequence(shape, 140, Values::kNormal, 61)};
        const int64_t width = shape.kv_heads * shape.dim;
        sequences[0].v[20 * width + 1] = kInf;  // one dim of one value
        sequences[0].k[70 * width + 2] = kNan;  // a score of all rows from 70 on
        sequences[0].k[133 * width + 3] = kInf;
        const Setting setting{profile, tier, 1, 16, 140};
        expect_reference(shape, sequences, profile, {19, 20, 21, 69, 70, 71, 132, 133, 139},
                         run(shape, sequences, setting), describe(shape, setting));
      }
}

// Against softmax in binary64. Sources of error: P rounded to bf16, 2^-8 of A = sum_j p_j |v_j|; the output rounded to
// bf16, 2^-8 of itself; NUM-EXP2P, scores and sums, chains of fp32 at these sizes, 2^-12 of A together.
TEST(Attention, TheSpecificationIsCloseToSoftmaxInBinary64) {
  for (const Shape& shape : kShapes)
    for (Profile profile : kProfiles) {
      const std::vector<Sequence> sequences = {make_sequence(shape, 520, Values::kNormal, 71)};
      const Outputs outs = run(shape, sequences, {profile, best_tier(), 2, 32, 520});
      const Sequence& s = sequences[0];
      const double scale = kScale;
      for (int64_t p : {0, 5, 130, 255, 256, 519})
        for (int64_t h = 0; h < shape.heads; ++h) {
          const int64_t g = h / (shape.heads / shape.kv_heads);
          const auto at = [&](const std::vector<bf16>& x, int64_t t, int64_t heads, int64_t head, int64_t d) {
            return static_cast<double>(to_float(x[(t * heads + head) * shape.dim + d]));
          };
          std::vector<double> w(static_cast<std::size_t>(p + 1));
          for (int64_t j = 0; j <= p; ++j)
            for (int64_t d = 0; d < shape.dim; ++d)
              w[j] += scale * at(s.q, p, shape.heads, h, d) * at(s.k, j, shape.kv_heads, g, d);
          const double largest = *std::ranges::max_element(w);
          double sum = 0;
          for (double& x : w) sum += x = std::exp(x - largest);
          for (int64_t d = 0; d < shape.dim; ++d) {
            double exact = 0, magnitude = 0;
            for (int64_t j = 0; j <= p; ++j) {
              const double term = w[j] / sum * at(s.v, j, shape.kv_heads, g, d);
              exact += term;
              magnitude += std::abs(term);
            }
            const double bound = std::abs(exact) * 0x1p-8 + magnitude * (0x1p-8 + 0x1p-12);
            ASSERT_NEAR(exact, at(outs[0], p, shape.heads, h, d), bound) << "position " << p << " head " << h;
          }
        }
    }
}

TEST(KvWrite, EveryTierWritesThePagesOfTheScalarSpecification) {
  for (const Shape& shape : kShapes)
    for (int64_t page_size : {16, 32, 64, 128})
      for (int64_t chunk : {200, 1, 7, 33})
        for (int threads : {1, 3}) {
          const std::vector<Sequence> sequences = {make_sequence(shape, 200, Values::kNormal, 81),
                                                   make_sequence(shape, 45, Values::kTiny, 82)};
          std::vector<Cache> caches;
          for (Tier tier : {Tier::kRef, Tier::kAvx2}) {
            Queue queue(shared_pool(tier == Tier::kRef ? 1 : threads), Profile::kFma32, tier);
            Cache& cache = caches.emplace_back(shape, page_size, sequences, 9);
            for (int64_t t = 0; t < 200; t += chunk) {
              std::vector<Cache::Part> parts;
              for (std::size_t i = 0; i < 2; ++i)
                if (t < sequences[i].length)
                  parts.push_back({i, t, std::min(chunk, sequences[i].length - t)});
              cache.write(queue, sequences, parts);
            }
          }
          ASSERT_TRUE(std::ranges::equal(caches[0].k().span(), caches[1].k().span()));
          ASSERT_TRUE(std::ranges::equal(caches[0].v().span(), caches[1].v().span()));
        }
}

}  // namespace
}  // namespace invar
