#include "rl/sample_text.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

// Tokens: 0 special, 1 "a", 2 and 3 the two bytes of "é", 4 "bc", 5 and 6 the first and last two bytes of an emoji.
Tokenizer tokenizer() {
  const char* text = R"({
    "added_tokens": [{"id": 0, "content": "<|end|>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": null, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"<|end|>": 0, "a": 1, "Ã": 2, "©": 3, "bc": 4, "ðŁ": 5, "Ļ": 6, "Ĥ": 7,
                                       "b": 8, "c": 9}, "merges": ["b c"]}})";
  auto parts = parse_tokenizer_json(text, "test");
  INVAR_CHECK(parts.ok(), "{}", parts.message());
  return Tokenizer(std::move(parts).value());
}

using Ends = std::vector<int32_t>;

TEST(SampleText, EveryTokenEndsWhereItsTextDoes) {
  const Tokenizer tokens = tokenizer();
  const std::vector<int32_t> ids = {1, 4, 1, 0};
  const SampleText found = sample_text(tokens, ids, {});
  EXPECT_EQ(found.text, "abca");
  EXPECT_EQ(found.token_ends, (Ends{1, 3, 4, 4}));  // the special token has no text
  EXPECT_FALSE(found.stopped);
  EXPECT_EQ(found.text, tokens.decode(ids, {.skip_special_tokens = true}));
}

TEST(SampleText, TokensThatShareACharacterEndInsideIt) {
  const Tokenizer tokens = tokenizer();
  const SampleText found = sample_text(tokens, std::vector<int32_t>{1, 2, 3, 1}, {});
  EXPECT_EQ(found.text, "a\u00e9a");
  EXPECT_EQ(found.token_ends, (Ends{1, 2, 3, 4}));
  const SampleText emoji = sample_text(tokens, std::vector<int32_t>{5, 6, 7, 1}, {});
  EXPECT_EQ(emoji.text, "\U0001F642a");
  EXPECT_EQ(emoji.token_ends, (Ends{1, 2, 4, 5}));
  // One that never becomes whole.
  const SampleText broken = sample_text(tokens, std::vector<int32_t>{1, 2}, {});
  EXPECT_EQ(broken.text, "a\uFFFD");
  EXPECT_EQ(broken.token_ends, (Ends{1, 4}));
}

TEST(SampleText, WhatAStopStringCutsOffHasNoEnd) {
  const Tokenizer tokens = tokenizer();
  const SampleText found = sample_text(tokens, std::vector<int32_t>{1, 8, 9}, {"bc"});
  EXPECT_TRUE(found.stopped);
  EXPECT_EQ(found.text, "a");
  EXPECT_EQ(found.token_ends, (Ends{1, 1, 1}));
}

}  // namespace
}  // namespace invar
