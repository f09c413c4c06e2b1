#include "rl/seeds.h"

#include <gtest/gtest.h>

#include <set>

namespace invar {
namespace {

TEST(RunSeeds, EverySampleOfEveryPromptStepUseAndRunHasItsOwn) {
  std::set<uint64_t> seeds;
  std::size_t count = 0;
  for (uint64_t run : {0u, 1u, 2u})
    for (const SeedUse use : {SeedUse::kRollout, SeedUse::kEval})
      for (uint64_t step = 0; step < 20; ++step)
        for (uint64_t prompt = 0; prompt < 40; ++prompt)
          for (uint64_t sample = 0; sample < 16; ++sample, ++count)
            seeds.insert(sample_seed_of({.run_seed = run, .step = step, .prompt = prompt}, sample, use));
  EXPECT_EQ(seeds.size(), count);
}

TEST(RunSeeds, StepPromptAndSampleAreNotInterchangeable) {
  EXPECT_NE(sample_seed_of({7, 1, 2}, 3), sample_seed_of({7, 2, 1}, 3));
  EXPECT_NE(sample_seed_of({7, 1, 2}, 3), sample_seed_of({7, 1, 3}, 2));
  EXPECT_NE(sample_seed_of({7, 1, 2}, 3), sample_seed_of({1, 7, 2}, 3));
}

TEST(RunSeeds, AreTheDocumentedPathAndFixed) {
  const uint64_t request = derive_seed(derive_seed(derive_seed(42, 1), 5), 9);
  EXPECT_EQ(request_seed({.run_seed = 42, .step = 5, .prompt = 9}), request);
  EXPECT_EQ(sample_seed_of({.run_seed = 42, .step = 5, .prompt = 9}, 3), derive_seed(request, 3));
  EXPECT_EQ(request, 12926586587029946236u);
}

}  // namespace
}  // namespace invar
