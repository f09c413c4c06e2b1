#include "rl/rewards/text_reward.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace invar {
namespace {

TEST(ExactReward, IgnoresWhatItsOptionsSay) {
  EXPECT_EQ(exact_reward(" 3, 5,9.\n", "3, 5, 9"), 1.0f);
  EXPECT_EQ(exact_reward("3, 5, 8", "3, 5, 9"), 0.0f);
  EXPECT_EQ(exact_reward("Yes", "yes"), 0.0f);
  EXPECT_EQ(exact_reward("Yes", "yes", {.ignore_case = true}), 1.0f);
  EXPECT_EQ(exact_reward("a b", "ab", {.ignore_spaces = false}), 0.0f);
  EXPECT_EQ(exact_reward(" a b ", "a b", {.ignore_spaces = false}), 1.0f);
  EXPECT_EQ(exact_reward("a.", "a", {.ignore_final_period = false}), 0.0f);
  EXPECT_EQ(exact_reward("", ""), 1.0f);
}

TEST(LastNumber, ReadsNumbersAsPeopleWriteThem) {
  const struct {
    std::string_view text;
    double value;
  } kCases[] = {{"7", 7},
                {"2 + 2 = 4.", 4},
                {"the answer is -12", -12},
                {"5-3", 3},
                {"x-3", 3},
                {"(5)-3", 3},
                {"= -3", -3},
                {"\xE2\x88\x92"
                 "3",
                 -3},
                {"$1,234.50!", 1234.5},
                {"1,234,567", 1234567},
                {"1,23", 23},
                {"12345,678", 678},
                {"1,2345", 2345},
                {".5", 0.5},
                {"-.5", -0.5},
                {"1e3", 1000},
                {"2.5e-1x", 0.25},
                {"3e", 3},
                {"0.1", 0.1},
                {"**72**", 72}};
  for (const auto& c : kCases) {
    const auto value = last_number(c.text);
    ASSERT_TRUE(value.has_value()) << c.text;
    EXPECT_EQ(*value, c.value) << c.text;
  }
  EXPECT_FALSE(last_number("no number. -").has_value());
  EXPECT_FALSE(last_number("").has_value());
  EXPECT_EQ(last_number("4 and 1e999"), 4.0);  // beyond binary64: no number
}

TEST(NumericReward, ComparesWithinItsTolerance) {
  EXPECT_EQ(*numeric_reward("It is 42.", "42"), 1.0f);
  EXPECT_EQ(*numeric_reward("It is 42.5", "42"), 0.0f);
  EXPECT_EQ(*numeric_reward("It is 42.5", "42", {.absolute_tolerance = 0.5}), 1.0f);
  EXPECT_EQ(*numeric_reward("101", "100", {.relative_tolerance = 0.01}), 1.0f);
  EXPECT_EQ(*numeric_reward("102", "100", {.relative_tolerance = 0.01}), 0.0f);
  EXPECT_EQ(*numeric_reward("none", "0"), 0.0f);
  EXPECT_EQ(*numeric_reward("-1,000", "-1000"), 1.0f);
  for (const char* label : {"", "abc", "1 2", "12x", "-", "1e999", "\xE2\x88\x92"}) {
    const auto reward = numeric_reward("1", label);
    ASSERT_FALSE(reward.ok()) << label;
    EXPECT_EQ(reward.message().rfind("label: expected one number", 0), 0u) << reward.message();
  }
}

TEST(LastBoxed, TakesTheLastBoxThatCloses) {
  EXPECT_EQ(last_boxed(R"(so \boxed{3} or \boxed{\frac{1}{2}}.)"), R"(\frac{1}{2})");
  EXPECT_EQ(last_boxed(R"(\fbox{a})"), "a");
  EXPECT_EQ(last_boxed(R"(\boxed{1} \boxed{2)"), "1");
  EXPECT_EQ(last_boxed(R"(\boxed{\boxed{2} + 1})"), R"(\boxed{2} + 1)");
  EXPECT_EQ(last_boxed(R"(\boxed{\{1, 2\}})"), R"(\{1, 2\})");
  EXPECT_EQ(last_boxed(R"(\boxed 7 is it)"), "7");
  EXPECT_EQ(last_boxed(R"($\boxed 7$)"), "7");
  EXPECT_EQ(last_boxed(R"(\boxed  {7})"), "7");
  for (const char* none : {"", "7", R"(\boxed)", R"(\boxed{7)", R"(\boxed )", R"(}}{{)", "\\"})
    EXPECT_FALSE(last_boxed(none).has_value()) << none;
}

TEST(LastBoxed, IsLinearInTheText) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "\\boxed{";
  const double begin = monotonic_seconds();
  EXPECT_FALSE(last_boxed(text).has_value());
  EXPECT_LT(monotonic_seconds() - begin, 2.0);  // quadratic would be minutes
}

TEST(AnswerTag, IsTheLastOneThatIsClosed) {
  EXPECT_EQ(last_answer_tag("<answer>1</answer> no, <answer> 2 </answer> <answer>3"), " 2 ");
  EXPECT_FALSE(last_answer_tag("</answer><answer>").has_value());
}

TEST(FormatReward, WantsThinkThenAnswerAndNothingElse) {
  EXPECT_EQ(think_answer_format_reward(" <think>a</think>\n<answer>b</answer>\n"), 1.0f);
  for (const char* bad :
       {"", "<think>a</think>", "<think>a</think>x<answer>b</answer>", "x<think>a</think><answer>b</answer>",
        "<think>a</think><answer>b</answer>x", "<answer>b</answer><think>a</think>",
        "<think>a<think></think><answer>b</answer>", "<think>a</think><answer>b</answer><answer>c</answer>"})
    EXPECT_EQ(think_answer_format_reward(bad), 0.0f) << bad;
}

TEST(OverlongPenalty, FallsLinearlyOverTheBuffer) {
  const OverlongOptions options{.tokens_max = 100, .buffer_tokens = 20};
  EXPECT_EQ(*overlong_penalty(0, options), 0.0f);
  EXPECT_EQ(*overlong_penalty(80, options), 0.0f);
  EXPECT_EQ(*overlong_penalty(85, options), -0.25f);
  EXPECT_EQ(*overlong_penalty(100, options), -1.0f);
  EXPECT_EQ(*overlong_penalty(1000, options), -1.0f);
  EXPECT_FALSE(overlong_penalty(0, {.tokens_max = 100, .buffer_tokens = 0}).ok());
  EXPECT_FALSE(overlong_penalty(0, {.tokens_max = 100, .buffer_tokens = 101}).ok());
}

TEST(LengthPenalty, IsTheRelativeDistance) {
  EXPECT_EQ(length_penalty(50, 50), 0.0f);
  EXPECT_EQ(length_penalty(25, 50), -0.5f);
  EXPECT_EQ(length_penalty(75, 50), -0.5f);
  EXPECT_EQ(length_penalty(1000, 50), -1.0f);
}

}  // namespace
}  // namespace invar
