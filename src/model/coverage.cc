#include "model/coverage.h"

#include <algorithm>
#include <iterator>

#include "numerics/attention_split.h"

namespace invar {
namespace {

// NUM-LSE: a mass is at most 2^40 and their sum is 64 bits wide, so 2^24 equal logits are the first to overflow it.
static_assert(kCoveredVocabMax < int64_t{1} << 24);
// NUM-ROPE: fp32(position) is exact below 2^24.
static_assert(kCoveredPositionsMax <= int64_t{1} << 24);
// Pages are cut out of blocks, so that no page holds positions of two.
static_assert(kAttentionBlock % 128 == 0);

Status at_most(const char* name, int64_t value, int64_t most, const char* advice) {
  if (value <= most) return Ok{};
  return error("{} {} is not covered by the invariance tests: expected at most {}; {}", name, value, most,
               advice);
}

Status check_attention(const ModelConfig& c) {
  if (c.head_dim % kCoveredHeadDimStep != 0 || c.head_dim > kCoveredHeadDimMax) {
    return error(
        "head_dim {} is not covered by the invariance tests: expected a multiple of {} up to {}; use another "
        "model",
        c.head_dim, kCoveredHeadDimStep, kCoveredHeadDimMax);
  }
  return at_most("heads / kv_heads", c.heads / c.kv_heads, kCoveredGroupMax, "use another model");
}

// The blocks of these architectures as the tests build them. A flag that an architecture's file does not look at would
// otherwise be dropped without a word.
Status check_architecture(const ModelConfig& c) {
  const std::string_view name = architecture_name(c.architecture);
  const bool qwen2 = c.architecture == Architecture::kQwen2;
  const bool qwen3 = c.architecture == Architecture::kQwen3;
  if (c.qk_norm != qwen3) {
    return error("qk_norm {} is not covered for {}: expected {}; use another model", c.qk_norm, name, qwen3);
  }
  if (qwen2 && !c.qkv_bias)
    return error("{} without biases of q, k and v is not covered; use another model", name);
  return Ok{};
}

Status check_sizes(const ModelConfig& c) {
  constexpr const char* kSmaller = "use a smaller model";
  INVAR_RETURN_IF_ERROR(at_most("vocab_size", c.vocab_size, kCoveredVocabMax, kSmaller));
  INVAR_RETURN_IF_ERROR(at_most("hidden_size", c.hidden_size, kCoveredInputsMax, kSmaller));
  INVAR_RETURN_IF_ERROR(at_most("intermediate_size", c.intermediate_size, kCoveredInputsMax, kSmaller));
  INVAR_RETURN_IF_ERROR(at_most("heads * head_dim", c.heads * c.head_dim, kCoveredInputsMax, kSmaller));
  return at_most("max_position_embeddings", c.max_position, kCoveredPositionsMax,
                 "lower it in the model's configuration");
}

}  // namespace

Status check_coverage(const ModelConfig& config, Profile profile, Tier tier, int64_t page_size, int threads) {
  if (std::ranges::find(kAllProfiles, profile) == std::end(kAllProfiles)) {
    return error("profile {} is not covered by the invariance tests: expected {}", static_cast<int>(profile),
                 profile_names());
  }
  if (tier != Tier::kRef && !tier_supported(tier)) {
    return error(
        "tier {} is not covered on this CPU, which lacks it or has other bits; use a lower tier",
        tier_name(tier));
  }
  if (std::ranges::find(kCoveredPageSizes, page_size) == std::end(kCoveredPageSizes)) {
    return error("page size {} is not covered by the invariance tests: expected 16, 32, 64 or 128",
                 page_size);
  }
  if (threads < 1 || threads > kCoveredThreadsMax) {
    return error("{} threads are not covered by the invariance tests: expected 1 to {}", threads,
                 kCoveredThreadsMax);
  }
  INVAR_RETURN_IF_ERROR(check_architecture(config));
  INVAR_RETURN_IF_ERROR(check_attention(config));
  return check_sizes(config);
}

}  // namespace invar
