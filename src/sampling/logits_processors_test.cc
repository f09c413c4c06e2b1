#include "sampling/logits_processors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace invar {
namespace {

TEST(LogitsProcessors, RepetitionDividesPositiveLogitsAndMultipliesTheOthers) {
  std::vector<float> logits{3.0f, -3.0f, 3.0f, -3.0f, 0.0f, 5.0f};
  const std::vector<TokenCount> counts{{0, 1, 0}, {1, 1, 0}, {2, 0, 4}, {3, 0, 1}, {4, 2, 2}};
  apply_penalties(logits, counts, {.repetition = 1.5f});
  EXPECT_EQ(logits, (std::vector<float>{2.0f, -4.5f, 2.0f, -4.5f, 0.0f, 5.0f}));
}

TEST(LogitsProcessors, FrequencyCountsGeneratedTokensAndPresenceAsksForOne) {
  std::vector<float> logits{1.0f, 1.0f, 1.0f};
  const std::vector<TokenCount> counts{{0, 7, 0}, {1, 0, 1}, {2, 9, 4}};
  apply_penalties(logits, counts, {.presence = 0.5f, .frequency = 0.25f});
  EXPECT_EQ(logits, (std::vector<float>{1.0f, 0.25f, -0.5f}));
}

TEST(LogitsProcessors, RepetitionComesBeforeFrequencyAndPresence) {
  std::vector<float> logits{4.0f};
  apply_penalties(logits, std::vector<TokenCount>{{0, 0, 3}},
                  {.repetition = 2.0f, .presence = 1.0f, .frequency = 0.5f});
  EXPECT_EQ(logits[0], 4.0f / 2.0f - 0.5f * 3.0f - 1.0f);
}

TEST(LogitsProcessors, TheOrderOfTheCountsDoesNotMatter) {
  const std::vector<float> start{1.1f, -2.2f, 3.3f, 0.7f};
  std::vector<TokenCount> counts{{0, 1, 2}, {1, 0, 5}, {2, 3, 0}, {3, 0, 1}};
  std::vector<float> forward = start, backward = start;
  apply_penalties(forward, counts, {1.3f, 0.1f, 0.2f});
  std::reverse(counts.begin(), counts.end());
  apply_penalties(backward, counts, {1.3f, 0.1f, 0.2f});
  EXPECT_EQ(forward, backward);
  EXPECT_NE(forward, start);
}

TEST(LogitsProcessors, BiasesAreAddedAndBansAreFinal) {
  std::vector<float> logits{1.0f, 2.0f, 3.0f};
  const std::vector<int32_t> banned{2};
  ban_tokens(logits, banned);
  apply_logit_bias(logits, std::vector<TokenBias>{{1, -100.0f}, {2, 100.0f}});
  apply_penalties(logits, std::vector<TokenCount>{{2, 1, 1}}, {1.5f, -1.0f, -1.0f});
  EXPECT_EQ(logits, (std::vector<float>{1.0f, -98.0f, -std::numeric_limits<float>::infinity()}));
}

TEST(LogitsProcessorsDeathTest, ATokenOutsideTheVocabularyIsABug) {
  std::vector<float> logits(4);
  EXPECT_DEATH(ban_tokens(logits, std::vector<int32_t>{4}), "token = 4, vocab = 4");
}

}  // namespace
}  // namespace invar
