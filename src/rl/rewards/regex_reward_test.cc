#include "rl/rewards/regex_reward.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

float score(const RegexReward::Options& options, std::string_view response, std::string_view label = "") {
  const auto reward = RegexReward::compile(options);
  EXPECT_TRUE(reward.ok()) << reward.message();
  const auto result = reward->score(response, label);
  EXPECT_TRUE(result.ok()) << result.message();
  return *result;
}

TEST(RegexReward, WithoutGroupsAMatchIsEnough) {
  EXPECT_EQ(score({.pattern = "^\\d+$"}, "42"), 1.0f);
  EXPECT_EQ(score({.pattern = "^\\d+$"}, "x42"), 0.0f);
  EXPECT_EQ(score({.pattern = "YES", .ignore_case = true}, "well, yes"), 1.0f);
  EXPECT_EQ(score({.pattern = "<a>.*</a>"}, "<a>\n</a>"), 1.0f);
  EXPECT_EQ(score({.pattern = "<a>.*</a>", .dot_all = false}, "<a>\n</a>"), 0.0f);
}

TEST(RegexReward, AGroupOfTheLastMatchIsComparedWithTheLabel) {
  const RegexReward::Options options{.pattern = "answer is ([^.]+)"};
  EXPECT_EQ(score(options, "the answer is 3. No, the answer is 4.", "4"), 1.0f);
  EXPECT_EQ(score(options, "the answer is 3. No, the answer is 4.", "3"), 0.0f);
  EXPECT_EQ(score(options, "the answer is  4 .", " 4"), 1.0f);
  EXPECT_EQ(score(options, "none", ""), 0.0f);
  EXPECT_EQ(score({.pattern = "a|(b)"}, "b a", "b"), 0.0f);         // the last match has no group
  EXPECT_EQ(score({.pattern = "(\\w*)"}, "\xC3\xA9 x", ""), 1.0f);  // ends with an empty match
}

TEST(RegexReward, BytesThatAreNoUtf8MatchNothingAndDoNoHarm) {
  EXPECT_EQ(score({.pattern = "b(.)"},
                  "\xFF"
                  "a\x80"
                  "bc\xC3",
                  "c"),
            1.0f);
  EXPECT_EQ(score({.pattern = "^\xC3\xA9$"}, "\xC3"), 0.0f);
}

TEST(RegexReward, APatternThatBacktracksWithoutEndIsAnError) {
  const auto reward = RegexReward::compile({.pattern = "(a+)+$"});
  const auto result = reward->score(std::string(40, 'a') + "b", "");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.message(),
            "reward pattern \"(a+)+$\" gave up on a response of 41 bytes: match limit exceeded; expected a "
            "pattern that "
            "backtracks less");
}

TEST(RegexReward, ABadPatternIsNamedWithItsPlace) {
  EXPECT_EQ(RegexReward::compile({.pattern = "a("}).message(),
            "reward pattern \"a(\": missing closing parenthesis at byte 2");
  EXPECT_FALSE(RegexReward::compile({.pattern = ""}).ok());
}

}  // namespace
}  // namespace invar
