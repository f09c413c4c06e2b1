#include "sim_tokenizer.h"

#include <fmt/format.h>

namespace invar {
namespace {

// As byte-level BPE writes them: "Ã" is byte C3 and "©" byte A9, together "é".
std::string token_text(int64_t id) {
  constexpr const char* kHalves[] = {"Ã", "©", "¨", "Â"};
  if (id % 16 < 4) return kHalves[id % 4] + std::string(static_cast<std::size_t>(id / 16), 'z');
  std::string text(1, static_cast<char>('a' + id % 5));
  if (id >= 9) text += static_cast<char>('a' + id / 5 % 5);
  if (id >= 36) text += static_cast<char>('a' + id / 25);
  return text;
}

Tokenizer make() {
  std::string vocab;
  for (int64_t id = 0; id < kSimTokens; ++id) {
    vocab += fmt::format("{}\"{}\": {}", id == 0 ? "" : ", ", token_text(id), id);
  }
  const std::string json = fmt::format(
      R"({{"added_tokens": [], "normalizer": null, "pre_tokenizer": {{"type": "ByteLevel", "add_prefix_space": false,
           "trim_offsets": true, "use_regex": false}}, "post_processor": null, "decoder": {{"type": "ByteLevel",
           "add_prefix_space": false, "trim_offsets": true, "use_regex": false}}, "model": {{"type": "BPE",
           "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
           "fuse_unk": false, "byte_fallback": false, "vocab": {{{}}}, "merges": []}}}})",
      vocab);
  Result<TokenizerParts> parts = parse_tokenizer_json(json, "the simulation's tokenizer");
  INVAR_CHECK(parts.ok(), "{}", parts.message());
  return Tokenizer(std::move(*parts));
}

}  // namespace

const Tokenizer& sim_tokenizer() {
  static const Tokenizer tokenizer = make();
  return tokenizer;
}

}  // namespace invar
