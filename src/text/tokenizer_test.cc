// Tokenizer: what is refused and how, limits, cost, and the small accessors. Exactness is tokenizer_golden_test.cc's.

#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/gguf_builder.h"
#include "text/stream_decoder.h"
#include "text/tokenizer_golden.h"

namespace invar {
namespace {

Json zoo(const std::string& name) { return read_golden(name)["tokenizer"]; }

Result<Tokenizer> load(const Json& json) {
  INVAR_TRY(TokenizerParts parts, parse_tokenizer_json(json.dump(), "t.json"));
  return Tokenizer(std::move(parts));
}

Tokenizer must_load(const std::string& name) {
  auto tokenizer = load(zoo(name));
  INVAR_CHECK(tokenizer.ok(), "{}", tokenizer.message());
  return std::move(*tokenizer);
}

std::string refusal(const Json& json) {
  const auto tokenizer = load(json);
  return tokenizer.ok() ? "accepted" : tokenizer.message();
}

TEST(Tokenizer, InvalidUtf8IsAnErrorThatNamesTheByte) {
  const Tokenizer tokenizer = must_load("gpt2");
  EXPECT_EQ(tokenizer.encode("ab\xff").message(),
            "text is not UTF-8: byte 2 (0xff) does not belong to a well-formed sequence");
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "abcdefgh\xe4\xb8", "\xf8"}) {
    EXPECT_FALSE(tokenizer.encode(bad).ok());
  }
}

TEST(Tokenizer, ATextAboveTheLimitIsRefusedBeforeWork) {
  const Tokenizer tokenizer = must_load("gpt2");
  const std::string text(Tokenizer::kEncodeBytesMax + 1, 'a');
  EXPECT_EQ(tokenizer.encode(text).message(),
            "text of 67108865 bytes; at most 67108864 can be encoded at once");
}

// With quadratic merging this would run for hours.
TEST(Tokenizer, OneWordOfAMegabyteIsEncodedAndComesBack) {
  for (const char* name : {"llama3", "llama2", "gpt4o"}) {
    const Tokenizer tokenizer = must_load(name);
    std::string word;
    SplitMix64 rng(5);
    while (word.size() < 1 << 20) word += static_cast<char>('a' + rng.next() % 26);
    const auto ids = tokenizer.encode(word, {.add_special_tokens = false});
    ASSERT_TRUE(ids.ok()) << ids.message();
    EXPECT_LT(ids->size(), word.size());
    EXPECT_EQ(tokenizer.decode(*ids), word) << name;
  }
}

TEST(Tokenizer, TokenBytesOfOrdinaryTokensConcatenateToTheText) {
  const std::string text = "Héllo wörld 中文 😀\n\t123";
  for (const char* name : {"gpt2", "qwen2", "gemma"}) {
    const Tokenizer tokenizer = must_load(name);
    std::string bytes;
    const auto ids = tokenizer.encode(text);
    ASSERT_TRUE(ids.ok()) << ids.message();
    for (int32_t id : *ids) bytes += tokenizer.token_bytes(id);
    EXPECT_EQ(bytes, text) << name;
  }
  EXPECT_EQ(must_load("gpt2").token_bytes(-1), "");
  EXPECT_EQ(must_load("gpt2").token_bytes(1 << 20), "");
}

TEST(Tokenizer, TokenIdsAreFoundByTheirSpellingInTheFile) {
  const Tokenizer tokenizer = must_load("qwen2");
  const auto end = tokenizer.token_id("<|im_end|>");
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(tokenizer.is_special(*end));
  const auto call = tokenizer.token_id("<tool_call>");
  ASSERT_TRUE(call.has_value());
  EXPECT_FALSE(tokenizer.is_special(*call));
  EXPECT_EQ(*tokenizer.encode("<tool_call>"), std::vector<int32_t>{*call});
  EXPECT_FALSE(tokenizer.token_id("no such token").has_value());
}

