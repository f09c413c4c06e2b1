// What model/coverage.h claims: every head_dim, group size and page size, every architecture with
// every scaling of RoPE,
// and the largest of every other size give the bits of the reference tier.
#include "model/coverage.h"

#include <gtest/gtest.h>

#include <bit>
#include <numeric>
#include <random>

#include "kernels/attention.h"
#include "kernels/log_probs.h"
#include "kernels/rms_norm.h"
#include "kernels/sample.h"
#include "kernels/swiglu.h"
#include "matrix.h"
#include "model/registry.h"
#include "model/update.h"

namespace invar {
namespace {

constexpr uint64_t kSeed = 20240703;

float uniform(std::mt19937_64& random, float scale) {
  return scale * (static_cast<float>(random() >> 43) * 0x1p-20f - 1.0f);
}

std::vector<bf16> values(int64_t count, float scale, std::mt19937_64& random) {
  std::vector<bf16> out(static_cast<std::size_t>(count));
  for (bf16& value : out) value = to_bf16(uniform(random, scale));
  return out;
}

ModelConfig small_config() {
  ModelConfig config;
  config.vocab_size = 41;
  config.hidden_size = 70;
  config.intermediate_size = 51;
  config.layers = 2;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 16;
  config.max_position = 512;
  return config;
}

DecoderModel random_model(const ModelConfig& config) {
  std::mt19937_64 random(kSeed);
  auto model = make_decoder(config);
  INVAR_CHECK(model.ok(), "{}", model.message());
  for (const WeightSpec& spec : weight_specs(config)) {
    const Status status =
        update_weight(*model, spec.name, spec.shape, values(spec.elements(), 0.5f, random), nullptr);
    INVAR_CHECK(status.ok(), "{}", status.message());
  }
  return std::move(*model);
}

// Every tier against ref, pages, threads and chunks taking turns.
void expect_covered(const ModelConfig& config, const std::string& what) {
  const DecoderModel model = random_model(config);
  std::vector<Request> requests = mixed_requests(config.vocab_size, kSeed);
  std::erase_if(requests, [](const Request& r) { return r.prompt.size() != 17 && r.prompt.size() != 129; });
  ASSERT_EQ(requests.size(), 2u);
  static int turn = 0;
  for (const Profile profile : kAllProfiles) {
    const MatrixOutcome expected = run(model, profile, requests, {});
    for (const Tier tier : fast_tiers()) {
      ++turn;
      constexpr int kThreads[] = {1, 2, 3, 5, 8};
      constexpr int64_t kChunks[] = {1, 7, 64, 512};
      const MatrixSetting setting = {.tier = tier,
                                     .threads = kThreads[turn % 5],
                                     .step_rows = kChunks[turn % 4],
                                     .page_size = kCoveredPageSizes[turn / 3 % 4],
                                     .batch_max = 1 + turn % 2};
      ASSERT_TRUE(check_coverage(config, profile, tier, setting.page_size, setting.threads).ok()) << what;
      ASSERT_EQ(first_difference(expected, run(model, profile, requests, setting)), "")
          << what << ", " << profile_name(profile) << ", " << describe(setting);
    }
  }
}

TEST(Coverage, EveryHeadDim) {
  for (int64_t dim = kCoveredHeadDimStep; dim <= kCoveredHeadDimMax; dim += kCoveredHeadDimStep) {
    ModelConfig config = small_config();
    config.layers = 1;
    config.head_dim = dim;
    config.architecture = dim % 32 == 0 ? Architecture::kQwen3 : Architecture::kLlama;
    config.qk_norm = dim % 32 == 0;
    expect_covered(config, fmt::format("head_dim {}", dim));
  }
}

TEST(Coverage, EveryGroupSize) {
  for (int64_t group = 1; group <= kCoveredGroupMax; ++group) {
    ModelConfig config = small_config();
    config.layers = 1;
    config.kv_heads = 1 + group % 2;
    config.heads = group * config.kv_heads;
    expect_covered(config, fmt::format("{} query heads of a kv head", group));
  }
}

TEST(Coverage, EveryArchitectureWithEveryScalingOfRopeTiedOrNotWithAndWithoutBiases) {
  int turn = 0;
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen2, Architecture::kQwen3})
    for (const RopeScaling scaling :
         {RopeScaling::kNone, RopeScaling::kLinear, RopeScaling::kLlama3, RopeScaling::kYarn}) {
      ++turn;
      ModelConfig config = small_config();
      config.architecture = architecture;
      config.rope = {.theta = 10000, .scaling = scaling, .factor = 4, .original_max_position = 64};
      config.tie_embeddings = turn % 2 == 0;
      config.qk_norm = architecture == Architecture::kQwen3;
      config.qkv_bias = architecture == Architecture::kQwen2 || turn % 4 < 2;
      config.output_bias = turn % 4 == 1;
      expect_covered(config, fmt::format("{}, scaling {}", architecture_name(architecture), turn % 4));
    }
}

