// Any bytes as the groups that a checkpoint carries over: no crash, one-line errors, and what was accepted is a state
// that rollouts can go on from, is written as it was read, and is read again.
#include <algorithm>
#include <string_view>

#include "base/check.h"
#include "rl/rollout_state.h"
#include "text/tokenizer_testing.h"

namespace {

using namespace invar;

constexpr int64_t kSamples = 2, kMaxTokens = 4;

// Letters, and bytes that are a character only together.
const Tokenizer& tokenizer() {
  static const Tokenizer made = [] {
    Json vocab;
    for (int c = 'a'; c <= 'z'; ++c) vocab[std::string(1, static_cast<char>(c))] = c - 'a';
    for (const char* byte : {"\u00e2", "\u0124", "\u00a1"}) vocab[byte] = vocab.size();  // 0xE2 0x82 0xA1
    return byte_level_tokenizer(vocab);
  }();
  return made;
}

Result<std::vector<RolloutGroup>> read(const Json& state) {
  return read_rollout_state(state, tokenizer(), {.max_tokens = kMaxTokens, .stop = {"stop", "zz"}},
                            [](int64_t ordinal, int64_t step) -> Result<RolloutGroup> {
                              return empty_group(ordinal, step, 7, {}, {.text = "ab", .ids = {0, 1}}, kSamples);
                            });
}

void check_sample(const RlSample& sample) {
  const int64_t tokens = std::ssize(sample.log_probs);
  INVAR_CHECK(sample.prompt_tokens == 2 && std::ssize(sample.response()) == tokens);
  INVAR_CHECK(tokens <= kMaxTokens && (sample.finish == FinishReason::kLength) <= (tokens == kMaxTokens));
  if (!sample.done()) {
    INVAR_CHECK(tokens < kMaxTokens && sample.text.empty(), "{} tokens", tokens);
    return;
  }
  INVAR_CHECK(tokens >= 1 && std::ssize(sample.token_ends) == tokens, "{} tokens", tokens);
  INVAR_CHECK(std::is_sorted(sample.token_ends.begin(), sample.token_ends.end()));
  INVAR_CHECK(sample.token_ends.front() >= 0 && sample.token_ends.back() <= std::ssize(sample.text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Result<Json> state = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!state.ok()) return 0;
  const auto groups = read(*state);
  if (!groups.ok()) {
    for (const char c : groups.message()) INVAR_CHECK(c >= 0x20 && c <= 0x7e, "{}", groups.message());
    return 0;
  }
  int64_t ordinal = -1;
  for (const RolloutGroup& group : *groups) {
    INVAR_CHECK(group.ordinal > ordinal && group.step >= 0, "{} after {}", group.ordinal, ordinal);
    ordinal = group.ordinal;
    INVAR_CHECK(std::ssize(group.samples) == kSamples && (!group.scored || group.done()));
    for (const RlSample& sample : group.samples) check_sample(sample);
  }
  const Json written = rollout_state(*groups);
  const auto again = read(written);
  INVAR_CHECK(again.ok(), "{}", again.message());
  INVAR_CHECK(rollout_state(*again) == written, "{}", written.dump());
  return 0;
}
