#include "numerics/philox.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "numerics/exhaustive_test.h"
#include "numerics/pair_test.h"

namespace invar {
namespace {

struct KnownAnswer {
  uint64_t key;
  PhiloxWords counter;
  PhiloxWords result;
};

// Source: Random123's kat_vectors, philox4x32 with 10 rounds.
const KnownAnswer kKnownAnswers[] = {
    {0, {{0, 0, 0, 0}}, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
    {0xffffffffffffffff,
     {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
     {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
    {0x299f31d0a4093822,
     {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
     {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
};

TEST(Philox, GivesTheKnownAnswersOfRandom123) {
  for (const KnownAnswer& known : kKnownAnswers) {
    const PhiloxWords got = philox(known.key, known.counter);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(known.result.word[i], got.word[i]) << "word " << i;
  }
}

TEST(Philox, DerivedSeedsDifferAndAreFixed) {
  std::set<uint64_t> seeds;
  for (uint64_t seed : {0ull, 1ull, 0xffffffffffffffffull})
    for (uint64_t index = 0; index < 1000; ++index) seeds.insert(derive_seed(seed, index));
  EXPECT_EQ(3000u, seeds.size());
  EXPECT_EQ(0xe65644a8b2b61c9aull, derive_seed(0, 0));
  EXPECT_EQ(0x7023be78fe736766ull, derive_seed(42, 1ull << 32));
}

// NUM-GUMBEL as docs/numerics.md has it, step by step.
float gumbel_by_definition(uint32_t h) {
  float e;
  if (h < 0x80000000u) {
    e = -num::log1p(-static_cast<float>((static_cast<double>(h) + 0.5) * 0x1p-32));
  } else {
    e = -num::log(static_cast<float>((0x1p32 - static_cast<double>(h) - 0.5) * 0x1p-32));
  }
  return -num::log(e);
}

struct Draws {
  int64_t differing = 0;
  int64_t count = 0;
  double worst = 0;
  double sum = 0;
  double squares = 0;
  uint64_t hash = 0;
  void merge(const Draws& other) {
    differing += other.differing;
    count += other.count;
    worst = std::max(worst, other.worst);
    sum += other.sum;
    squares += other.squares;
    hash += other.hash;
  }
};

TEST(Gumbel, FollowsItsDefinitionStaysAccurateAndHasTheRightMoments) {
  const Draws draws = for_all_inputs<Draws>([](Draws& state, uint32_t h) {
    const float got = gumbel<float>(h);
    const double w = (static_cast<double>(h) + 0.5) * 0x1p-32;
    const double exact = -std::log(-std::log1p(-w));
    state.differing += num::as_int(got) != num::as_int(gumbel_by_definition(h));
    if (h % 1009 == 0) {
      const pair_test::Pair pair = gumbel<pair_test::Pair>(pair_test::Int(~h, h));
      state.differing += num::as_int(got) != num::as_int(pair.lane[1]);
    }
    state.worst = std::max(state.worst, std::fabs(got - exact) / std::fmax(1.0, std::fabs(exact)));
    state.hash += hash_term(h, got);
    state.sum += got;
    state.squares += static_cast<double>(got) * got;
    ++state.count;
  });
  EXPECT_EQ(0, draws.differing);
  EXPECT_LT(draws.worst, 0x1p-22) << "error over max(1, |gumbel|)";
  const double mean = draws.sum / draws.count;
  EXPECT_NEAR(0.5772156649, mean, 1e-4);                                       // Euler's constant
  EXPECT_NEAR(1.6449340668, draws.squares / draws.count - mean * mean, 1e-3);  // pi^2 / 6
  EXPECT_EQ(slow_tests() ? 0xaf800d2b8f423295ull : 0xf05e24c95d9fdd20ull, draws.hash)
      << "a noise bit changed";
  std::printf("gumbel max error %.3g, hash 0x%016llx\n", draws.worst,
              static_cast<unsigned long long>(draws.hash));
}

TEST(Gumbel, NoiseOfAnIdIsAFunctionOfSeedPositionAndIdAlone) {
  // Word id mod 4 of the block id / 4, spelled out.
  const PhiloxWords words = philox(0x123456789abcdef0ull, {{49151 / 4, 0x9u, 0x1u, 0x5A4D504Cu}});
  EXPECT_EQ(num::as_int(gumbel<float>(words.word[3])),
            num::as_int(gumbel_noise(0x123456789abcdef0ull, 0x100000009ll, 49151)));
  EXPECT_EQ(static_cast<float>(33 * 0x1.62e42fefa39efp-1), gumbel<float>(0u)) << "the largest noise, 33 ln 2";
}

}  // namespace
}  // namespace invar
