#include "kernels/sample.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "kernels/cpu/sample.h"
#include "kernels/tiers_test.h"
#include "numerics/log_sum.h"
#include "numerics/philox.h"

namespace invar {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Case {
  int64_t vocab;
  std::vector<float> logits;  // [rows, vocab]
  std::vector<SampleRule> rules;

  int64_t rows() const { return static_cast<int64_t>(rules.size()); }
  std::vector<int32_t> run(Queue& queue) const {
    std::vector<int32_t> tokens(rules.size(), -1);
    sample(queue, {.logits = logits.data(),
                   .logits_stride = vocab,
                   .rules = rules.data(),
                   .tokens = tokens.data(),
                   .rows = rows(),
                   .vocab = vocab});
    return tokens;
  }
};

SampleRule random_rule(int64_t vocab, TestRandom& random) {
  SampleRule rule;
  const float temperatures[] = {0.0f, 0.05f, 0.7f, 1.0f, 1.0f, 1.0f, 3.0f, 50.0f};
  rule.temperature = temperatures[random.below(8)];
  if (random.below(2) == 0)
    rule.top_k = static_cast<int32_t>(1 + random.below(random.below(2) == 0 ? 9 : vocab + 2));
  if (random.below(2) == 0)
    rule.top_p = static_cast<float>(std::pow(random.uniform(), random.below(3) * 0.2) * 0.999 + 0.0005);
  if (random.below(3) == 0) rule.min_p = static_cast<float>(std::pow(random.uniform(), 1 + random.below(40)));
  rule.seed = random.next();
  rule.position = static_cast<int64_t>(random.next() >> (1 + random.below(62)));
  return rule;
}

// Ties, bans, both zeros and, at temperature 3, distinct logits that become equal: all that order
// can hang on.
Case random_case(int64_t rows, int64_t vocab, TestRandom& random) {
  Case c{vocab, {}, {}};
  for (int64_t r = 0; r < rows; ++r) {
    c.rules.push_back(random_rule(vocab, random));
    const float spread = static_cast<float>(std::pow(10.0, 2 * random.uniform() - 1));
    const int64_t style = random.below(4);
    for (int64_t v = 0; v < vocab; ++v) {
      float x = spread * random.normal();
      if (style == 1) x = std::floor(x);
      if (style == 2)
        x = std::bit_cast<float>(std::bit_cast<uint32_t>(spread) + static_cast<uint32_t>(random.below(4)));
      if (style == 3) x = random.below(2) == 0 ? -kInfinity : random.below(3) == 0 ? -0.0f : std::ceil(x);
      c.logits.push_back(x);
    }
    float& finite = c.logits[r * vocab + random.below(vocab)];
    if (finite == -kInfinity) finite = -2.5f;
  }
  return c;
}

// The definition, by counting: quadratic in V, and sharing nothing with ref but the scalar
// functions of numerics.
int32_t slow_draw(const float* logits, int64_t vocab, const SampleRule& rule) {
  std::vector<float> z(logits, logits + vocab);
  if (rule.temperature > 0)
    for (float& x : z) x = x / rule.temperature;
  const auto before = [&](int64_t a, int64_t b) { return z[a] > z[b] || (z[a] == z[b] && a < b); };
  const auto rank = [&](int64_t v) {
    int64_t count = 0;
    for (int64_t u = 0; u < vocab; ++u) count += before(u, v);
    return count;
  };
  float max = z[0];
  for (float x : z) max = std::max(max, x);
  std::vector<bool> kept(static_cast<std::size_t>(vocab), true);
  std::vector<uint64_t> mass;
  for (int64_t v = 0; v < vocab; ++v) {
    if (rule.temperature == 0 && rank(v) == 0) return static_cast<int32_t>(v);
    mass.push_back(lse_mass(num::exp(z[v] - max)));
    if (rule.top_k > 0) kept[v] = rank(v) < rule.top_k;
  }
  if (rule.top_p < 1) {
    uint64_t total = 0;
    for (int64_t v = 0; v < vocab; ++v) total += kept[v] ? mass[v] : 0;
    const double target = std::ceil(static_cast<double>(rule.top_p) * static_cast<double>(total));
    const std::vector<bool> candidates = kept;
    for (int64_t v = 0; v < vocab; ++v) {
      uint64_t ahead = 0;
      for (int64_t u = 0; u < vocab; ++u) ahead += candidates[u] && before(u, v) ? mass[u] : 0;
      kept[v] = candidates[v] && ahead < static_cast<uint64_t>(target);
    }
  }
  if (rule.min_p > 0)
    for (int64_t v = 0; v < vocab; ++v)
      kept[v] =
          kept[v] && static_cast<double>(mass[v]) >= std::ceil(static_cast<double>(rule.min_p) * 0x1p40);
  int64_t best = -1;
  float best_score = 0;
  for (int64_t v = 0; v < vocab; ++v) {
    if (!kept[v] || z[v] == -kInfinity) continue;
    const float score = z[v] + gumbel_noise(rule.seed, rule.position, static_cast<uint32_t>(v));
    if (best < 0 || score > best_score) best = v, best_score = score;
  }
  return static_cast<int32_t>(best);
}

TEST(Sample, RefIsTheDefinitionByCounting) {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  std::vector<int64_t> vocabs{64, 100, 257};
  for (int64_t vocab = 1; vocab <= 33; ++vocab) vocabs.push_back(vocab);
  for (int64_t vocab : vocabs) {
    const Case c = random_case(60, vocab, random);
    const auto tokens = c.run(ref.queue);
    for (int64_t r = 0; r < c.rows(); ++r)
      ASSERT_EQ(tokens[r], slow_draw(c.logits.data() + r * vocab, vocab, c.rules[r]))
          << "vocab " << vocab << ", row " << r;
  }
}

TEST(Sample, EveryTierAndThreadCountDrawsTheTokenOfRef) {
  TestRandom random(2);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  std::vector<int64_t> vocabs{63, 64, 65, 100, 1000, 5003, 49152};
  for (int64_t vocab = 1; vocab <= 33; ++vocab) vocabs.push_back(vocab);
  for (int64_t vocab : vocabs) {
    const Case c = random_case(vocab > 10000 ? 24 : vocab > 500 ? 60 : 150, vocab, random);
    const auto expected = c.run(ref.queue);
    for (const auto& q : queues) {
      if (vocab > 10000 && q->queue.tier() == Tier::kRef) continue;
      const auto tokens = c.run(q->queue);
      for (int64_t r = 0; r < c.rows(); ++r)
        ASSERT_EQ(tokens[r], expected[r])
            << q->name() << ", vocab " << vocab << ", row " << r << ", temperature " << c.rules[r].temperature
            << ", top_k " << c.rules[r].top_k << ", top_p " << c.rules[r].top_p << ", min_p "
            << c.rules[r].min_p;
    }
  }
}

TEST(Sample, ADrawDoesNotFeelItsBatchOrThePaddingOfTheVocabulary) {
  TestRandom random(3);
  for (const auto& q : all_queues()) {
    const Case batch = random_case(40, 1000, random);
    const auto together = batch.run(q->queue);
    for (int64_t r = 0; r < batch.rows(); ++r) {
      const auto row = batch.logits.begin() + r * 1000;
      Case alone{1000, std::vector<float>(row, row + 1000), {batch.rules[r]}};
      ASSERT_EQ(alone.run(q->queue)[0], together[r]) << q->name() << ", row " << r;
      Case padded{1037, alone.logits, {batch.rules[r]}};
      padded.logits.resize(1037, -kInfinity);
      ASSERT_EQ(padded.run(q->queue)[0], together[r]) << q->name() << ", row " << r;
    }
  }
}

TEST(Sample, EqualLogitsGoToTheLowerIdAtTemperatureZero) {
  for (const auto& q : all_queues()) {
    Case c{100, std::vector<float>(100, -1.0f), {{.temperature = 0.0f}}};
    EXPECT_EQ(c.run(q->queue)[0], 0) << q->name();
    c.logits[70] = c.logits[37] = c.logits[99] = 2.0f;
    EXPECT_EQ(c.run(q->queue)[0], 37) << q->name();
    c.logits.assign(100, -kInfinity);
    c.logits[41] = 0.0f, c.logits[40] = -0.0f;
    EXPECT_EQ(c.run(q->queue)[0], 40) << q->name();
  }
}

// Next to 2^30 all noise rounds away, so the scores of the largest logits are equal.
TEST(Sample, EqualScoresGoToTheLowerIdUnderEveryFilter) {
  Case c{1000, std::vector<float>(1000, 0.0f), {}};
  for (int64_t v : {37, 38, 64, 170, 171, 172, 900, 999}) c.logits[v] = 0x1p30f;
  const std::vector<float> row = c.logits;
  for (const SampleRule& rule :
       {SampleRule{}, SampleRule{.top_k = 6}, SampleRule{.top_k = 500}, SampleRule{.top_p = 0.9f},
        SampleRule{.min_p = 0.5f}, SampleRule{.temperature = 0.5f, .top_k = 7, .top_p = 0.8f}}) {
    c.rules.push_back(rule);
    if (c.rules.size() > 1) c.logits.insert(c.logits.end(), row.begin(), row.end());
  }
  for (const auto& q : all_queues())
    ASSERT_EQ(c.run(q->queue), std::vector<int32_t>(c.rules.size(), 37)) << q->name();
}

// Bound: 19 degrees of freedom, mean 19, standard deviation 6.2; 55 is exceeded by chance once in
// 40,000 tables.
TEST(Sample, FrequenciesFollowTheSoftmaxByChiSquare) {
  constexpr int64_t kVocab = 20, kDraws = 100000;
  TestQueue best(best_tier(), 1);
  for (uint64_t seed : {1l, 2l, 3l, 0x123456789l}) {
    TestRandom random(seed);
    const std::vector<float> logits = random.normals(kVocab, 1.0f);
    for (float temperature : {1.0f, 1.7f}) {
      std::vector<double> expected, count(kVocab);
      double sum = 0;
      for (float x : logits) expected.push_back(std::exp(static_cast<double>(x) / temperature));
      for (double e : expected) sum += e;
      for (int64_t position = 0; position < kDraws; ++position) {
        const Case c{kVocab, logits, {{.temperature = temperature, .seed = seed, .position = position}}};
        count[c.run(best.queue)[0]] += 1;
      }
      double chi_square = 0;
      for (int64_t v = 0; v < kVocab; ++v) {
        const double e = expected[v] / sum * kDraws;
        chi_square += (count[v] - e) * (count[v] - e) / e;
      }
      EXPECT_LT(chi_square, 55) << "seed " << seed << ", temperature " << temperature;
      EXPECT_GT(chi_square, 3) << "seed " << seed << ": too even to be random";
    }
  }
}

TEST(Sample, SeedsAndPositionsGiveIndependentDraws) {
  TestQueue best(best_tier(), 1);
  int64_t equal_seed = 0, equal_position = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    const Case c{50,
                 std::vector<float>(50),
                 {{.seed = 7, .position = i}, {.seed = 8, .position = i}, {.seed = 7, .position = i + 1}}};
    Case flat = c;
    flat.logits.resize(150);
    const auto tokens = flat.run(best.queue);
    equal_seed += tokens[0] == tokens[1];
    equal_position += tokens[0] == tokens[2];
  }
  EXPECT_LT(equal_seed, 50) << "20 of 1000 are expected";  // 4.4 standard deviations of 4.4, plus
  EXPECT_LT(equal_position, 50);
}

