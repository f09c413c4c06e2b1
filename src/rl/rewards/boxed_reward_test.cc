#include "rl/rewards/boxed_reward.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

TEST(AnswersEquivalent, KnowsTheManySpellingsOfAnAnswer) {
  const char* const kEqual[][2] = {{"42", " 42 "},
                                   {"42", "42."},
                                   {"0.5", ".5"},
                                   {"0.5", R"(\frac{1}{2})"},
                                   {"1/2", R"(\dfrac12)"},
                                   {"-1/2", R"(-\tfrac{1}{2})"},
                                   {R"(\frac{2}{4})", "0.50"},
                                   {R"(\frac{-1}{2})", "-0.5"},
                                   {"1,234", "1234"},
                                   {R"(10{,}000)", "10000"},
                                   {"1,234.5", "1234.50"},
                                   {R"(50\%)", "50"},
                                   {R"(90^\circ)", "90"},
                                   {R"(\$12)", "12"},
                                   {R"(5\text{ cm})", "5"},
                                   {R"(5\text{ cm}^2)", "5"},
                                   {R"(5\mathrm{m}^{2})", "5"},
                                   {R"(\text{Tuesday})", "Tuesday"},
                                   {R"(\left(1, 2\right))", "(1,2)"},
                                   {"(0.5, 3)", R"((\frac12,3.0))"},
                                   {"[1, 2)", "[1,2)"},
                                   {R"(\sqrt2)", R"(\sqrt{2})"},
                                   {"x = 5", "5"},
                                   {R"(3\sqrt{2})", R"(3 \sqrt 2)"},
                                   {"\xE2\x88\x92"
                                    "7",
                                    "-7"},
                                   {"+7", "7"},
                                   {R"(x^2 + 1)", "x^2+1"}};
  for (const auto& pair : kEqual) {
    EXPECT_TRUE(answers_equivalent(pair[0], pair[1])) << pair[0] << " = " << pair[1];
    EXPECT_TRUE(answers_equivalent(pair[1], pair[0])) << pair[1] << " = " << pair[0];
  }
}

TEST(AnswersEquivalent, ToldApartWhatIsNotTheSame) {
  const char* const kDifferent[][2] = {{"1", "2"},
                                       {"0.5", "0.51"},
                                       {"(1,2)", "[1,2]"},
                                       {"(1,2)", "(2,1)"},
                                       {"(1,2)", "(1,2,3)"},
                                       {"1,23", "123"},
                                       {"x", "y"},
                                       {R"(\sqrt{2})", "1.414"},
                                       {"-1", "1"},
                                       {"(1,234)", "1234"},
                                       {R"(\frac{1}{0})", "0"},
                                       {"", "0"},
                                       {R"(\leftarrow)", "arrow"}};
  for (const auto& pair : kDifferent)
    EXPECT_FALSE(answers_equivalent(pair[0], pair[1])) << pair[0] << " = " << pair[1];
}

TEST(AnswerValue, NumbersAreExact) {
  EXPECT_EQ(answer_value("0.1"), Rational::make(1, 10));
  EXPECT_EQ(answer_value(R"(-\frac{10}{4})"), Rational::make(-5, 2));
  EXPECT_NE(answer_value("0.1"), answer_value("0.1000000000000001"));
  for (const char* none : {"", "-", "x", "1.2.3", "99999999999999999999", R"(\frac{1}{0})", R"(\frac{1}{x})",
                           R"(\frac{1})", "0.1234567890123456789", "1.", "--1"})
    EXPECT_FALSE(answer_value(none).has_value() && std::string_view(none) != "1.") << none;
}

TEST(BoxedReward, ComparesTheLastBoxWithTheLabel) {
  EXPECT_EQ(boxed_reward(R"(First \boxed{3}. Then \boxed{\frac{6}{8}}.)", "0.75"), 1.0f);
  EXPECT_EQ(boxed_reward(R"(\boxed{0.75})", R"(\boxed{3/4})"), 1.0f);
  EXPECT_EQ(boxed_reward("0.75", "0.75"), 0.0f);
  EXPECT_EQ(boxed_reward(R"(\boxed{0.7})", "0.75"), 0.0f);
}

TEST(Rational, IsExactOrAbsent) {
  const Rational half = *Rational::make(-2, -4), third = *Rational::make(1, 3);
  EXPECT_EQ(half.numerator(), 1);
  EXPECT_EQ(half.denominator(), 2);
  EXPECT_EQ(*add(half, third), *Rational::make(5, 6));
  EXPECT_EQ(*subtract(third, half), *Rational::make(-1, 6));
  EXPECT_EQ(*multiply(half, third), *Rational::make(1, 6));
  EXPECT_EQ(*divide(half, third), *Rational::make(3, 2));
  EXPECT_FALSE(divide(half, *Rational::make(0)).has_value());
  EXPECT_FALSE(Rational::make(1, 0).has_value());
  EXPECT_FALSE(Rational::make(INT64_MIN).has_value());
  EXPECT_EQ(Rational::make(INT64_MIN, 2), Rational::make(INT64_MIN / 2));
  const Rational most = *Rational::make(INT64_MAX), least = *Rational::make(-INT64_MAX);
  EXPECT_FALSE(add(most, most).has_value());
  EXPECT_FALSE(multiply(most, least).has_value());
  EXPECT_EQ(*add(most, least), *Rational::make(0));
  const Rational tiny = *Rational::make(1, INT64_MAX), tinier = *Rational::make(-1, INT64_MAX - 1);
  EXPECT_FALSE(add(tiny, tinier).has_value());
  EXPECT_EQ(*divide(tiny, tiny), *Rational::make(1));
}

}  // namespace
}  // namespace invar