TEST(Coverage, ManyThreads) {
  const DecoderModel model = random_model(small_config());
  const auto requests = mixed_requests(model.config.vocab_size, kSeed);
  for (const Profile profile : kAllProfiles) {
    const MatrixOutcome expected = run(model, profile, requests, {.tier = Tier::kAvx2});
    for (const int threads : {7, 31, kCoveredThreadsMax}) {
      const MatrixSetting setting = {
          .tier = best_tier(), .threads = threads, .page_size = 16, .batch_max = 9};
      ASSERT_EQ(first_difference(expected, run(model, profile, requests, setting)), "") << describe(setting);
    }
  }
}

// Calls body(queue) -> bits in every profile and tier, and compares with ref.
template <class Body>
void expect_tiers_equal(const char* what, const Body& body) {
  ThreadPool one(1), three(3);
  for (const Profile profile : kAllProfiles) {
    Queue ref(one, profile, Tier::kRef);
    const auto expected = body(ref);
    for (const Tier tier : fast_tiers()) {
      Queue queue(three, profile, tier);
      ASSERT_TRUE(body(queue) == expected) << what << " " << profile_name(profile) << " " << tier_name(tier);
    }
  }
}

std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> out;
  for (const float value : values) out.push_back(std::bit_cast<uint32_t>(value));
  return out;
}

TEST(Coverage, TheLongestSums) {
  struct Shape {
    int64_t rows, n, k;
  };
  std::mt19937_64 random(kSeed);
  for (const auto& [rows, n, k] :
       {Shape{3, 17, kCoveredInputsMax}, {2, 5, 28673}, {2, kCoveredVocabMax, 16}}) {
    const auto x = values(rows * k, 1.0f, random), w = values(n * k, 1.0f, random);
    const WeightRows block = {w.data(), n};
    const PackedWeight weight = pack_weight({&block, 1}, k);
    expect_tiers_equal("linear", [&](Queue& queue) {
      std::vector<float> out(static_cast<std::size_t>(rows * n));
      linear(queue, {.x = x.data(),
                     .x_stride = k,
                     .weight = &weight,
                     .out_f32 = out.data(),
                     .out_stride = n,
                     .rows = rows});
      return bits(out);
    });
  }
  for (const int64_t dim : {int64_t{16384}, int64_t{28673}, kCoveredInputsMax}) {
    const auto x = values(2 * 2 * dim, 2.0f, random), gain = values(dim, 1.0f, random);
    expect_tiers_equal("rms_norm", [&](Queue& queue) {
      std::vector<bf16> out(static_cast<std::size_t>(2 * dim));
      rms_norm(queue, {.x = x.data(),
                       .residual = nullptr,
                       .weight = gain.data(),
                       .out = out.data(),
                       .x_stride = dim,
                       .out_stride = dim,
                       .rows = 2,
                       .groups = 1,
                       .dim = dim,
                       .eps = 1e-5f});
      return out;
    });
    expect_tiers_equal("swiglu", [&](Queue& queue) {
      std::vector<bf16> out(static_cast<std::size_t>(2 * dim));
      swiglu(queue, {.gate_up = x.data(),
                     .out = out.data(),
                     .in_stride = 2 * dim,
                     .out_stride = dim,
                     .rows = 2,
                     .ffn_dim = dim});
      return out;
    });
  }
}

