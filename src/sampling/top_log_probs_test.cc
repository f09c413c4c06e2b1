#include "sampling/top_log_probs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>
#include <vector>

#include "sampling/sampling_params.h"

namespace invar {
namespace {

TEST(TopLogProbs, AreTheLargestLogitsWithTheBitsOfLogProbs) {
  constexpr int64_t kVocab = 1000;
  ThreadPool pool(1);
  Queue queue(pool, Profile::kFma32);
  std::mt19937 random(7);
  for (float temperature : {1.0f, 0.7f, 3.0f}) {
    std::vector<float> logits(kVocab);
    // Few different values: many ties.
    for (float& x : logits) x = static_cast<float>(static_cast<int>(random() % 64) - 32) * 0.25f;
    RowLogSum sum;
    log_probs(queue, {.logits = logits.data(),
                      .logits_stride = kVocab,
                      .temperature = &temperature,
                      .tokens = nullptr,
                      .log_prob = nullptr,
                      .log_sum = &sum,
                      .rows = 1,
                      .vocab = kVocab});
    std::vector<int32_t> ids(kVocab);
    std::iota(ids.begin(), ids.end(), 0);
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return logits[a] > logits[b]; });
    for (std::size_t k : {0, 1, 5, 64, 1000}) {
      std::vector<TokenLogProb> top(k);
      top_log_probs(logits, temperature, sum, top);
      for (std::size_t i = 0; i < k; ++i) {
        ASSERT_EQ(top[i].token, ids[i]) << i;
        float expected;
        log_probs(queue, {.logits = logits.data(),
                          .logits_stride = kVocab,
                          .temperature = &temperature,
                          .tokens = &ids[i],
                          .log_prob = &expected,
                          .log_sum = nullptr,
                          .rows = 1,
                          .vocab = kVocab});
        ASSERT_EQ(std::bit_cast<uint32_t>(top[i].log_prob), std::bit_cast<uint32_t>(expected)) << i;
      }
    }
  }
}

TEST(TopLogProbs, BannedTokensComeLastAtMinusInfinity) {
  const std::vector<float> logits = {-std::numeric_limits<float>::infinity(), 1.0f, 2.0f};
  std::vector<TokenLogProb> top(3);
  top_log_probs(logits, 1.0f, {.max = 2.0f, .log_sum = 0.3f}, top);
  EXPECT_EQ(top[0].token, 2);
  EXPECT_EQ(top[1].token, 1);
  EXPECT_EQ(top[2].token, 0);
  EXPECT_EQ(top[2].log_prob, -std::numeric_limits<float>::infinity());
}

}  // namespace
}  // namespace invar
