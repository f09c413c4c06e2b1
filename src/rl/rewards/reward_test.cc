#include "rl/rewards/reward.h"

#include <gtest/gtest.h>

#include <cmath>

namespace invar {
namespace {

Prompt labelled(Json label) {
  Prompt prompt;
  prompt.label = std::move(label);
  return prompt;
}

float score(const RewardOptions& options, const Prompt& prompt, std::string_view response,
            int64_t tokens = 0) {
  auto reward = Reward::make(options);
  EXPECT_TRUE(reward.ok()) << reward.message();
  const RewardInput input{.prompt = &prompt, .prompt_text = {}, .response = response, .tokens = tokens};
  const auto scores = reward->score({&input, 1});
  EXPECT_TRUE(scores.ok()) << scores.message();
  return scores.ok() ? scores->at(0) : -100.0f;
}

TEST(Reward, EveryKindIsWired) {
  EXPECT_EQ(score({.kind = "exact"}, labelled("a"), "a"), 1.0f);
  EXPECT_EQ(score({.kind = "numeric"}, labelled(72), "so it is 72"), 1.0f);
  EXPECT_EQ(score({.kind = "boxed"}, labelled("1/2"), R"(\boxed{0.5})"), 1.0f);
  EXPECT_EQ(score({.kind = "boxed_numeric"}, labelled("5"), R"(\boxed{x = 5} or 6)"), 1.0f);
  EXPECT_EQ(score({.kind = "boxed_exact"}, labelled("5"), "5"), 0.0f);
  EXPECT_EQ(score({.kind = "regex", .regex = {.pattern = "A: (.)"}}, labelled("x"), "A: x"), 1.0f);
  Prompt puzzle;
  puzzle.metadata = {{"numbers", {2, 3}}, {"target", 6}};
  EXPECT_EQ(score({.kind = "countdown"}, puzzle, "<answer>3 * 2</answer>"), 1.0f);
  EXPECT_EQ(score({.kind = "program",
                   .program = {.command = {"sh", "-c", "read -r line; echo '{\"id\":0,\"reward\":0.5}'"}}},
                  labelled("x"), "y"),
            0.5f);
}

TEST(Reward, APromptsMetadataMayNameItsKind) {
  Prompt prompt = labelled("5");
  prompt.metadata["rm_type"] = "numeric";
  EXPECT_EQ(score({.kind = "metadata"}, prompt, "it is 5"), 1.0f);
  prompt.metadata["rm_type"] = "boxed_exact";
  EXPECT_EQ(score({.kind = "metadata"}, prompt, "it is 5"), 0.0f);
  EXPECT_EQ(score({.kind = "metadata"}, prompt, R"(it is \boxed{5})"), 1.0f);
  auto reward = Reward::make({.kind = "metadata"});
  for (const Json& bad : {Json("program"), Json("x"), Json(1), Json(nullptr)}) {
    prompt.metadata["rm_type"] = bad;
    const RewardInput input{.prompt = &prompt, .prompt_text = {}, .response = "5"};
    const auto scores = reward->score({&input, 1});
    ASSERT_FALSE(scores.ok()) << bad.dump();
    EXPECT_NE(scores.message().find("sample 0: metadata: rm_type: "), std::string::npos) << scores.message();
  }
}

TEST(Reward, ShapingIsAddedWithItsWeight) {
  const RewardOptions options{.kind = "boxed",
                              .format_weight = 0.5f,
                              .overlong_weight = 2.0f,
                              .overlong = OverlongOptions{.tokens_max = 100, .buffer_tokens = 20}};
  const char* good = R"(<think>a</think><answer>\boxed{4}</answer>)";
  EXPECT_EQ(score(options, labelled("4"), good, 10), 1.5f);
  EXPECT_EQ(score(options, labelled("4"), good, 90), 0.5f);
  EXPECT_EQ(score(options, labelled("4"), R"(\boxed{4})", 200), -1.0f);
  EXPECT_EQ(score({.kind = "exact", .length_weight = 0.5f, .length_target = 20}, labelled("4"), "4", 15),
            0.875f);
}

TEST(Reward, FaultsOfTheDataNameTheSample) {
  auto reward = Reward::make({.kind = "numeric"});
  const Prompt good = labelled("4"), none = labelled(nullptr), bad = labelled("four");
  const RewardInput two[] = {{&good, {}, "4"}, {&none, {}, "4"}};
  EXPECT_EQ(reward->score(two).message(),
            "sample 1: label: expected one for the reward numeric, found none; label_key names its key in "
            "the data");
  const RewardInput one[] = {{&bad, {}, "4"}};
  EXPECT_EQ(reward->score(one).message(), "sample 0: label: expected one number, found \"four\"");
  auto countdown = Reward::make({.kind = "countdown"});
  EXPECT_EQ(countdown->score(two).message().rfind("sample 0: metadata: ", 0), 0u);
}

TEST(Reward, UnknownKindsAreRefused) {
  for (const char* kind : {"", "x", "boxed_", "boxed_boxed", "boxed_program", "boxed_countdown", "remote_rm"})
    EXPECT_FALSE(Reward::make({.kind = kind}).ok()) << kind;
  EXPECT_FALSE(Reward::make({.kind = "regex"}).ok());
  EXPECT_FALSE(Reward::make({.kind = "exact", .length_target = 0}).ok());
  EXPECT_FALSE(Reward::make({.kind = "exact", .format_weight = NAN}).ok());
  EXPECT_FALSE(
      Reward::make({.kind = "exact", .overlong = OverlongOptions{.tokens_max = 10, .buffer_tokens = 11}})
          .ok());
}

}  // namespace
}  // namespace invar
