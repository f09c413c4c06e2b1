// Unicode tables against what HF `tokenizers` answered, for every code point.

#include "text/unicode.h"

#include <gtest/gtest.h>

#include "text/regex.h"
#include "text/tokenizer_golden.h"

namespace invar {
namespace {

// Every scalar value.
template <class Visit>
void for_each_code_point(Visit visit) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c < 0xD800 || c >= 0xE000) visit(c);
  }
}

// Count and hash of the lines, as the oracle writes them.
class LineHash {
 public:
  void add(const std::string& line) {
    if (count_++) sha_.add("\n");
    sha_.add(line);
  }
  Json json() { return {{"count", count_}, {"sha256", hex(sha_.digest())}}; }

 private:
  Sha256 sha_;
  int count_ = 0;
};

TEST(Unicode, ClassesAreThoseOfHfTokenizersForEveryCodePoint) {
  const Json golden = read_golden("unicode");
  const std::pair<const char*, uint8_t> classes[] = {{"letter", kLetter},
                                                     {"number", kNumber},
                                                     {"space", kSpace},
                                                     {"rust_numeric", kRustNumeric},
                                                     {"word", kWord}};
  for (const auto& [name, bit] : classes) {
    LineHash hash;
    for_each_code_point([&](char32_t c) {
      if (char_classes()[c] & bit) hash.add(std::to_string(static_cast<uint32_t>(c)));
    });
    EXPECT_EQ(hash.json(), golden["sets"][name]) << name;
  }
}

TEST(Unicode, LowerCaseIsThatOfHfTokenizersForEveryCodePoint) {
  LineHash hash;
  for_each_code_point([&](char32_t c) {
    std::string same, lower;
    append_utf8(same, c);
    append_lowercase(lower, c);
    if (lower == same) return;
    std::string line = std::to_string(static_cast<uint32_t>(c));
    for (size_t at = 0; at < lower.size();) {
      const CodePoint l = read_code_point(lower, at);
      line += (at ? "," : ":") + std::to_string(static_cast<uint32_t>(l.value));
      at += l.bytes;
    }
    hash.add(line);
  });
  EXPECT_EQ(hash.json(), read_golden("unicode")["lower"]);
}

TEST(Unicode, RegexCategoriesAreThoseOfOnigurumaForEveryCodePoint) {
  std::string all;
  for_each_code_point([&](char32_t c) { append_utf8(all, c); });
  const Json golden = read_golden("unicode");
  auto members = [&](const std::string& pattern) {
    auto regex = Regex::compile(pattern);
    EXPECT_TRUE(regex.ok()) << regex.message();
    auto matches = regex->find_all(all);
    EXPECT_TRUE(matches.ok()) << matches.message();
    LineHash hash;
    for (const Match& m : *matches) {
      hash.add(std::to_string(static_cast<uint32_t>(read_code_point(all, m.begin).value)));
    }
    return hash.json();
  };
  EXPECT_EQ(members("\\p{L}"), golden["sets"]["letter"]);
  EXPECT_EQ(members("\\p{N}"), golden["sets"]["number"]);
  EXPECT_EQ(members("\\s"), golden["sets"]["space"]);
  for (const auto& [name, expected] : golden["sets"].items()) {
    if (name.starts_with("regex_")) {
      EXPECT_EQ(members("\\p{" + name.substr(6) + "}"), expected) << name;
    }
  }
}

TEST(Unicode, NormalFormsAreThoseOfHfTokenizersForEveryCodePointBetweenMarks) {
  const Json golden = read_golden("unicode")["normalize"];
  const std::pair<const char*, NormalForm> forms[] = {{"NFC", NormalForm::kNFC},
                                                      {"NFD", NormalForm::kNFD},
                                                      {"NFKC", NormalForm::kNFKC},
                                                      {"NFKD", NormalForm::kNFKD}};
  for (const auto& [name, form] : forms) {
    Sha256 sha;
    for_each_code_point([&](char32_t c) {
      std::string ch;
      append_utf8(ch, c);
      sha.add(normalize("e\u0301" + ch + "\u0345\u0301\u0334\u0316" + ch + "\u1161\u11a8\u0300", form) +
              "\n");
    });
    EXPECT_EQ(hex(sha.digest()), golden[name].get<std::string>()) << name;
  }
}

TEST(Unicode, LongRunsOfCombiningMarksNormaliseInOrder) {
  std::string text = "a";
  for (int i = 0; i < 200'000; ++i) text += i % 2 ? "\u0316" : "\u0301";
  const std::string nfd = normalize(text, NormalForm::kNFD);
  EXPECT_EQ(nfd.size(), text.size());
  EXPECT_EQ(nfd.substr(1 + 2 * 99'999, 4), "\u0316\u0301");  // class 220 sorts before 230
}

}  // namespace
}  // namespace invar
