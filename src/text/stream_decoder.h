// Text of a growing sequence of tokens: what each new token makes final.
#pragma once

#include "text/tokenizer.h"

namespace invar {

// Everything push() and finish() return, concatenated, is Tokenizer::decode of the same ids, byte for byte.
// Each piece is well-formed UTF-8: bytes wait until their character is complete, or known to be wrong. Tokens
// of the <0xXX> kind wait until a run of them ends, because the whole run is valid or none of it.
class StreamDecoder {
 public:
  // The tokenizer must outlive this and stay where it is.
  explicit StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options = {})
      : tokenizer_(tokenizer), options_(options), state_(tokenizer.parts_.decoder) {}

  // The text that became final with this token; often empty.
  std::string push(int32_t id) {
    std::string out;
    if (tokenizer_.is_token(id) && !(options_.skip_special_tokens && tokenizer_.is_special(id))) {
      state_.push(tokenizer_.parts_.tokens[static_cast<size_t>(id)].text, out);
    }
    return out;
  }

  // The rest, at the end of the sequence. Nothing may be pushed afterwards.
  std::string finish() {
    std::string out;
    state_.finish(out);
    return out;
  }

 private:
  const Tokenizer& tokenizer_;
  DecodeOptions options_;
  DecodeState state_;
};

}  // namespace invar