class SampleKernels : public ::testing::TestWithParam<Tier> {
 protected:
  const cpu::SampleKernels& kernels() const {
    return GetParam() == Tier::kAvx2 ? cpu::kSampleAvx2 : cpu::kSampleAvx512;
  }
};

TEST_P(SampleKernels, NoiseIsTheBitsOfScalarGumbelAndNeverAboveItsBound) {
  if (!tier_supported(GetParam())) GTEST_SKIP();
  std::vector<uint32_t> words;
  for (uint32_t i = 0; i < 4096; ++i)
    for (uint32_t anchor : {0u, 0x80000000u, 0x7ffff000u, 0xfffff000u}) words.push_back(anchor + i);
  for (uint64_t h = 0; h < (uint64_t{1} << 32); h += 9973) words.push_back(static_cast<uint32_t>(h));
  words.resize(words.size() / 16 * 16);
  std::vector<float> noise(words.size()), bound(words.size());
  kernels().gumbel(words.data(), static_cast<int64_t>(words.size()), noise.data());
  kernels().gumbel_bound(words.data(), static_cast<int64_t>(words.size()), bound.data());
  for (std::size_t i = 0; i < words.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(noise[i]), std::bit_cast<uint32_t>(gumbel<float>(words[i])))
        << words[i];
    ASSERT_LE(noise[i], bound[i]) << words[i];
    ASSERT_LE(noise[i], 22.9f) << words[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, SampleKernels, ::testing::Values(Tier::kAvx2, Tier::kAvx512),
                         [](const auto& info) { return std::string(tier_name(info.param)); });

}  // namespace
}  // namespace invar
