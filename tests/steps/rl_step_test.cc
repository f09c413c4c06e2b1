// Steps of training that fail, that have nothing to train on, that keep near a reference.
#include <gtest/gtest.h>

#include <cmath>

#include "base/clock.h"
#include "rig.h"

namespace invar {
namespace {

TEST(RlStep, AnErrorInALaterUpdateLeavesEverythingAsBeforeTheStep) {
  const std::vector<std::string> sets = {"algorithm.updates=3"};
  Rig rig(sets), straight(sets);
  ASSERT_EQ(text_of(rig.run(0)), text_of(straight.run(0)));
  const std::string weights = rig.weights();
  const Json state = rig.steps().state();
  bool later = false;
  const auto failed = rig.steps().run(1, {.interrupted = [&] { return later; },
                                          .progress = [&](const std::string& what,
                                                          double part) { later |= what == "update" && part > 0.5; },
                                          .seconds = {}});
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.message(), "interrupted");
  EXPECT_TRUE(later);
  EXPECT_EQ(rig.weights(), weights);
  EXPECT_EQ(rig.steps().state(), state);
  // Tried again, it is the step of a run that never failed; the steps after it too.
  for (int64_t step = 1; step < 3; ++step) {
    ASSERT_EQ(text_of(rig.run(step)), text_of(straight.run(step)));
    ASSERT_EQ(rig.weights(), straight.weights());
  }
  EXPECT_NE(rig.weights(), weights);
}

TEST(RlStep, RewardsThatAreNoNumbersOrNeverComeStopAStepAndChangeNothing) {
  const auto shell = [](const std::string& script) {
    return std::vector<std::string>{"reward.kind=program", "reward.timeout_s=1",
                                    R"(reward.command=["sh", "-c", ')" + script + "']"};
  };
  struct Case {
    std::string script, needle;
  };
  for (const auto& [script, needle] :
       {Case{"while read -r l; do echo NaN; done", "NaN"},
        Case{R"(while read -r l; do echo "{\"id\":0,\"reward\":NaN}"; done)", "NaN"},
        Case{R"(while read -r l; do echo "{\"id\":0,\"reward\":1e39}"; done)", "within fp32"},
        Case{"while read -r l; do echo rubbish; done", "rubbish"}, Case{"exit 3", "exited with status 3"},
        Case{"while read -r l; do :; done", "no answer in 1 s"}, Case{"kill -9 $$", "killed by signal 9"}}) {
    Rig rig(shell(script));
    const std::string weights = rig.weights();
    const Json state = rig.steps().state();
    const auto failed = rig.steps().run(0, {});
    ASSERT_FALSE(failed.ok()) << script;
    EXPECT_NE(failed.message().find(needle), std::string::npos) << failed.message();
    EXPECT_EQ(failed.message().find('\n'), std::string::npos) << failed.message();
    EXPECT_EQ(rig.weights(), weights);
    EXPECT_EQ(rig.steps().state(), state);
  }
}

TEST(RlStep, AnInterruptDoesNotWaitForARewardProgram) {
  Rig rig({"reward.kind=program", "reward.timeout_s=600", "reward.workers=3",
           R"(reward.command=["sh", "-c", "while true; do sleep 9; done"])"});
  const Json state = rig.steps().state();
  bool drawn = false;
  double asked_s = 0;
  const auto failed = rig.steps().run(
      0, {.interrupted =
              [&] {
                if (!drawn) return false;
                if (asked_s == 0) asked_s = monotonic_seconds();
                return monotonic_seconds() > asked_s + 0.3;
              },
          .progress = [&](const std::string&, double part) { drawn |= part > 0.5; },
          .seconds = {}});
  EXPECT_EQ(failed.message(), "interrupted");
  EXPECT_LT(monotonic_seconds() - asked_s, 5);
  EXPECT_EQ(rig.steps().state(), state);
}

TEST(RlStep, EqualRewardsGiveNoGradientAndWithoutGroupsNoUpdate) {
  // Nothing matches: every reward is 0.
  Rig filled({"reward.pattern=never-said", "rollout.drop_equal=true"});
  const RlStepResult with = filled.run(0);
  ASSERT_EQ(with.updates.size(), 1u);
  EXPECT_EQ(with.groups_dropped, 3);
  EXPECT_EQ(with.updates[0].gradient_norm, 0);
  EXPECT_EQ(with.updates[0].loss, 0);
  Rig fewer({"reward.pattern=never-said", "rollout.drop_equal=true", "rollout.shortage=fewer"});
  const std::string weights = fewer.weights();
  const RlStepResult without = fewer.run(0);
  EXPECT_TRUE(without.updates.empty());
  EXPECT_EQ(std::ssize(without.samples), 12);
  for (const RlSample& sample : without.samples) EXPECT_FALSE(sample.kept);
  EXPECT_EQ(fewer.weights(), weights);
  EXPECT_EQ(fewer.steps().state()["taken"], 3);  // the next step draws other prompts
}

TEST(RlStep, KlToTheStartingModelIsExactlyZeroAtFirstAndThenTheMeanOfTheEstimates) {
  Rig rig({"algorithm.kl_coefficient=0.1", "algorithm.kl_kind=k3"}, {.micro_batch_rows = 110});
  Rig start;  // keeps the weights that the reference has
  const RlStepResult first = rig.run(0);
  ASSERT_TRUE(first.kl.has_value());
  EXPECT_EQ(*first.kl, 0.0);
  const RlStepResult second = rig.run(1);
  std::vector<PolicySample> samples;
  for (const RlSample& sample : second.samples)
    samples.push_back({.tokens = sample.tokens, .prompt_tokens = sample.prompt_tokens, .temperature = 1.25f});
  const std::vector<float> reference = Rig::value(start.trainer().score(samples));
  double sum = 0;
  std::size_t at = 0;
  for (const RlSample& sample : second.samples) {
    for (const float log_prob : sample.log_probs) {
      const double d = static_cast<double>(reference[at++]) - static_cast<double>(log_prob);
      sum += std::expm1(d) - d;
    }
  }
  EXPECT_GT(sum, 0);
  EXPECT_NEAR(*second.kl, sum / static_cast<double>(at), 1e-6 * sum / static_cast<double>(at) + 1e-9);
  // Micro-batches of the reference and the trainer change no bit.
  Rig other({"algorithm.kl_coefficient=0.1", "algorithm.kl_kind=k3"}, {.threads = 1, .max_running = 3});
  EXPECT_EQ(text_of(other.run(0)), text_of(first));
  const RlStepResult again = other.run(1);
  EXPECT_EQ(text_of(again), text_of(second));
  EXPECT_EQ(*again.kl, *second.kl);
  EXPECT_EQ(other.weights(), rig.weights());
}

TEST(RlStep, RanksChangeNoBitOfARunThatIsKeptNearAReference) {
  for (const char* where : {"loss", "reward"}) {
    const std::vector<std::string> sets = {"algorithm.kl_coefficient=0.2", "algorithm.updates=2",
                                           std::string("algorithm.kl_in=") + where};
    std::string alone;
    for (const int ranks : {1, 2, 3}) {
      Rig rig(sets, {.micro_batch_rows = ranks == 3 ? 110 : 2048, .ranks = ranks});
      std::string text;
      for (int64_t step = 0; step < 3; ++step) text += text_of(rig.run(step)) + rig.weights() + "\n";
      if (ranks == 1) alone = text;
      EXPECT_EQ(text, alone) << ranks << " ranks, KL in the " << where;
    }
    EXPECT_NE(alone.find("kl 0\n"), std::string::npos);  // of the first step alone
    EXPECT_EQ(alone.find("kl 0\n"), alone.rfind("kl 0\n"));
  }
}

TEST(RlStep, ASampleThatTheReferenceCannotScoreIsNamed) {
  Rig rig;
  const auto reference = Rig::value(open_reference(tiny_model_folder("llama"), rig.session(), 8));
  const std::vector<int32_t> tokens(10, 5);
  const auto sample = [&](std::size_t count) {
    return PolicySample{.tokens = std::span(tokens).first(count), .prompt_tokens = 1, .temperature = 1};
  };
  const PolicySample samples[] = {sample(9), sample(2), sample(10)};
  const auto scores = reference->score(std::span(samples).first(2));
  ASSERT_TRUE(scores.ok()) << scores.message();
  EXPECT_EQ(scores->size(), 9u);
  const auto refused = reference->score(samples);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.message(), "the reference, sample 2: 9 rows in a micro-batch, expected at most 8");
}

TEST(RlStep, KlInTheRewardIsTakenFromTheAdvantagesByHand) {
  const std::vector<std::string> sets = {"algorithm.kl_coefficient=0.5", "algorithm.kl_kind=k1",
                                         "algorithm.kl_in=reward", "algorithm.advantage=reinforce"};
  Rig rig(sets), start;
  rig.run(0);
  const RlStepResult result = rig.run(1);
  for (const RlSample& sample : result.samples) {
    const PolicySample one{
        .tokens = sample.tokens, .prompt_tokens = sample.prompt_tokens, .temperature = 1.25f};
    const std::vector<float> reference = Rig::value(start.trainer().score({&one, 1}));
    double kl = 0;
    for (std::size_t t = 0; t < reference.size(); ++t)
      kl += static_cast<double>(sample.log_probs[t] - reference[t]);
    EXPECT_NEAR(sample.advantage, static_cast<double>(sample.reward) - 0.5 * kl, 1e-5);
  }
  EXPECT_EQ(result.updates[0].kl_ref, 0);  // the loss has none
}

TEST(RlStep, KlInTheLossPullsAPolicyBackToItsReference) {
  const std::string reference = "reference.path=" + tiny_model_folder("llama");
  Rig rig({reference, "optimizer.learning_rate=3e-3"});
  double away = 0;
  for (int64_t step = 0; step < 6; ++step) away = *rig.run(step).kl;
  ASSERT_GT(away, 0.05);
  // From here on no reward tells one answer from another.
  rig.configure({reference, "algorithm.kl_coefficient=1", "reward.pattern=never-said"});
  double kl = away;
  for (int64_t step = 6; step < 18; ++step) kl = *rig.run(step).kl;
  EXPECT_LT(kl, away / 2);
}

TEST(RlStep, AReferenceMustHaveTheSameTokens) {
  Rig rig;
  const std::string folder = tiny_model_folder("qwen3");
  const auto same = open_reference(folder, rig.session(), 256);
  ASSERT_TRUE(same.ok()) << same.message();
  std::ifstream in(folder + "/tokenizer.json");
  std::string text(std::istreambuf_iterator<char>(in), {});
  text.replace(text.find("\"q\":"), 3, "\"\u00e9\"");
  std::ofstream(folder + "/tokenizer.json") << text;
  const auto other = open_reference(folder, rig.session(), 256);
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.message().find("expected the tokenizer of the model that is trained"), std::string::npos)
      << other.message();
}

}  // namespace
}  // namespace invar
