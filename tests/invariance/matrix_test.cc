// The same prompt and seed give the same tokens and log-prob bits under every product of settings.
#include "matrix.h"

#include <gtest/gtest.h>

#include <random>

#include "base/seed_testing.h"
#include "model/registry.h"

namespace invar {
namespace {

constexpr int kCombinations = 24;

template <class T>
T pick(std::mt19937_64& random, std::initializer_list<T> values) {
  return *(values.begin() + random() % values.size());
}

MatrixSetting random_setting(std::mt19937_64& random, const std::vector<Tier>& tiers) {
  MatrixSetting setting;
  setting.tier = tiers[random() % tiers.size()];
  setting.threads = pick(random, {1, 2, 3, 5});
  setting.step_rows = pick<int64_t>(random, {1, 7, 16, 64, 100, 512});
  setting.page_size = pick<int64_t>(random, {16, 32, 64, 128});
  setting.batch_max = pick<int64_t>(random, {1, 2, 4, 9});
  setting.order = random() % 4 == 0 ? 0 : random();
  return setting;
}

class Matrix : public testing::TestWithParam<std::tuple<const char*, Profile>> {};

TEST_P(Matrix, EveryProductOfSettingsGivesTheBitsOfTheReferenceTier) {
  const auto [name, profile] = GetParam();
  auto source = WeightSource::open(std::string(INVAR_SOURCE_DIR "/tests/goldens/models/") + name);
  ASSERT_TRUE(source.ok()) << source.message();
  auto model = load_decoder(*source);
  ASSERT_TRUE(model.ok()) << model.message();
  const uint64_t seed = run_seed();
  const auto requests = mixed_requests(model->config.vocab_size, seed);
  const MatrixSetting base;
  const MatrixOutcome expected = run(*model, profile, requests, base);

  const std::vector<Tier> tiers = fast_tiers();
  std::mt19937_64 random(seed);
  for (int i = 0; i < kCombinations; ++i) {
    const MatrixSetting setting = random_setting(random, tiers);
    const std::string difference = first_difference(expected, run(*model, profile, requests, setting));
    ASSERT_EQ(difference, "") << describe(setting) << "\n"
                              << name_axes(*model, profile, requests, base, expected, setting);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Matrix,
                         testing::Combine(testing::Values("llama", "qwen2", "qwen3"),
                                          testing::ValuesIn(kAllProfiles)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param),
                                              profile_name(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace invar
