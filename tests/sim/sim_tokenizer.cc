#include "sim_tokenizer.h"

#include "text/tokenizer_testing.h"

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
  Json vocab;
  for (int64_t id = 0; id < kSimTokens; ++id) vocab[token_text(id)] = id;
  return byte_level_tokenizer(vocab);
}

}  // namespace

const Tokenizer& sim_tokenizer() {
  static const Tokenizer tokenizer = make();
  return tokenizer;
}

}  // namespace invar
