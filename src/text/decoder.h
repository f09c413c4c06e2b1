// The decoders of a tokenizer.json: tokens to text, one token at a time.
//
// A chain of steps. Each step keeps what it has to wait for, so that the pieces that come out while tokens
// are pushed, and at the end, concatenate to exactly what `tokenizers` decodes from the whole sequence.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/normalizer.h"

namespace invar {

// Byte characters to bytes; what is not UTF-8 becomes U+FFFD, one for each maximal invalid part. Joins all tokens.
struct ByteLevelDecode {};
// <0xXX> tokens to bytes. A run of them that is not UTF-8 as a whole becomes one U+FFFD a token; this is why
// the bytes of a run are only known when it ends.
struct ByteFallbackDecode {};
// Joins all tokens: the steps after it see one long token.
struct Fuse {};
struct ReplaceDecode {
  TextPattern pattern;
  std::string content;
};
// Up to `start` of this character off the front of a token, up to `stop` off its end.
struct StripDecode {
  std::string content;  // one code point
  size_t start, stop;
};
// The replacement back to spaces; in the first token it is dropped if a prefix may have been put there.
struct MetaspaceDecode {
  std::string replacement;  // one code point
  bool drop_first;
};
// Without a decoder tokens are joined with spaces.
struct JoinWithSpaces {};

using DecoderStep = std::variant<ByteLevelDecode, ByteFallbackDecode, Fuse, ReplaceDecode, StripDecode,
                                 MetaspaceDecode, JoinWithSpaces>;

struct Decoder {
  std::vector<DecoderStep> steps;
};

// Errors: a step after Fuse or ByteLevel that cannot work on a token which is not complete yet.
Status check_streamable(const Decoder& decoder);

// The bytes that a token stands for in the middle of a sequence.
std::string token_bytes_of(const Decoder& decoder, std::string_view token);

// The decoding of one sequence. The decoder must outlive it.
class DecodeState {
 public:
  explicit DecodeState(const Decoder& decoder);

  // Appends to `out` what became final.
  void push(std::string_view token, std::string& out);
  // Ends the sequence: appends the rest. Nothing may be pushed afterwards.
  void finish(std::string& out);

 private:
  struct StepState {
    bool started = false;  // a token has passed
    std::string held;      // what the step waits with
    size_t stripped = 0;
  };
  void push_from(size_t step, std::string_view token, std::string& out);
  void push_byte_level(size_t step, std::string_view token, std::string& out);
  void push_byte_fallback(size_t step, std::string_view token, std::string& out);
  void flush_byte_fallback(size_t step, std::string& out);
  void push_strip(size_t step, const StripDecode& strip, std::string_view token, std::string& out);

  const Decoder& decoder_;
  std::vector<StepState> states_;  // [steps]
  size_t fused_from_;              // steps at and after this index see one long token
};

}  // namespace invar
