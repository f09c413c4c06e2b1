// Pre-tokenizers and normalizers one by one against HF `tokenizers`, with the pieces written out.

#include <gtest/gtest.h>

#include "text/tokenizer_golden.h"
#include "text/tokenizer_json_steps.h"

namespace invar {
namespace {

TEST(PreTokenizer, EveryStepCutsTextAsHfTokenizers) {
  const Json golden = read_golden("steps");
  const std::vector<std::string> texts = golden["texts"];
  for (const Json& entry : golden["pre_tokenizers"]) {
    auto parsed = parse_pre_tokenizer(entry["step"], "step");
    ASSERT_TRUE(parsed.ok()) << parsed.message();
    for (size_t i = 0; i < texts.size(); ++i) {
      Pieces pieces(texts[i], 1);
      const Status status = parsed->chain.apply(pieces);
      ASSERT_TRUE(status.ok()) << status.message();
      Json got = Json::array();
      for (const Span& s : pieces.spans)
        got.push_back(std::string(pieces.text.substr(s.begin, s.end - s.begin)));
      EXPECT_EQ(got, entry["pieces"][i]) << entry["step"].dump() << " on " << texts[i];
    }
  }
}

TEST(Normalizer, EveryStepChangesTextAsHfTokenizers) {
  const Json golden = read_golden("steps");
  const std::vector<std::string> texts = golden["texts"];
  for (const Json& entry : golden["normalizers"]) {
    auto normalizer = parse_normalizer(entry["step"], "step");
    ASSERT_TRUE(normalizer.ok()) << normalizer.message();
    for (size_t i = 0; i < texts.size(); ++i) {
      auto got = normalizer->apply(texts[i], 1 << 20);
      ASSERT_TRUE(got.ok()) << got.message();
      EXPECT_EQ(*got, entry["results"][i].get<std::string>()) << entry["step"].dump() << " on " << texts[i];
    }
  }
}

TEST(Normalizer, AReplaceThatMultipliesTheTextStopsAtTheLimit) {
  auto normalizer = parse_normalizer(
      Json::parse(R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"})"),
      "normalizer");
  ASSERT_TRUE(normalizer.ok());
  const auto got = normalizer->apply(std::string(200, 'a'), 1000);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.message(), "the Replace normalizer makes 2200 bytes of 200; at most 1000 are accepted");
}

TEST(Regex, APatternThatBacktracksWithoutEndIsAnErrorNotAHang) {
  auto regex = Regex::compile("(a+)+$");
  ASSERT_TRUE(regex.ok());
  const auto got = regex->find_all(std::string(60, 'a') + "b");
  ASSERT_FALSE(got.ok());
  EXPECT_NE(got.message().find("match limit exceeded"), std::string::npos) << got.message();
}

TEST(Regex, APatternThatPcre2CannotCompileIsRefusedByName) {
  const auto regex = Regex::compile("a(b");
  ASSERT_FALSE(regex.ok());
  EXPECT_NE(regex.message().find("\"a(b\""), std::string::npos) << regex.message();
  EXPECT_NE(regex.message().find("at byte 3"), std::string::npos) << regex.message();
}

TEST(Regex, ConstructsThatOnigurumaReadsOtherwiseAreRefused) {
  for (const char* pattern : {R"(\w+)", R"(a\b)", R"([\h])", "[a[b]]", "[a-z&&b]", "a{1,3}+", R"(\p{Greek})",
                              "(?m:a.)", "(?<n>a)", "(*UTF)a", "(?i)a", "a{,2}", "[]a]"}) {
    const auto regex = Regex::compile(pattern);
    ASSERT_FALSE(regex.ok()) << pattern;
    EXPECT_NE(regex.message().find("read differently"), std::string::npos) << regex.message();
  }
  for (const char* pattern :
       {R"([^\p{L}\s]+$)", "(?i:a)|(?=b)", R"(\p{Han}|\p{^L})", "a++b*+c?+", R"([\[\]])"}) {
    EXPECT_TRUE(Regex::compile(pattern).ok()) << pattern;
  }
}

// The hand-written splitters and PCRE2 on the same patterns are two independent readings of one regex.
TEST(Splitters, AgreeWithTheRegexTheyImplementOnFuzzTexts) {
  const std::vector<std::string> fragments = read_golden("texts")["fragments"];
  for (Splitter splitter : {Splitter::kGpt2, Splitter::kLlama3, Splitter::kQwen2}) {
    auto regex = Regex::compile(splitter_pattern(splitter));
    ASSERT_TRUE(regex.ok()) << regex.message();
    SplitMix64 rng(3);
    for (int i = 0; i < 5000; ++i) {
      const std::string text = fuzz_text(rng, fragments);
      std::vector<size_t> ends, expected;
      split(splitter, text, 0, ends);
      const auto matches = regex->find_all(text);
      ASSERT_TRUE(matches.ok());
      for (const Match& m : *matches) expected.push_back(m.end);
      ASSERT_EQ(ends, expected) << "seed 3, text " << i << ": " << text;
    }
  }
}

}  // namespace
}  // namespace invar
