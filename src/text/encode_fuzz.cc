// Any bytes through each byte-level tokenizer: pieces cover the text, and decode(encode(x)) == x for x in UTF-8.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/byte_level.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"

namespace invar {
namespace {

// All 256 bytes, and merges of the most frequent English pairs.
Tokenizer make_tokenizer(std::vector<PreTokenizerStep> steps, bool ignore_merges) {
  BpeConfig config;
  config.byte_level = true;
  config.ignore_merges = ignore_merges;
  auto add = [&](const std::string& token) {
    config.vocab.push_back({token, static_cast<int32_t>(config.vocab.size())});
  };
  for (int b = 0; b < 256; ++b) {
    std::string token;
    append_utf8(token, byte_level_char(static_cast<unsigned char>(b)));
    add(token);
  }
  const std::pair<const char*, const char*> merges[] = {{"t", "h"},  {"th", "e"},  {"i", "n"},
                                                        {"e", "r"},  {"a", "a"},   {"aa", "a"},
                                                        {"a", "aa"}, {"aa", "aa"}, {"\u0120", "t"}};
  for (const auto& [left, right] : merges) {
    const std::string merged = std::string(left) + right;
    bool known = false;
    for (const VocabEntry& entry : config.vocab) known |= entry.token == merged;
    if (!known) add(merged);
    config.merges.emplace_back(left, right);
  }
  auto bpe = Bpe::build(config);
  INVAR_CHECK(bpe.ok(), "{}", bpe.message());
  TokenizerParts parts;
  parts.model = std::move(*bpe);
  parts.pre_tokenizer.steps = std::move(steps);
  parts.decoder.steps = {ByteLevelDecode{}};
  for (const VocabEntry& entry : config.vocab) parts.tokens.push_back({.text = entry.token, .defined = true});
  return Tokenizer(std::move(parts));
}

PatternSplit regex_split(std::string_view pattern) {
  auto regex = Regex::compile(pattern);
  INVAR_CHECK(regex.ok(), "{}", regex.message());
  return {TextPattern(std::move(*regex)), SplitBehavior::kIsolated, false};
}

void check_round_trip(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text);
  INVAR_CHECK(ids.ok() == (find_invalid_utf8(text) == text.npos), "{}",
              ids.ok() ? "accepted" : ids.message());
  if (!ids.ok()) return;
  INVAR_CHECK(tokenizer.decode(*ids) == text);
  StreamDecoder decoder(tokenizer);
  std::string streamed;
  for (int32_t id : *ids) streamed += decoder.push(id);
  INVAR_CHECK(streamed + decoder.finish() == text);
}

// Decoding needs no well-formed text: the bytes as ids.
void check_stream_of_bytes(const Tokenizer& tokenizer, std::string_view bytes) {
  const std::vector<int32_t> ids(reinterpret_cast<const uint8_t*>(bytes.data()),
                                 reinterpret_cast<const uint8_t*>(bytes.data()) + bytes.size());
  StreamDecoder decoder(tokenizer);
  std::string streamed;
  for (int32_t id : ids) streamed += decoder.push(id);
  streamed += decoder.finish();
  INVAR_CHECK(streamed == tokenizer.decode(ids));
  INVAR_CHECK(find_invalid_utf8(streamed) == std::string::npos);
}

}  // namespace
}  // namespace invar

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace invar;
  static const Tokenizer tokenizers[] = {
      make_tokenizer({KnownSplit{Splitter::kGpt2}}, false),
      make_tokenizer({KnownSplit{Splitter::kLlama3}}, true),
      make_tokenizer({KnownSplit{Splitter::kQwen2}}, false),
      make_tokenizer({DigitSplit{true}, KnownSplit{Splitter::kGpt2}}, false),
      make_tokenizer({regex_split(splitter_pattern(Splitter::kLlama3))}, false),
      make_tokenizer({regex_split(splitter_pattern(Splitter::kQwen2))}, false),
      make_tokenizer({}, false)};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Tokenizer& tokenizer : tokenizers) check_round_trip(tokenizer, text);
  check_stream_of_bytes(tokenizers[0], text);
  if (find_invalid_utf8(text) == text.npos) {
    // The hand-written splitter and the regex cut at the same places.
    INVAR_CHECK(*tokenizers[2].encode(text) == *tokenizers[5].encode(text));
    for (NormalForm form : {NormalForm::kNFC, NormalForm::kNFD, NormalForm::kNFKC, NormalForm::kNFKD}) {
      const std::string once = normalize(text, form);
      INVAR_CHECK(find_invalid_utf8(once) == std::string::npos && normalize(once, form) == once);
    }
  }
  return 0;
}
