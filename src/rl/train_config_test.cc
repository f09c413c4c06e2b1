#include "rl/train_config.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

constexpr const char* kText = R"(
[model]
path = "m"
[run]
steps = 7
[data]
task = "arithmetic"
[optimizer]
learning_rate = 2e-5
)";

std::string wrong(const std::string& text, std::vector<std::string> overrides = {}) {
  auto config = parse_train_config(text, "c.toml", overrides);
  return config.ok() ? "" : config.message();
}

TEST(TrainConfig, ReadsWhatIsThereAndKeepsDefaultsForTheRest) {
  const auto config = parse_train_config(kText, "c.toml", {});
  ASSERT_TRUE(config.ok()) << config.message();
  EXPECT_EQ(config->run.steps, 7);
  EXPECT_EQ(config->optimizer.learning_rate, 2e-5);
  EXPECT_EQ(config->rollout.groups, 8);
  EXPECT_EQ(config->rollout.groups_a_round, 8);
}

TEST(TrainConfig, ItsTextReadsBackAsTheSame) {
  auto config = parse_train_config(kText, "c.toml",
                                   std::vector<std::string>{"rollout.stop=[\"\\n\", \"a \\\"b\\\" \\\\\"]"});
  ASSERT_TRUE(config.ok()) << config.message();
  const std::string text = train_config_text(*config);
  const auto again = parse_train_config(text, "again", {});
  ASSERT_TRUE(again.ok()) << again.message();
  EXPECT_EQ(train_config_text(*again), text);
  EXPECT_EQ(again->rollout.stop, (std::vector<std::string>{"\n", "a \"b\" \\"}));
  EXPECT_NE(text.find("learning_rate = 2e-05\n"), std::string::npos) << text;
}

TEST(TrainConfig, OverridesWinAndMayBeBareWords) {
  const auto config = parse_train_config(
      kText, "c.toml",
      std::vector<std::string>{"run.steps=9", "algorithm.advantage=rloo", "optimizer.clip_norm=2"});
  ASSERT_TRUE(config.ok()) << config.message();
  EXPECT_EQ(config->run.steps, 9);
  EXPECT_EQ(config->algorithm.advantage, "rloo");
  EXPECT_EQ(config->optimizer.clip_norm, 2);
}

TEST(TrainConfig, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(wrong("[model]\npath = 3\n"), "c.toml:2: model.path: expected a string, found an integer");
  EXPECT_EQ(wrong("[run]\nsteps = 0\n"), "c.toml:2: run.steps: expected 1 to 1073741824, found 0");
  EXPECT_EQ(wrong("run = 3\n"), "c.toml:1: run: expected a table [run], found an integer");
  EXPECT_EQ(wrong("[run]\n\nstep = 3\n").find("c.toml:3: run.step: unknown key; expected one of eval_every"),
            0u);
  EXPECT_EQ(wrong("[runs]\n").find("c.toml:1: unknown section \"runs\""), 0u) << wrong("[runs]\n");
  EXPECT_EQ(wrong("[run\n").find("c.toml:1: "), 0u);
  EXPECT_EQ(wrong("\na = f\x01\n").find('\x01'), std::string::npos);
  for (const char* header : {"[}", "[=", "[[[a]]]", "[\n", "[\xc3\xa4]\n"})
    EXPECT_EQ(wrong(std::string("[run]\n") + header).find("c.toml:2: "), 0u) << header;
  EXPECT_EQ(wrong("[rollout]\nstop = [1]\n"),
            "c.toml:2: rollout.stop: expected a list of strings, found an integer");
  EXPECT_EQ(
      wrong("[optimizer]\nlearning_rate = nan\n").find("c.toml:2: optimizer.learning_rate: expected 0 to 1"),
      0u);
  EXPECT_EQ(wrong(kText, {"steps=3"}), "--set \"steps=3\": expected section.key=value");
  EXPECT_EQ(wrong(kText, {"run.steps=many"}), "run.steps: expected an integer, found a string");
  EXPECT_NE(wrong(kText, {"data.file=x"}).find("found both"), std::string::npos);
  EXPECT_NE(wrong(kText, {"algorithm.objective=magic"}).find("algorithm.objective: "), std::string::npos);
  EXPECT_NE(wrong("").find("model.path"), std::string::npos);
  EXPECT_EQ(wrong("[run]\n\"a\\nb\" = 1\n").find(R"(c.toml:2: run."a\x0ab": unknown key)"), 0u);
  EXPECT_EQ(wrong("\"a\\nb\" = 1\n", {"a\nb.c=1"}), R"(--set "a\x0ab.c=1": "a\x0ab" is no table)");
  EXPECT_EQ(wrong(kText, {"run.folder=\xff"}), R"(--set "run.folder=\xff": expected UTF-8)");
}

}  // namespace
}  // namespace invar
