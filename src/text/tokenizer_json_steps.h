// The three chains of a tokenizer.json: normalizer, pre_tokenizer, decoder.
#pragma once

#include "io/json.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"

namespace invar {

// Each takes the value under its key, which may be null. Errors: a type or setting we do not support, by name
// and place.
Result<Normalizer> parse_normalizer(const Json& json, const std::string& where);
Result<Decoder> parse_decoder(const Json& json, const std::string& where);

struct ParsedPreTokenizer {
  PreTokenizer chain;
  bool byte_level =
      false;  // the pieces are then spelled in byte characters: the vocabulary's, not the text's
};
Result<ParsedPreTokenizer> parse_pre_tokenizer(const Json& json, const std::string& where);

}  // namespace invar
