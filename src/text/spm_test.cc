// SentencePiece BPE read from GGUF keys, against the sentencepiece library.

#include "text/spm.h"

#include <gtest/gtest.h>

#include "io/gguf_builder.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"
#include "text/tokenizer_golden.h"

namespace invar {
namespace {

struct SpmFile {
  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<int32_t> types;
};

SpmFile golden_file(const Json& golden) { return {golden["pieces"], golden["scores"], golden["types"]}; }

Result<Tokenizer> load(const SpmFile& file) {
  GgufBuilder builder;
  builder.put_string("tokenizer.ggml.model", "llama")
      .put_strings("tokenizer.ggml.tokens", file.pieces)
      .put_array("tokenizer.ggml.scores", file.scores)
      .put_array("tokenizer.ggml.token_type", file.types)
      .put("tokenizer.ggml.bos_token_id", uint32_t{1})
      .put("tokenizer.ggml.eos_token_id", uint32_t{2});
  const std::string bytes = builder.bytes();
  INVAR_TRY(const GgufFile gguf, GgufFile::from_memory(std::as_bytes(std::span(bytes)), "test.gguf"));
  INVAR_TRY(TokenizerParts parts, tokenizer_from_gguf(gguf));
  return Tokenizer(std::move(parts));
}

std::string without(std::string text, std::string_view what) {
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at)) text.erase(at, what.size());
  return text;
}

std::string clean(std::string text) {
  return without(without(without(std::move(text), "<s>"), "</s>"), "<unk>");
}

std::vector<std::string> golden_texts() {
  const Json shared = read_golden("texts");
  std::vector<std::string> texts = shared["texts"];
  const std::vector<std::string> fragments = shared["fragments"];
  SplitMix64 rng(1);
  for (int i = 0; i < 4000; ++i) texts.push_back(fuzz_text(rng, fragments));
  for (std::string& text : texts) text = clean(text);
  return texts;
}

TEST(Spm, EncodesAsSentencePieceAndDecodesToTheSameText) {
  const Json golden = read_golden("sentencepiece");
  auto tokenizer = load(golden_file(golden));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  BlockHashes hashes(20);
  for (const std::string& text : golden_texts()) {
    auto ids = tokenizer->encode(text, {.add_special_tokens = false});
    ASSERT_TRUE(ids.ok()) << ids.message();
    hashes.add_ids(*ids);
    hashes.end_item();
    // U+2581 stands for a space in the pieces, so a text that has it itself comes back with spaces.
    if (text.find("\u2581") == text.npos) {
      EXPECT_EQ(tokenizer->decode(*ids), text);
    }
  }
  EXPECT_EQ(Json(hashes.take()), golden["texts"]) << "blocks of 20 texts";
}

TEST(Spm, TheBosOfTheFileComesFirstAndControlTokensAreReadOnRequest) {
  auto tokenizer = load(golden_file(read_golden("sentencepiece")));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  const auto plain = tokenizer->encode("a</s>", {.parse_special = false});
  const auto parsed = tokenizer->encode("a</s>", {.parse_special = true});
  ASSERT_TRUE(plain.ok() && parsed.ok());
  EXPECT_EQ(plain->front(), 1);
  EXPECT_EQ(parsed->back(), 2);
  EXPECT_GT(plain->size(), parsed->size());
  EXPECT_EQ(tokenizer->decode(*parsed, {.skip_special_tokens = true}), "a");
}

TEST(Spm, RefusesFilesThatItCannotEncodeWith) {
  const SpmFile good = golden_file(read_golden("sentencepiece"));
  auto message = [](const SpmFile& file) {
    const auto loaded = load(file);
    return loaded.ok() ? std::string("loaded") : loaded.message();
  };
  EXPECT_EQ(message(good), "loaded");
  SpmFile file = good;
  file.scores.pop_back();
  EXPECT_EQ(message(file), "test.gguf: tokenizer.ggml.scores: expected an array of 700 floats");
  file = good;
  file.scores[300] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(message(file), "test.gguf: tokenizer.ggml.tokens: the score of token 300 is not finite");
  file = good;
  file.types[3] = 7;
  EXPECT_EQ(message(file), "test.gguf: tokenizer.ggml.token_type: token 3 has the type 7");
  file = good;
  for (int32_t& type : file.types) type = type == 6 || type == 2 ? 3 : type;
  EXPECT_EQ(message(file),
            "test.gguf: tokenizer.ggml.tokens: neither an unknown token nor tokens for all 256 bytes");
}

}  // namespace
}  // namespace invar
