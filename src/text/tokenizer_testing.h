// A byte-level BPE tokenizer without merges, for tests: its vocabulary is all there is to choose.
#pragma once

#include <string>
#include <utility>

#include "base/check.h"
#include "io/json.h"
#include "text/tokenizer.h"

namespace invar {

// The text of its tokenizer.json. vocab: byte-level spellings and their ids; split: by GPT-2's pattern first.
inline std::string byte_level_json(const Json& vocab, bool split, const Json& added_tokens = Json::array()) {
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", split}};
  const Json json = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added_tokens},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", byte_level},
                     {"post_processor", nullptr},
                     {"decoder", byte_level},
                     {"model",
                      {{"type", "BPE"},
                       {"dropout", nullptr},
                       {"unk_token", nullptr},
                       {"continuing_subword_prefix", nullptr},
                       {"end_of_word_suffix", nullptr},
                       {"fuse_unk", false},
                       {"byte_fallback", false},
                       {"ignore_merges", false},
                       {"vocab", vocab},
                       {"merges", Json::array()}}}};
  return json.dump();
}

inline Tokenizer byte_level_tokenizer(const Json& vocab) {
  auto parts = parse_tokenizer_json(byte_level_json(vocab, false), "a test's tokenizer");
  INVAR_CHECK(parts.ok(), "{}", parts.message());
  return Tokenizer(std::move(parts).value());
}

}  // namespace invar
