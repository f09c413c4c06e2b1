// Nothing around a sequence changes a bit of the gradient: micro-batches, packing, order, ranks, threads, instruction
// sets.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/seed_testing.h"
#include "base/split_mix.h"
#include "comm/local/run_ranks.h"
#include "train_model.h"

namespace invar {
namespace {

// All begin as one sequence does, for some length of their own: neighbours of any order share prefixes.
std::vector<TrainCase> random_cases(SplitMix64& random, int64_t vocab) {
  const auto token = [&] { return static_cast<int32_t>(random.next() % static_cast<uint64_t>(vocab)); };
  std::vector<int32_t> common(600);
  for (int32_t& t : common) t = token();
  std::vector<TrainCase> cases;
  // A leaf of 512 tokens, a head leaf of 256 and a split of attention are crossed.
  for (int64_t length : {2, 5, 17, 40, 129, 300, 600}) {
    TrainCase c{.tokens = {}, .scored_begin = 1, .temperature = 1, .d_log_prob = {}, .d_entropy = {}};
    const auto shared = static_cast<int64_t>(random.next() % static_cast<uint64_t>(length + 1));
    for (int64_t i = 0; i < length; ++i)
      c.tokens.push_back(i < shared ? common[static_cast<std::size_t>(i)] : token());
    c.scored_begin = 1 + static_cast<int64_t>(random.next() % static_cast<uint64_t>(length - 1));
    if (length == 600) c.scored_begin = 3;
    if (length == 40) c.temperature = 0.7f;
    const auto number = [&] {
      return static_cast<float>(static_cast<int64_t>(random.next() % 2001) - 1000) / 512;
    };
    for (int64_t i = c.scored_begin; i < length; ++i) {
      c.d_log_prob.push_back(number());
      c.d_entropy.push_back(number() / 8);
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

struct Setting {
  std::size_t at_once = 7;
  uint64_t order = 0;  // seed; 0: as listed
  int ranks = 1;
  int threads = 1;
  Tier tier = best_tier();
  int64_t kept_bytes = MicroBatch::kKeptBytes;

  std::string text() const {
    return fmt::format("{} in a micro-batch, order {}, {} ranks, {} threads, {}, {} bytes of activations kept",
                       at_once, order, ranks, threads, tier_name(tier), kept_bytes);
  }
};

// The sums, which every rank must have, and each case's log-probs from the rank that computed them: i's in `order` is
// rank i mod ranks.
Gradient merged(const std::vector<Gradient>& of_ranks, const std::vector<TrainCase>& cases,
                const std::vector<std::size_t>& order) {
  Gradient all = of_ranks.front();
  for (const Gradient& of_rank : of_ranks) EXPECT_TRUE(of_rank.sums == all.sums);
  std::vector<std::size_t> begins = {0};
  for (const TrainCase& c : cases) begins.push_back(begins.back() + c.d_log_prob.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Gradient& of_rank = of_ranks[i % of_ranks.size()];
    for (std::size_t t = begins[order[i]]; t < begins[order[i] + 1]; ++t) {
      all.log_probs[t] = of_rank.log_probs[t];
      all.entropies[t] = of_rank.entropies[t];
    }
  }
  return all;
}

Gradient gradient_of(DecoderModel& model, Profile profile, const std::vector<TrainCase>& cases,
                     const Setting& setting) {
  std::vector<std::size_t> order(cases.size());
  std::iota(order.begin(), order.end(), 0);
  SplitMix64 random(setting.order);
  for (std::size_t i = order.size(); setting.order != 0 && i > 1; --i)
    std::swap(order[i - 1], order[random.next() % i]);
  const ParameterLayout layout(model);
  std::vector<Gradient> of_ranks(static_cast<std::size_t>(setting.ranks));
  const Status status = run_ranks(setting.ranks, [&](Communicator& ranks) -> Status {
    ThreadPool pool(setting.threads);
    Queue queue(pool, profile, setting.tier);
    std::vector<std::size_t> own;
    for (auto i = static_cast<std::size_t>(ranks.rank()); i < order.size(); i += of_ranks.size())
      own.push_back(order[i]);
    Gradients gradients(model, layout);
    Gradient& of_rank = of_ranks[static_cast<std::size_t>(ranks.rank())];
    add_gradient(model, queue, cases, own, setting.at_once, gradients, of_rank, setting.kept_bytes);
    INVAR_RETURN_IF_ERROR(gradients.all_reduce(queue, ranks));
    of_rank.sums.assign(gradients.sums().begin(), gradients.sums().end());
    return gradients.check();
  });
  EXPECT_TRUE(status.ok()) << status.message();
  return merged(of_ranks, cases, order);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return std::bit_cast<uint32_t>(x) == std::bit_cast<uint32_t>(y);
  });
}

void expect_same(const Gradient& found, const Gradient& expected, const std::string& setting) {
  EXPECT_TRUE(same_bits(found.log_probs, expected.log_probs)) << "log-probs: " << setting;
  EXPECT_TRUE(same_bits(found.entropies, expected.entropies)) << "entropies: " << setting;
  EXPECT_TRUE(found.sums == expected.sums) << "gradients: " << setting;
}

class GradientInvariance : public testing::TestWithParam<std::tuple<std::string, Profile>> {};

TEST_P(GradientInvariance, HoldsForRandomCombinationsOfEverythingAround) {
  const auto& [name, profile] = GetParam();
  DecoderModel model = load_model(golden_folder(name));
  const uint64_t seed = run_seed();
  SplitMix64 random(seed);
  const std::vector<TrainCase> cases = random_cases(random, model.config.vocab_size);
  const Gradient expected = gradient_of(model, profile, cases, {.at_once = 1, .kept_bytes = 0});
  EXPECT_TRUE(std::any_of(expected.sums.begin(), expected.sums.end(), [](int64_t sum) { return sum != 0; }));
  std::vector<Tier> tiers = fast_tiers();
  const auto pick = [&](auto values) {
    return *(values.begin() + static_cast<int64_t>(random.next() % values.size()));
  };
  for (int i = 0; i < (profile == Profile::kTc16 ? 3 : 10); ++i) {
    const Setting setting{.at_once = pick(std::vector<std::size_t>{1, 2, 3, 7}),
                          .order = random.next(),
                          .ranks = pick(std::vector<int>{1, 2, 4}),
                          .threads = pick(std::vector<int>{1, 2, 3}),
                          .tier = pick(tiers),
                          // Of seven sequences: nothing; one block of two; both, and logits of some or all rows.
                          .kept_bytes = pick(std::vector<int64_t>{0, 2 << 20, 3 << 20, 1 << 30})};
    expect_same(gradient_of(model, profile, cases, setting), expected, setting.text());
  }
}

TEST_P(GradientInvariance, EveryTierEqualsTheSpecification) {
  const auto& [name, profile] = GetParam();
  DecoderModel model = load_model(golden_folder(name));
  SplitMix64 random(run_seed());
  std::vector<TrainCase> cases = random_cases(random, model.config.vocab_size);
  cases.resize(4);
  const Gradient expected = gradient_of(model, profile, cases, {.tier = Tier::kRef});
  for (Tier tier : fast_tiers()) {
    const Setting setting{.threads = 2, .tier = tier};
    expect_same(gradient_of(model, profile, cases, setting), expected, setting.text());
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GradientInvariance,
                         testing::Combine(testing::Values("llama", "qwen2", "qwen3"),
                                          testing::ValuesIn(kAllProfiles)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" +
                                  std::string(profile_name(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace invar