TEST(Tokenizer, PartsThatAreNotSupportedAreRefusedByName) {
  const Json good = zoo("gpt2");
  EXPECT_EQ(refusal(good), "accepted");
  auto with = [&](const char* pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    return refusal(json);
  };
  EXPECT_EQ(with("/model/type", "Unigram"),
            "t.json: model: the model \"Unigram\" is not supported, only BPE is");
  EXPECT_EQ(with("/normalizer", {{"type", "BertNormalizer"}}),
            "t.json: normalizer: the normalizer \"BertNormalizer\" is not supported");
  EXPECT_EQ(with("/pre_tokenizer", {{"type", "Punctuation"}}),
            "t.json: pre_tokenizer: the pre-tokenizer \"Punctuation\" is not supported");
  EXPECT_EQ(with("/decoder", {{"type", "WordPiece"}}),
            "t.json: decoder: the decoder \"WordPiece\" is not supported");
  EXPECT_EQ(with("/model/dropout", 0.1),
            "t.json: model: dropout 0.1 would make encoding random; set it to null");
  EXPECT_EQ(with("/model/end_of_word_suffix", "</w>"), "t.json: model: end_of_word_suffix is not supported");
  EXPECT_EQ(
      with("/model/merges/0", "abc"),
      "t.json: model: merges[0]: expected \"left right\" or [\"left\", \"right\"], found \"\\x22abc\\x22\"");
  EXPECT_EQ(
      with("/model/merges/0", "zz zz"),
      "t.json: model: merge 0 (\"zz\" + \"zz\") needs the token \"zz\", which is not in the vocabulary");
  EXPECT_EQ(with("/model/vocab/!", 5), "t.json: model: vocab: \"!\" and \"%\" have the same id 5");
  EXPECT_EQ(with("/added_tokens/0/id", 7),
            "t.json: added_tokens[0]: \"<|endoftext|>\" has the id 7, but its place in the file gives it 0");
  EXPECT_EQ(with("/version", "2.0"), "t.json: version \"2.0\" is not supported, only 1.0 is");
}

TEST(Tokenizer, AnUnkTokenOutsideTheVocabularyIsAnErrorOnlyWhenItIsNeeded) {
  Json json = zoo("metaspace");
  json["model"]["unk_token"] = "<gone>";
  const auto tokenizer = load(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  EXPECT_TRUE(tokenizer->encode("the").ok());
  EXPECT_NE(tokenizer->encode("\U0001F9FF").message().find("<gone>"), std::string::npos);
}

TEST(Tokenizer, AFolderGivesBosEosAndTheChatTemplate) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "invar_tokenizer_test";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tokenizer.json") << zoo("qwen2").dump();
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"bos_token": null, "eos_token": {"content": "<|im_end|>"}, "chat_template": "{{ x }}"})";
  const auto tokenizer = load_tokenizer(folder.string());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
  EXPECT_FALSE(tokenizer->bos_id().has_value());
  EXPECT_EQ(tokenizer->eos_id(), tokenizer->token_id("<|im_end|>"));
  EXPECT_EQ(tokenizer->chat_template(), "{{ x }}");

  std::ofstream(folder / "tokenizer_config.json") << R"({"eos_token": "<gone>"})";
  EXPECT_EQ(load_tokenizer(folder.string()).message(),
            (folder / "tokenizer_config.json").string() +
                ": eos_token is \"<gone>\", which is not a token of tokenizer.json");
  std::filesystem::remove_all(folder);
  EXPECT_FALSE(load_tokenizer(folder.string()).ok());
}

std::string gguf_bytes(const std::string& pre, const Json& json) {
  std::vector<std::string> tokens(json["model"]["vocab"].size()), merges;
  for (const auto& [token, id] : json["model"]["vocab"].items()) tokens[id.get<size_t>()] = token;
  for (const Json& m : json["model"]["merges"]) {
    merges.push_back(m.is_string() ? m.get<std::string>()
                                   : m[0].get<std::string>() + " " + m[1].get<std::string>());
  }
  std::vector<int32_t> types(tokens.size(), 1);
  for (const Json& added : json["added_tokens"]) types[added["id"].get<size_t>()] = 3;
  GgufBuilder builder;
  builder.put_string("tokenizer.ggml.model", "gpt2").put_string("tokenizer.ggml.pre", pre);
  builder.put_strings("tokenizer.ggml.tokens", tokens).put_array("tokenizer.ggml.token_type", types);
  builder.put_strings("tokenizer.ggml.merges", merges).put("tokenizer.ggml.bos_token_id", uint32_t{0});
  return builder.bytes();
}

