// Cases: the texts, lengths and ways to sample that a proof asks about.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "verify/target.h"

namespace invar {

// Text to token ids; gives nothing where only a server knows its tokenizer.
using Encode = std::function<std::vector<int32_t>(std::string_view)>;

// For models without a tokenizer: an id for each word, from its bytes (NUM has no part in it: any ids will do).
Encode encode_by_word(int64_t vocab);

// Sentences without end, cut after so many bytes; a function of the seed. ASCII.
std::string long_text(uint64_t seed, std::size_t bytes);

// Ways to sample: 0 is greedy, the others draw with top-k, top-p, min-p, all of them, and penalties.
constexpr int kVariants = 6;
SamplingParams sampling_variant(int variant, uint64_t seed, int64_t max_tokens);
const char* variant_name(int variant);

// What a plan's cases have in common.
struct CaseLimits {
  int64_t output_tokens;      // of each
  int64_t prompt_tokens_max;  // prompts are cut to these; 0: the model's context alone bounds them
  int64_t context;            // of the model, 0 when unknown
};
Case make_case(std::string text, int variant, uint64_t seed, const Encode& encode, const CaseLimits& limits);

}  // namespace invar
