#include "train/policy_gradient.h"

#include <gtest/gtest.h>

#include "base/seed_testing.h"
#include "base/split_mix.h"

namespace invar {
namespace {

TEST(PolicyGradient, SharesAreContiguousCoverAllSamplesAndAreBalancedByTokens) {
  SplitMix64 random(run_seed());
  for (int round = 0; round < 200; ++round) {
    std::vector<std::vector<int32_t>> tokens(random.next() % 20);
    std::vector<PolicySample> samples;
    int64_t total = 0, longest = 0;
    for (std::vector<int32_t>& t : tokens) {
      t.resize(2 + random.next() % 300);
      total += std::ssize(t);
      longest = std::max<int64_t>(longest, std::ssize(t));
      samples.push_back({.tokens = t,
                         .prompt_tokens = 1,
                         .temperature = 1,
                         .log_prob_old = {},
                         .log_prob_ref = {},
                         .advantage = {}});
    }
    for (int ranks : {1, 2, 3, 4, 31}) {
      std::size_t at = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const SampleRange share = share_of(samples, rank, ranks);
        EXPECT_EQ(share.begin, at);
        ASSERT_LE(share.begin, share.end);
        int64_t own = 0;
        for (at = share.begin; at < share.end; ++at) own += std::ssize(tokens[at]);
        EXPECT_LE(own, total / ranks + longest)
            << samples.size() << " samples, rank " << rank << " of " << ranks;
      }
      EXPECT_EQ(at, samples.size());
    }
  }
}

}  // namespace
}  // namespace invar
