#include "rl/config_change.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

TrainConfig config_with(const std::vector<std::string>& overrides = {}) {
  auto parsed =
      parse_train_config("[model]\npath = \"m\"\n[data]\ntask = \"reverse\"\n", "c.toml", overrides);
  INVAR_CHECK(parsed.ok(), "{}", parsed.message());
  return *parsed;
}

TEST(ConfigChange, NamesEveryKeyThatDiffersWithBothValues) {
  EXPECT_TRUE(config_changes(config_with(), config_with()).empty());
  const auto changes =
      config_changes(config_with(), config_with({"run.seed=6", "rollout.stop=[\"a = b\", \"[x]\"]",
                                                 "optimizer.eps=0.5", "run.folder=runs/a"}));
  ASSERT_EQ(changes.size(), 4u);
  EXPECT_EQ(changes[0].key, "run.folder");
  EXPECT_EQ(changes[1].key, "run.seed");
  EXPECT_EQ(changes[1].before, "0");
  EXPECT_EQ(changes[1].after, "6");
  EXPECT_EQ(changes[2].key, "rollout.stop");
  EXPECT_EQ(changes[2].after, "[\"a = b\", \"[x]\"]");
  EXPECT_EQ(changes[3].key, "optimizer.eps");
}

TEST(ConfigChange, ARunGoesOnWithOtherKeysThatChangeNoBit) {
  const std::vector<std::string> free = {
      "model.path=elsewhere",     "run.folder=b",           "run.steps=300",
      "run.eval_every=3",         "rollout.max_running=3",  "rollout.prefill_rows=9",
      "rollout.kv_mib=64",        "reward.workers=3",       "reward.timeout_s=9",
      "train.micro_batch_rows=9", "train.activations_mib=7", "train.ranks=2",          "checkpoint.every=3",
      "checkpoint.keep_last=5",   "checkpoint.keep_every=7"};
  const Status status = check_resumable(config_with(), config_with(free));
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(ConfigChange, EveryOtherKeyIsRefusedByName) {
  for (const auto& [key, set] :
       {std::pair("run.seed", "run.seed=6"), std::pair("data.task", "data.task=sorting"),
        std::pair("rollout.samples", "rollout.samples=3"), std::pair("optimizer.eps", "optimizer.eps=1e-7"),
        std::pair("model.profile", "model.profile=tc16"),
        std::pair("algorithm.updates", "algorithm.updates=2")}) {
    const Status status = check_resumable(config_with(), config_with({set}));
    ASSERT_FALSE(status.ok()) << key;
    EXPECT_EQ(status.message().find(std::string(key) + ": this run began with "), 0u) << status.message();
    EXPECT_FALSE(check_replayable(config_with(), config_with({set})).ok()) << key;
  }
}

TEST(ConfigChange, StepsMayChangeOnlyWhereNoLearningRateDependsOnThem) {
  const Status linear = check_resumable(config_with({"optimizer.decay=linear"}),
                                        config_with({"optimizer.decay=linear", "run.steps=300"}));
  ASSERT_FALSE(linear.ok());
  EXPECT_EQ(linear.message(),
            "run.steps: this run began with 100, found 300; the learning rate of every step depends on it, "
            "with this "
            "optimizer.decay; go on with the same, or choose another run.folder");
  EXPECT_TRUE(check_resumable(config_with(), config_with({"run.steps=7"})).ok());
  EXPECT_FALSE(check_replayable(config_with(), config_with({"run.steps=7"})).ok());
  EXPECT_TRUE(check_replayable(config_with(), config_with({"rollout.kv_mib=64"})).ok());
}

}  // namespace
}  // namespace invar
