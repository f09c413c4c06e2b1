// Tokenizer: text to token ids and back, exactly as HF `tokenizers` 0.23 does it for the same tokenizer.json.
//
//   added tokens -> normalizer -> pre-tokenizer -> BPE -> post-processor; ids -> decoder.
//
// A Tokenizer is immutable; const use from several threads is safe. Truncation and padding settings of a
// tokenizer.json are ignored: encode never drops and never pads.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/pretokenizer.h"
#include "text/spm.h"
#include "text/string_index.h"

namespace invar {

struct EncodeOptions {
  bool add_special_tokens = true;  // what the post-processor puts around a text, a bos for example
  bool parse_special =
      false;  // special tokens written in the text become their ids; for templates, not for users
};

struct DecodeOptions {
  bool skip_special_tokens = false;
};

struct Token {
  std::string text;   // as the decoder sees it; empty for an id that names no token
  std::string bytes;  // what it stands for in the middle of a text
  bool defined = false;
  bool special = false;  // left out by skip_special_tokens
};

// What a loader puts together.
struct TokenizerParts {
  AddedTokens added;             // looked for in the text as given
  AddedTokens added_normalized;  // looked for in the normalised text
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::variant<Bpe, Spm> model;
  std::vector<int32_t> prefix_ids, suffix_ids;  // of add_special_tokens
  Decoder decoder;                              // check_streamable
  std::vector<Token> tokens;                    // [vocab_size]; `bytes` is filled in by Tokenizer
  std::vector<VocabEntry> names;                // token as written in the vocabulary -> id; later entries win
  std::optional<int32_t> bos_id, eos_id;
  std::string chat_template;  // Jinja; empty without
};

class Tokenizer {
 public:
  static constexpr size_t kEncodeBytesMax = 64 << 20;
  static constexpr size_t kNormalizedBytesMax = 256 << 20;

  explicit Tokenizer(TokenizerParts parts);

  // The ids of `utf8`. O(n log n) in its length, also for one word without spaces. Errors: `utf8` is longer
  // than kEncodeBytesMax; is not well-formed UTF-8 (names the first wrong byte); has a character that the
  // vocabulary cannot spell although it promises an unk token; a regex of the tokenizer gives up.
  Result<std::vector<int32_t>> encode(std::string_view utf8, const EncodeOptions& options = {}) const;

  // The text of the ids: well-formed UTF-8, U+FFFD where the bytes are not. Ids that name no token are left out.
  std::string decode(std::span<const int32_t> ids, const DecodeOptions& options = {}) const;

  // Greatest id + 1. A model may have more rows (padding).
  int32_t vocab_size() const { return static_cast<int32_t>(parts_.tokens.size()); }
  bool is_token(int32_t id) const { return id >= 0 && id < vocab_size() && parts_.tokens[id].defined; }
  bool is_special(int32_t id) const { return is_token(id) && parts_.tokens[id].special; }
  // The bytes a token stands for in the middle of a text, not always UTF-8; empty for an id that names no token.
  std::string_view token_bytes(int32_t id) const;
  // The id of a token as written in the vocabulary file ("<|im_end|>", "Ġthe").
  std::optional<int32_t> token_id(std::string_view token) const;
  std::optional<int32_t> bos_id() const { return parts_.bos_id; }
  std::optional<int32_t> eos_id() const { return parts_.eos_id; }
  const std::string& chat_template() const { return parts_.chat_template; }

 private:
  friend class StreamDecoder;
  struct Work;
  Status encode_segment(std::string_view text, size_t head_bytes, bool parse_special, Work& work) const;
  Status encode_normalized(std::string_view text, size_t head_bytes, Work& work) const;

  TokenizerParts parts_;
  StringIndex names_;
};

// From a folder with tokenizer.json (and tokenizer_config.json for bos, eos and the chat template, which may
// also be a file chat_template.jinja) or else tokenizer.gguf, a tokenizer.json itself, or a .gguf file. Errors: a
// file that cannot be read or does not hold what it should; a part of a tokenizer that is not supported, by name.
Result<Tokenizer> load_tokenizer(const std::string& path);

// The text of a tokenizer.json; `where` stands for the path in messages.
Result<TokenizerParts> parse_tokenizer_json(std::string_view text, const std::string& where);

class GgufFile;
Result<TokenizerParts> tokenizer_from_gguf(const GgufFile& file);

}  // namespace invar
