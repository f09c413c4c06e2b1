#include "verify/report.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace invar {
namespace {

TEST(Report, APassIsOneLineUnderItsHeader) {
  const RowResult row{.name = "chunk", .tried = "16", .runs = 3, .outputs = 21, .distinct = 1};
  const std::string line = table_row(row);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_EQ(line.find("pass"), table_header().find("verdict"));
  EXPECT_EQ(row_json(row)["verdict"], "pass");
}

TEST(Report, AFailureNamesAxisCombinationAndDifference) {
  const RowResult row{
      .name = "mixed", .distinct = 2, .axis = "batch", .combination = "batch 2", .difference = "d"};
  const std::string text = table_row(row);
  for (const char* part : {"FAIL\n", "axis: batch\n", "smallest: batch 2\n", "d\n"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(row_json(row)["failure"]["axis"], "batch");
}

TEST(Report, WhatWasProvokedIsCounted) {
  const RowResult row{.name = "pool", .evidence = {.preemptions = 2, .evicted_pages = 3}};
  EXPECT_NE(table_row(row).find("2 preemptions, 3 pages evicted"), std::string::npos);
}

TEST(Report, OutcomesComeBackWithEveryBit) {
  Outcome outcome;
  outcome.outputs.push_back(
      {.tokens = {7, 0}, .log_probs = {-0.1f, -0x1.fffffep-120f}, .prompt_log_probs = {-1.5}});
  const auto parsed = parse_json(outcome_json(outcome).dump(), "test");
  ASSERT_TRUE(parsed.ok());
  const auto back = parse_outcome(*parsed);
  ASSERT_TRUE(back.ok()) << back.message();
  EXPECT_EQ(identity(back->outputs.at(0)), identity(outcome.outputs[0]));
  EXPECT_FALSE(parse_outcome(Json::parse("{\"outputs\": 3}")).ok());
  EXPECT_FALSE(parse_outcome(Json::parse("{\"outputs\": [{\"tokens\": [1], \"log_probs\": [null]}]}")).ok());
}

TEST(FirstDifference, NamesWhatDiffersFirst) {
  const Output a{.tokens = {1, 2}, .log_probs = {-1, -2}};
  Output b = a;
  EXPECT_EQ(first_difference(a, b), "");
  b.log_probs[1] = -2.0000001;
  EXPECT_EQ(first_difference(a, b), "log-prob 1: -2 alone, -2.0000001 here");
  b.tokens[0] = 3;
  EXPECT_EQ(first_difference(a, b), "token 0: 1 alone, 3 here");
  EXPECT_NE(identity(a), identity(b));
  // Zeros that compare equal and are other bits.
  EXPECT_NE(first_difference({.log_probs = {0.0}}, {.log_probs = {-0.0}}), "");
}

}  // namespace
}  // namespace invar
