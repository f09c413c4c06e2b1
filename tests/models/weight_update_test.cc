// Replacing all weights of a running model gives the bits of one loaded with the new weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>

#include "model/update.h"
#include "run_model.h"

namespace invar {
namespace {

constexpr uint64_t kSeed = 20240702;

// Values like a model's, from integers alone.
Buffer<bf16> random_values(int64_t count, std::mt19937_64& random) {
  Buffer<bf16> out(count);
  for (bf16& value : out.span())
    value = to_bf16(0.25f * (static_cast<float>(random() >> 44) * 0x1p-19f - 1.0f));
  return out;
}

std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> out;
  for (float value : values) out.push_back(std::bit_cast<uint32_t>(value));
  return out;
}

class WeightUpdate : public testing::TestWithParam<const char*> {};

TEST_P(WeightUpdate, AllWeightsReplacedInPlaceGiveTheLogitsOfAFreshModel) {
  std::printf("seed %lu\n", kSeed);
  DecoderModel running = load_model(golden_folder(GetParam()));
  auto fresh = make_decoder(running.config);
  ASSERT_TRUE(fresh.ok());
  ThreadPool pool(2);
  std::vector<int32_t> tokens(150), rows(150);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i * 7 % 199);
  std::iota(rows.begin(), rows.end(), 0);
  for (const Profile profile : kAllProfiles) {
    Queue queue(pool, profile);
    const auto first = bits(logits_of_rows(running, queue, tokens, rows));
    std::vector<Buffer<bf16>> old_values;
    std::mt19937_64 random(kSeed);
    for (const WeightSpec& spec : weight_specs(running.config)) {
      old_values.push_back(std::move(*read_weight(running, spec.name)));
      const Buffer<bf16> values = random_values(spec.elements(), random);
      ASSERT_TRUE(update_weight(running, spec.name, spec.shape, values.span(), &pool).ok()) << spec.name;
      ASSERT_TRUE(update_weight(*fresh, spec.name, spec.shape, values.span(), nullptr).ok()) << spec.name;
    }
    const auto updated = bits(logits_of_rows(running, queue, tokens, rows));
    EXPECT_EQ(updated, bits(logits_of_rows(*fresh, queue, tokens, rows)));
    EXPECT_NE(updated, first);
    std::size_t next = 0;
    for (const WeightSpec& spec : weight_specs(running.config))
      ASSERT_TRUE(update_weight(running, spec.name, spec.shape, old_values[next++].span(), &pool).ok());
    EXPECT_EQ(bits(logits_of_rows(running, queue, tokens, rows)), first);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, WeightUpdate,
                         testing::Values("llama", "llama3-rope", "qwen2", "qwen3", "qwen3-yarn"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace invar