TEST(Coverage, TheLargestVocabularyEqualAndDrawn) {
  std::mt19937_64 random(kSeed);
  std::vector<float> logits(kCoveredVocabMax, 1.0f);
  const std::vector<float> temperature = {1.0f};
  const std::vector<int32_t> tokens = {static_cast<int32_t>(kCoveredVocabMax - 1)};
  for (const bool equal : {true, false}) {
    if (!equal)
      for (float& logit : logits) logit = uniform(random, 8.0f);
    const auto log_prob = [&](Queue& queue) {
      std::vector<float> out(1);
      log_probs(queue, {.logits = logits.data(),
                        .logits_stride = kCoveredVocabMax,
                        .temperature = temperature.data(),
                        .tokens = tokens.data(),
                        .log_prob = out.data(),
                        .log_sum = nullptr,
                        .rows = 1,
                        .vocab = kCoveredVocabMax});
      return bits(out);
    };
    expect_tiers_equal("log_probs", log_prob);
    for (const float top_p : {1.0f, 0.9f}) {
      const SampleRule rule = {.temperature = 0.75f, .top_p = top_p, .seed = kSeed, .position = 5};
      expect_tiers_equal("sample", [&](Queue& queue) {
        int32_t token = -1;
        sample(queue, {.logits = logits.data(),
                       .logits_stride = kCoveredVocabMax,
                       .rules = &rule,
                       .tokens = &token,
                       .rows = 1,
                       .vocab = kCoveredVocabMax});
        return token;
      });
    }
    if (!equal) continue;
    // 2^20 masses of 2^40 are summed without a carry out of 64 bits: ln 2^20.
    ThreadPool pool(1);
    Queue queue(pool, Profile::kFma32);
    EXPECT_NEAR(std::bit_cast<float>(log_prob(queue)[0]), -13.862943611f, 1e-5f);
  }
}

// Rows on both sides of every change of the splits' length, and the last position of all.
TEST(Coverage, TheLastPositionAndEveryLengthOfSplits) {
  constexpr int64_t kDim = 16, kPage = 128;
  std::mt19937_64 random(kSeed);
  const auto kv = values(kCoveredPositionsMax * kDim, 1.0f, random);
  const auto q = values(2 * kDim, 2.0f, random);
  const KvLayout layout = {.kv_heads = 1, .head_dim = kDim, .page_size = kPage};
  std::vector<int32_t> pages(kCoveredPositionsMax / kPage);
  std::iota(pages.rbegin(), pages.rend(), 0);
  Buffer<bf16> k_pages(kCoveredPositionsMax * kDim), v_pages(kCoveredPositionsMax * kDim);
  ThreadPool pool(2);
  Queue writer(pool, Profile::kFma32);
  const SequenceChunk all = {
      .row_begin = 0, .rows = kCoveredPositionsMax, .position_begin = 0, .pages = pages.data()};
  kv_write(writer, {.k = kv.data(),
                    .v = kv.data(),
                    .k_stride = kDim,
                    .v_stride = kDim,
                    .k_pages = k_pages.data(),
                    .v_pages = v_pages.data(),
                    .layout = layout,
                    .chunks = {&all, 1}});
  for (const int64_t position : {int64_t{4095}, int64_t{8191}, int64_t{16383}, int64_t{32767}, int64_t{36863},
                                 kCoveredPositionsMax - 2}) {
    const SequenceChunk chunk = {
        .row_begin = 0, .rows = 2, .position_begin = position, .pages = pages.data()};
    expect_tiers_equal("attention", [&](Queue& queue) {
      std::vector<bf16> out(2 * kDim);
      attention(queue, {.q = q.data(),
                        .out = out.data(),
                        .q_stride = kDim,
                        .out_stride = kDim,
                        .k_pages = k_pages.data(),
                        .v_pages = v_pages.data(),
                        .layout = layout,
                        .heads = 1,
                        .scale = 0.25f,
                        .chunks = {&chunk, 1}});
      return out;
    });
  }
}

}  // namespace
}  // namespace invar
