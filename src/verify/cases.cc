#include "verify/cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "verify/draw.h"

namespace invar {
namespace {

constexpr std::array kWho = {"A quiet engineer",   "The old librarian", "My neighbour",
                             "An early physicist", "The night train",   "A careful gardener",
                             "One of the sailors", "The new compiler"};
constexpr std::array kDid = {"carried",  "measured", "forgot", "described",
                             "repaired", "counted",  "drew",   "lost"};
constexpr std::array kWhat = {"seven brass keys",   "the length of a river", "every second letter",
                              "a map of the coast", "three kinds of bread",  "the sum of all rows",
                              "a box of lenses",    "the last page"};
constexpr std::array kWhere = {"in the harbour",    "before the war",   "at 4 in the morning",
                               "under a red lamp",  "for 12.50 a day",  "near the equator",
                               "without a witness", "because it rained"};

template <std::size_t N>
const char* pick(const std::array<const char*, N>& words, Draw& draw) {
  return words[static_cast<std::size_t>(draw.below(N))];
}

}  // namespace

Encode encode_by_word(int64_t vocab) {
  return [vocab](std::string_view text) {
    std::vector<int32_t> ids;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(' ', 1), text.size());
      uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
      for (char c : text.substr(0, end)) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
      ids.push_back(static_cast<int32_t>(hash % static_cast<uint64_t>(vocab)));
      text.remove_prefix(end);
    }
    return ids;
  };
}

std::string long_text(uint64_t seed, std::size_t bytes) {
  Draw draw(seed);
  std::string text;
  for (int number = 1; text.size() < bytes; ++number) {
    text += fmt::format("{} {} {} {}. ", pick(kWho, draw), pick(kDid, draw), pick(kWhat, draw),
                        pick(kWhere, draw));
    if (number % 5 == 0) text += fmt::format("\n\n{}. ", number / 5);
  }
  text.resize(bytes);
  return text;
}

SamplingParams sampling_variant(int variant, uint64_t seed, int64_t max_tokens) {
  SamplingParams sampling{.seed = seed, .max_tokens = max_tokens, .ignore_eos = true};
  switch (variant) {
    case 0: sampling.temperature = 0; break;
    case 1: sampling.top_k = 20; break;
    case 2:
      sampling.temperature = 0.75f;
      sampling.top_p = 0.9f;
      break;
    case 3:
      sampling.temperature = 1.25f;
      sampling.min_p = 0.05f;
      break;
    case 4:
      sampling.top_k = 50;
      sampling.top_p = 0.95f;
      sampling.min_p = 0.02f;
      break;
    default:
      sampling.frequency_penalty = 0.5f;
      sampling.presence_penalty = 0.25f;
      break;
  }
  return sampling;
}

const char* variant_name(int variant) {
  constexpr std::array<const char*, kVariants> kNames = {"greedy", "top-k",       "top-p",
                                                         "min-p",  "all filters", "penalties"};
  return kNames[static_cast<std::size_t>(variant)];
}

Case make_case(std::string text, int variant, uint64_t seed, const Encode& encode, const CaseLimits& limits) {
  Case c;
  c.prompt = encode(text);
  c.text = std::move(text);
  int64_t most = limits.context == 0 ? INT64_MAX : limits.context - 2 * limits.output_tokens;
  if (limits.prompt_tokens_max > 0) most = std::min(most, limits.prompt_tokens_max);
  if (static_cast<int64_t>(c.prompt.size()) > most) c.prompt.resize(static_cast<std::size_t>(most));
  c.sampling = sampling_variant(variant, seed, limits.output_tokens);
  return c;
}

}  // namespace invar
