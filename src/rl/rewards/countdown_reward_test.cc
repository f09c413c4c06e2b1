#include "rl/rewards/countdown_reward.h"

#include <gtest/gtest.h>

#include <string>

namespace invar {
namespace {

std::optional<Rational> value_of(std::string_view text) {
  const auto expression = parse_expression(text);
  if (!expression) return std::nullopt;
  return expression->value;
}

TEST(ParseExpression, FollowsPrecedenceAndIsExact) {
  EXPECT_EQ(value_of("1 + 2 * 3"), Rational::make(7));
  EXPECT_EQ(value_of("(1+2)*3"), Rational::make(9));
  EXPECT_EQ(value_of("10 - 4 - 3"), Rational::make(3));
  EXPECT_EQ(value_of("100 / 10 / 4"), Rational::make(5, 2));
  EXPECT_EQ(value_of("8 / (3 - 8 / 3)"), Rational::make(24));
  EXPECT_EQ(value_of("2 \\times 3 \\div 4"), Rational::make(3, 2));
  EXPECT_EQ(value_of("2 \xC3\x97 3 \xE2\x88\x92 1"), Rational::make(5));
  EXPECT_EQ(parse_expression("3*(7+25)")->numbers, (std::vector<int64_t>{3, 7, 25}));
}

TEST(ParseExpression, EverythingElseIsNoExpression) {
  const std::string deep(40, '('), closed(40, ')');
  const std::string nested = deep + "1" + closed, fine = deep.substr(10) + "1" + closed.substr(10);
  EXPECT_EQ(value_of(fine), Rational::make(1));
  std::string long_sum = "1";
  while (long_sum.size() < 1024) long_sum += "+1";
  for (const std::string& bad :
       {std::string(), std::string("+"), std::string("1 2"), std::string("1 + "), std::string("-3 + 5"),
        std::string("(1"), std::string("1)"), std::string("2^3"), std::string("2**3"), std::string("1.5"),
        std::string("1/0"), std::string("1/(2-2)"), std::string("abs(1)"),
        std::string("99999999999999999999"), std::string("9223372036854775807*2"), nested, long_sum})
    EXPECT_FALSE(value_of(bad).has_value()) << bad;
}

TEST(CountdownReward, IsFullForTheRightExpressionAndPartialForAWellFormedOne) {
  const std::vector<int64_t> numbers = {3, 7, 25};
  const auto reward = [&](std::string_view response) { return countdown_reward(response, numbers, 46); };
  EXPECT_EQ(reward("<answer>3 * 7 + 25</answer>"), 1.0f);
  EXPECT_EQ(reward("25 + 7 * 3 = 46 works: <answer>(7*3)+25 = 46</answer>"), 1.0f);
  EXPECT_EQ(reward("I think\n25 + 3 * 7 = 46\n"), 1.0f);
  EXPECT_EQ(reward(R"(So \boxed{25 + 3 \times 7})"), 1.0f);
  EXPECT_EQ(reward("<answer>3 + 7 + 25</answer>"), 0.1f);
  EXPECT_EQ(reward("<answer>46</answer>"), 0.1f);
  EXPECT_EQ(reward("<answer>25 + 21</answer>"), 0.1f);
  EXPECT_EQ(reward("<answer>3 * 7 + 25 + 3 - 3</answer>"), 0.1f);
  EXPECT_EQ(reward("<answer>nothing</answer>"), 0.0f);
  EXPECT_EQ(reward(""), 0.0f);
  EXPECT_EQ(countdown_reward("<answer>1</answer>", numbers, 46, {.format_reward = 0}), 0.0f);
}

}  // namespace
}  // namespace invar
