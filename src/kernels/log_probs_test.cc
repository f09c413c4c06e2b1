#include "kernels/log_probs.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>

#include "kernels/tiers_test.h"

namespace invar {
namespace {

struct Case {
  int64_t rows, vocab, stride;
  std::vector<float> logits, temperature;
  std::vector<int32_t> tokens;

  Case(int64_t rows_, int64_t vocab_, float spread, TestRandom& random)
      : rows(rows_), vocab(vocab_), stride(vocab_ + 3), logits(random.normals(rows * stride, spread)) {
    for (int64_t r = 0; r < rows; ++r) {
      tokens.push_back(static_cast<int32_t>(random.below(vocab)));
      temperature.push_back(r % 3 == 0 ? 1.0f : static_cast<float>(0.2 + 2 * random.uniform()));
    }
  }
};

// The bits of log_prob, max, log_sum and entropy of each row.
std::vector<uint32_t> run(Queue& queue, const Case& c, bool with_temperature = true) {
  std::vector<float> log_prob(static_cast<std::size_t>(c.rows));
  std::vector<RowLogSum> sums(static_cast<std::size_t>(c.rows));
  std::vector<float> entropy(static_cast<std::size_t>(c.rows));
  log_probs(queue, {.logits = c.logits.data(),
                    .logits_stride = c.stride,
                    .temperature = with_temperature ? c.temperature.data() : nullptr,
                    .tokens = c.tokens.data(),
                    .log_prob = log_prob.data(),
                    .log_sum = sums.data(),
                    .entropy = entropy.data(),
                    .rows = c.rows,
                    .vocab = c.vocab});
  std::vector<uint32_t> bits;
  for (int64_t r = 0; r < c.rows; ++r)
    for (float x : {log_prob[r], sums[r].max, sums[r].log_sum, entropy[r]})
      bits.push_back(std::bit_cast<uint32_t>(x));
  return bits;
}

TEST(LogProbs, EveryTierAndThreadCountGivesTheBitsOfRef) {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  std::vector<int64_t> vocabs{100, 4095, 4096, 4097, 8200, 49152};
  for (int64_t vocab = 1; vocab <= 33; ++vocab) vocabs.push_back(vocab);
  for (int64_t vocab : vocabs) {
    for (int64_t rows : {1, 3, 9}) {
      for (float spread : {0.01f, 3.0f, 40.0f}) {
        if (vocab == 49152 && rows == 9) continue;  // ref is slow
        const Case c(rows, vocab, spread, random);
        const auto expected = run(ref.queue, c);
        for (const auto& q : queues) {
          if (vocab == 49152 && q->queue.tier() == Tier::kRef) continue;
          ASSERT_EQ(run(q->queue, c), expected) << q->name() << ", vocab " << vocab << ", rows " << rows;
        }
      }
    }
  }
}

TEST(LogProbs, ZerosBansAndHugeLogitsGiveTheBitsOfRef) {
  TestRandom random(2);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& values : {std::vector<float>{0.0f, -0.0f},
                                           {-0.0f, -infinity, -1.0f},
                                           {1e30f, -1e30f, 1e-40f},
                                           {-1e-42f, -2e-42f}}) {
    Case c(4, 70, 1.0f, random);
    for (float& x : c.logits) x = values[random.below(static_cast<int64_t>(values.size()))];
    for (int64_t r = 0; r < c.rows; ++r) c.logits[r * c.stride] = values[0];
    const auto expected = run(ref.queue, c);
    for (const auto& q : queues)
      ASSERT_EQ(run(q->queue, c), expected) << q->name() << ", value " << values[0];
  }
}

TEST(LogProbs, NoTemperatureIsTemperatureOneAndARowDoesNotFeelItsNeighbours) {
  TestRandom random(3);
  const Case batch(10, 5000, 4.0f, random);
  for (const auto& q : all_queues()) {
    Case ones = batch;
    std::fill(ones.temperature.begin(), ones.temperature.end(), 1.0f);
    const auto together = run(q->queue, batch, false);
    ASSERT_EQ(run(q->queue, ones), together) << q->name();
    for (int64_t r = 0; r < batch.rows; ++r) {
      Case alone(1, batch.vocab, 1.0f, random);
      alone.tokens[0] = batch.tokens[r];
      alone.logits.assign(batch.logits.begin() + r * batch.stride,
                          batch.logits.begin() + (r + 1) * batch.stride);
      const auto row = run(q->queue, alone, false);
      ASSERT_TRUE(std::equal(row.begin(), row.end(), together.begin() + 4 * r)) << q->name() << ", row " << r;
    }
  }
}

// Tolerance: log_sum is one rounding of the sum, one NUM-LOG1P; z - max and the last subtraction
// round once each: three ulps of the larger of the two terms. The grid of 2^-40 adds V 2^-41
// relative to the sum.
TEST(LogProbs, AgreesWithBinary64) {
  TestRandom random(4);
  TestQueue best(best_tier(), 2);
  for (float spread : {0.1f, 2.0f, 10.0f}) {
    const Case c(4, 49152, spread, random);
    std::vector<float> log_prob(4);
    log_probs(best.queue, {.logits = c.logits.data(),
                           .logits_stride = c.stride,
                           .temperature = c.temperature.data(),
                           .tokens = c.tokens.data(),
                           .log_prob = log_prob.data(),
                           .log_sum = nullptr,
                           .rows = 4,
                           .vocab = c.vocab});
    for (int64_t r = 0; r < 4; ++r) {
      const auto z = [&](int64_t v) {
        return static_cast<double>(c.logits[r * c.stride + v]) / c.temperature[r];
      };
      double max = z(0), sum = 0;
      for (int64_t v = 0; v < c.vocab; ++v) max = std::max(max, z(v));
      for (int64_t v = 0; v < c.vocab; ++v) sum += std::exp(z(v) - max);
      const double expected = z(c.tokens[r]) - max - std::log(sum);
      EXPECT_NEAR(log_prob[r], expected, 3 * 0x1p-23 * std::max(std::abs(max), std::abs(expected)) + 1e-6)
          << "spread " << spread << ", row " << r;
    }
  }
}

// Tolerance: a term of the entropy is good to some ulps, the grid of 2^-40 adds V 2^-40 to a sum of at least 1.
TEST(LogProbs, TheEntropyAgreesWithBinary64AndAskingForItChangesNoOtherBit) {
  TestRandom random(6);
  TestQueue best(best_tier(), 2);
  for (float spread : {0.01f, 2.0f, 10.0f, 300.0f}) {
    Case c(4, 49152, spread, random);
    c.logits[7] = -std::numeric_limits<float>::infinity();
    std::vector<float> entropy(4), log_prob(4), log_prob_alone(4);
    LogProbsArgs args{.logits = c.logits.data(),
                      .logits_stride = c.stride,
                      .temperature = c.temperature.data(),
                      .tokens = c.tokens.data(),
                      .log_prob = log_prob_alone.data(),
                      .log_sum = nullptr,
                      .rows = 4,
                      .vocab = c.vocab};
    log_probs(best.queue, args);
    args.log_prob = log_prob.data();
    args.entropy = entropy.data();
    log_probs(best.queue, args);
    EXPECT_EQ(log_prob, log_prob_alone);
    for (int64_t r = 0; r < 4; ++r) {
      const auto z = [&](int64_t v) {
        return static_cast<double>(c.logits[r * c.stride + v]) / c.temperature[r];
      };
      double max = z(0), sum = 0, weighted = 0;
      for (int64_t v = 0; v < c.vocab; ++v) max = std::max(max, z(v));
      for (int64_t v = 0; v < c.vocab; ++v) {
        const double e = std::exp(z(v) - max);
        sum += e;
        if (e > 0) weighted += e * (max - z(v));
      }
      const double expected = std::log(sum) + weighted / sum;
      EXPECT_NEAR(entropy[r], expected, 0x1p-20 * expected + 49152 * 0x1p-39) << "spread " << spread;
    }
  }
}

TEST(LogProbs, ProbabilitiesOfARowSumToOne) {
  TestRandom random(5);
  TestQueue best(best_tier(), 1);
  const Case c(1, 300, 3.0f, random);
  double sum = 0;
  for (int32_t token = 0; token < 300; ++token) {
    float log_prob = 0;
    log_probs(best.queue, {.logits = c.logits.data(),
                           .logits_stride = c.stride,
                           .temperature = nullptr,
                           .tokens = &token,
                           .log_prob = &log_prob,
                           .log_sum = nullptr,
                           .rows = 1,
                           .vocab = 300});
    sum += std::exp(static_cast<double>(log_prob));
  }
  EXPECT_NEAR(sum, 1.0, 1e-5);
}

}  // namespace
}  // namespace invar
