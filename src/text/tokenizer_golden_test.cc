// Our tokenizers against HF `tokenizers`: 0 differences. Goldens by tools/oracle/make_tokenizer_goldens.py.

#include <gtest/gtest.h>

#include <cstdlib>

#include "io/gguf.h"
#include "io/mapped_file.h"
#include "text/stream_decoder.h"
#include "text/tokenizer.h"
#include "text/tokenizer_golden.h"

namespace invar {
namespace {

constexpr EncodeOptions kPlain{.add_special_tokens = false, .parse_special = false};
constexpr EncodeOptions kParsed{.add_special_tokens = false, .parse_special = true};
constexpr EncodeOptions kFull{.add_special_tokens = true, .parse_special = true};

std::vector<int32_t> must_encode(const Tokenizer& tokenizer, std::string_view text,
                                 const EncodeOptions& options) {
  auto ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.message();
  return ids.ok() ? *ids : std::vector<int32_t>{};
}

void add_both(const Tokenizer& tokenizer, const std::string& text, BlockHashes& hashes) {
  hashes.add_ids(must_encode(tokenizer, text, kPlain));
  hashes.add_ids(must_encode(tokenizer, text, kFull));
  hashes.end_item();
}

void expect_texts(const Tokenizer& tokenizer, const Json& golden) {
  const Json shared = read_golden("texts");
  const std::vector<std::string> texts = shared["texts"];
  BlockHashes hashes(1);
  for (const std::string& text : texts) add_both(tokenizer, text, hashes);
  const auto got = hashes.take();
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(got[i], golden["texts"][i].get<std::string>()) << "text " << i << ": " << texts[i].substr(0, 80);
  }
  const std::vector<std::string> fragments = shared["fragments"];
  SplitMix64 rng(1);
  BlockHashes fuzz(100);
  for (int i = 0; i < 4000; ++i) add_both(tokenizer, fuzz_text(rng, fragments), fuzz);
  EXPECT_EQ(Json(fuzz.take()), golden["fuzz"]) << "blocks of 100 strings, SplitMix64 seed 1";
}

void expect_code_points(const Tokenizer& tokenizer, const Json& golden) {
  BlockHashes hashes(0x2000);
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c < 0xD800 || c >= 0xE000) {
      std::string ch;
      append_utf8(ch, c);
      hashes.add_ids(must_encode(tokenizer, ch, kParsed));
      hashes.add_ids(
          must_encode(tokenizer, "a" + ch + "b 1" + ch + "'" + ch + "\n" + ch + "  " + ch, kParsed));
    }
    hashes.end_item();
  }
  EXPECT_EQ(Json(hashes.take()), golden["code_points"]) << "blocks of 0x2000 code points";
}

std::string stream(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                   const DecodeOptions& options) {
  StreamDecoder decoder(tokenizer, options);
  std::string all;
  auto take = [&](const std::string& piece) {
    EXPECT_EQ(find_invalid_utf8(piece), std::string::npos);
    all += piece;
  };
  for (int32_t id : ids) take(decoder.push(id));
  take(decoder.finish());
  return all;
}

void expect_decodes(const Tokenizer& tokenizer, const Json& golden) {
  SplitMix64 rng(2);
  BlockHashes hashes(100);
  for (int i = 0; i < 2000; ++i) {
    std::vector<int32_t> ids(rng.next() % 40);
    for (int32_t& id : ids)
      id = static_cast<int32_t>(rng.next() % static_cast<uint64_t>(tokenizer.vocab_size() + 3));
    const std::string all = tokenizer.decode(ids);
    const std::string skipped = tokenizer.decode(ids, {.skip_special_tokens = true});
    EXPECT_EQ(stream(tokenizer, ids, {}), all);
    EXPECT_EQ(stream(tokenizer, ids, {.skip_special_tokens = true}), skipped);
    hashes.add_bytes(all + std::string(1, '\0') + skipped + "\xff");
    hashes.end_item();
  }
  EXPECT_EQ(Json(hashes.take()), golden["decode"]) << "blocks of 100 sequences, SplitMix64 seed 2";
}

void expect_equal(const Tokenizer& tokenizer, const Json& golden) {
  ASSERT_EQ(tokenizer.vocab_size(), golden["vocab_size"]);
  expect_texts(tokenizer, golden);
  expect_decodes(tokenizer, golden);
  expect_code_points(tokenizer, golden);
}

class Zoo : public testing::TestWithParam<const char*> {};

TEST_P(Zoo, EncodesAndDecodesAsHfTokenizers) {
  const Json golden = read_golden(GetParam());
  auto parts = parse_tokenizer_json(golden["tokenizer"].dump(), GetParam());
  ASSERT_TRUE(parts.ok()) << parts.message();
  expect_equal(Tokenizer(std::move(*parts)), golden);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Zoo,
                         testing::Values("gpt2", "prefix_space", "smollm", "llama3", "qwen2", "gpt4o",
                                         "deepseek3", "llama2", "gemma", "metaspace"),
                         [](const auto& info) { return std::string(info.param); });

TEST(SmolLM2, TheRealGgufEncodesAndDecodesAsHfTokenizers) {
  const char* variable = std::getenv("INVAR_MODELS");
  const std::string folder = variable ? variable : std::string(INVAR_SOURCE_DIR) + "/models";
  const std::string path = folder + "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!is_file(path)) GTEST_SKIP() << path << " is not there; set INVAR_MODELS to the folder that has it";
  auto tokenizer = load_tokenizer(path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  EXPECT_EQ(tokenizer->chat_template().substr(0, 30), "{% for message in messages %}{");
  expect_equal(*tokenizer, read_golden("smollm2"));
}

}  // namespace
}  // namespace invar
