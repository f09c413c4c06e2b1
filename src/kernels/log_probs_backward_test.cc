#include "kernels/log_probs_backward.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "kernels/tiers_test.h"

namespace invar {
namespace {

struct Case {
  int64_t rows, vocab, stride;
  std::vector<float> logits, temperature, d_log_prob, d_entropy;
  std::vector<int32_t> tokens;

  Case(int64_t rows_, int64_t vocab_, float spread, TestRandom& random)
      : rows(rows_),
        vocab(vocab_),
        stride(vocab_ + 3),
        logits(random.normals(rows * stride, spread)),
        d_log_prob(random.normals(rows)),
        d_entropy(random.normals(rows, 0.1f)) {
    for (int64_t r = 0; r < rows; ++r) {
      tokens.push_back(static_cast<int32_t>(random.below(vocab)));
      temperature.push_back(r % 3 == 0 ? 1.0f : static_cast<float>(0.2 + 2 * random.uniform()));
    }
  }
};

// log_probs and then its backward; [rows, V].
std::vector<bf16> run(Queue& queue, const Case& c, bool with_entropy, bool in_place = false) {
  const auto rows = static_cast<std::size_t>(c.rows);
  std::vector<float> entropy(rows), logits = c.logits;
  std::vector<RowLogSum> sums(rows);
  log_probs(queue, {.logits = logits.data(),
                    .logits_stride = c.stride,
                    .temperature = c.temperature.data(),
                    .tokens = nullptr,
                    .log_prob = nullptr,
                    .log_sum = sums.data(),
                    .entropy = entropy.data(),
                    .rows = c.rows,
                    .vocab = c.vocab});
  std::vector<bf16> memory(static_cast<std::size_t>(c.rows * c.stride * 2), bf16{0x1234});
  if (in_place) std::memcpy(memory.data(), logits.data(), logits.size() * sizeof(float));
  const float* read = in_place ? reinterpret_cast<const float*>(memory.data()) : logits.data();
  log_probs_backward(queue, {.logits = read,
                             .logits_stride = c.stride,
                             .temperature = c.temperature.data(),
                             .tokens = c.tokens.data(),
                             .log_sum = sums.data(),
                             .d_log_prob = c.d_log_prob.data(),
                             .d_entropy = with_entropy ? c.d_entropy.data() : nullptr,
                             .entropy = with_entropy ? entropy.data() : nullptr,
                             .d_logits = memory.data(),
                             .d_logits_stride = 2 * c.stride,
                             .rows = c.rows,
                             .vocab = c.vocab});
  std::vector<bf16> out;
  for (int64_t r = 0; r < c.rows; ++r) {
    const bf16* row = memory.data() + r * 2 * c.stride;
    out.insert(out.end(), row, row + c.vocab);
    if (!in_place) {
      EXPECT_EQ(row[c.vocab], bf16{0x1234});
    }
  }
  return out;
}

TEST(LogProbsBackward, EveryTierAndThreadCountGivesTheBitsOfRef) {
  TestRandom random(1);
  TestQueue ref(Tier::kRef, 1);
  const auto queues = all_queues();
  std::vector<int64_t> vocabs{100, 4097, 8200};
  for (int64_t vocab = 1; vocab <= 33; ++vocab) vocabs.push_back(vocab);
  for (int64_t vocab : vocabs)
    for (int64_t rows : {1, 3, 9})
      for (float spread : {0.01f, 3.0f, 40.0f}) {
        Case c(rows, vocab, spread, random);
        if (rows == 9 && vocab > 20)  // banned tokens
          for (int64_t i = 0; i < 9 * c.stride; i += 17)
            c.logits[i] = -std::numeric_limits<float>::infinity();
        for (bool with_entropy : {false, true}) {
          const auto expected = run(ref.queue, c, with_entropy);
          for (const auto& q : queues)
            for (bool in_place : {false, true})
              ASSERT_EQ(run(q->queue, c, with_entropy, in_place), expected)
                  << q->name() << ", vocab " << vocab << ", rows " << rows << ", in place " << in_place;
        }
      }
}

TEST(LogProbsBackward, ARowDoesNotFeelItsNeighboursAndNoEntropyIsAGradientOfZero) {
  TestRandom random(2);
  Case batch(10, 5000, 4.0f, random);
  std::fill(batch.d_entropy.begin(), batch.d_entropy.end(), 0.0f);
  for (const auto& q : all_queues()) {
    const auto together = run(q->queue, batch, false);
    ASSERT_EQ(run(q->queue, batch, true), together) << q->name();
    for (int64_t r = 0; r < batch.rows; ++r) {
      Case alone(1, batch.vocab, 1.0f, random);
      alone.tokens[0] = batch.tokens[r];
      alone.temperature[0] = batch.temperature[r];
      alone.d_log_prob[0] = batch.d_log_prob[r];
      alone.logits.assign(batch.logits.begin() + r * batch.stride,
                          batch.logits.begin() + (r + 1) * batch.stride);
      const auto row = run(q->queue, alone, false);
      ASSERT_TRUE(std::equal(row.begin(), row.end(), together.begin() + r * batch.vocab))
          << q->name() << ", row " << r;
    }
  }
}

// Against central differences of the binary64 loss d_log_prob log p[token] + d_entropy H, good to 1e-8. Tolerance: half
// a bf16 ulp, and 2^-19 of the gradients that enter (the token's p t cancels against d_log_prob), over the temperature.
TEST(LogProbsBackward, IsTheDerivativeOfLogProbAndEntropyInBinary64) {
  TestRandom random(3);
  TestQueue best(best_tier(), 2);
  for (float spread : {0.5f, 3.0f}) {
    const Case c(4, 70, spread, random);
    for (bool with_entropy : {false, true}) {
      const auto found = run(best.queue, c, with_entropy);
      for (int64_t r = 0; r < c.rows; ++r) {
        const double d_log_prob = c.d_log_prob[r], d_entropy = with_entropy ? c.d_entropy[r] : 0.0f;
        const double temperature = c.temperature[r];
        const auto loss = [&](int64_t moved, double step) {
          const auto z = [&](int64_t v) {
            return (c.logits[r * c.stride + v] + (v == moved ? step : 0)) / temperature;
          };
          double sum = 0, entropy = 0;
          for (int64_t v = 0; v < c.vocab; ++v) sum += std::exp(z(v));
          for (int64_t v = 0; v < c.vocab; ++v) {
            const double log_p = z(v) - std::log(sum);
            entropy -= std::exp(log_p) * log_p;
          }
          return d_log_prob * (z(c.tokens[r]) - std::log(sum)) + d_entropy * entropy;
        };
        for (int64_t v = 0; v < c.vocab; ++v) {
          constexpr double kStep = 0x1p-14;
          const double expected = (loss(v, kStep) - loss(v, -kStep)) / (2 * kStep);
          const double size = (std::abs(d_log_prob) + 8 * std::abs(d_entropy)) / temperature;
          EXPECT_NEAR(to_float(found[r * c.vocab + v]), expected,
                      0x1.01p-8 * std::abs(expected) + 0x1p-19 * size)
              << "spread " << spread << ", row " << r << ", token " << v;
        }
      }
    }
  }
}

}  // namespace
}  // namespace invar