Result<Tokenizer> load_gguf(const std::string& pre, const Json& json) {
  const std::string bytes = gguf_bytes(pre, json);
  INVAR_TRY(const GgufFile file, GgufFile::from_memory(std::as_bytes(std::span(bytes)), "t.gguf"));
  INVAR_TRY(TokenizerParts parts, tokenizer_from_gguf(file));
  return Tokenizer(std::move(parts));
}

TEST(Gguf, ItsPreTokenizerNamesGiveTheSameIdsAsTheTokenizerJson) {
  const std::vector<std::string> fragments = read_golden("texts")["fragments"];
  for (const auto& [pre, name] :
       {std::pair{"gpt-2", "gpt2"}, {"smollm", "smollm"}, {"llama-bpe", "llama3"}}) {
    const Tokenizer expected = must_load(name);
    const auto tokenizer = load_gguf(pre, zoo(name));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    SplitMix64 rng(6);
    for (int i = 0; i < 500; ++i) {
      const std::string text = fuzz_text(rng, fragments);
      for (bool flag : {false, true}) {
        const EncodeOptions options{.add_special_tokens = flag, .parse_special = flag};
        EXPECT_EQ(*tokenizer->encode(text, options), *expected.encode(text, options))
            << pre << ", seed 6, text " << i;
      }
    }
  }
}

TEST(Gguf, AFolderMayHaveItsTokenizerAsTokenizerGguf) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "invar_tokenizer_gguf";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "tokenizer.gguf", std::ios::binary) << gguf_bytes("smollm", zoo("smollm"));
  const auto from_gguf = load_tokenizer(folder.string());
  ASSERT_TRUE(from_gguf.ok()) << from_gguf.message();
  EXPECT_EQ(*from_gguf->encode("12 ab"), *must_load("smollm").encode("12 ab"));
  // tokenizer.json comes first.
  std::ofstream(folder / "tokenizer.json") << zoo("gpt2").dump();
  EXPECT_EQ(*load_tokenizer(folder.string())->encode("12 ab"), *must_load("gpt2").encode("12 ab"));
  std::filesystem::remove_all(folder);
}

TEST(Gguf, AnUnknownPreTokenizerIsRefusedByName) {
  const auto tokenizer = load_gguf("weird", zoo("gpt2"));
  ASSERT_FALSE(tokenizer.ok());
  EXPECT_EQ(tokenizer.message(),
            "t.gguf: tokenizer.ggml.pre: the pre-tokenizer \"weird\" is not supported, only gpt-2, smollm, "
            "llama-bpe, "
            "qwen2, deepseek-r1-qwen and default are; use the model's tokenizer.json");
  EXPECT_TRUE(load_gguf("qwen2", zoo("gpt2")).ok());
  EXPECT_TRUE(load_gguf("default", zoo("gpt2")).ok());
}

TEST(StreamDecoder, HoldsBytesBackUntilTheirCharacterIsComplete) {
  const Tokenizer tokenizer = must_load("gpt2");
  std::vector<int32_t> ids;
  for (const char* token :
       {"\u00f0", "\u0141", "\u013a", "\u0122", "a", "\u00f0", "\u0141"}) {  // f0 9f 98 80 61 f0 9f
    ids.push_back(tokenizer.token_id(token).value());
  }
  StreamDecoder decoder(tokenizer);
  std::vector<std::string> pieces;
  for (int32_t id : ids) pieces.push_back(decoder.push(id));
  pieces.push_back(decoder.finish());
  EXPECT_EQ(pieces, (std::vector<std::string>{"", "", "", "\U0001F600", "a", "", "", "\uFFFD"}));
}

}  // namespace
}  // namespace invar
