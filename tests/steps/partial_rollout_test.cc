// Rollouts cut by a token budget: who gets how many tokens, and that nothing around a run has a part in it.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "rig.h"

namespace invar {
namespace {

// Two of the three groups under way are trained on at most: the third sees weights change.
const std::vector<std::string> kBudget = {"rollout.token_budget=60", "rollout.groups=2", "rollout.groups_a_round=3"};

std::string steps_text(Rig& rig, int64_t begin, int64_t end) {
  std::string text;
  for (int64_t step = begin; step < end; ++step) text += text_of(rig.run(step)) + rig.weights() + "\n";
  return text;
}

bool has_open(const Json& state) {
  for (const Json& group : state["carried"]) {
    for (const Json& sample : group["samples"]) {
      if (sample["finish"] == "") return true;
    }
  }
  return false;
}

TEST(PartialRollout, NothingAroundARunChangesWhatItsStepsDraw) {
  Rig straight(kBudget);
  const std::string expected = steps_text(straight, 0, 5);
  for (const RigOptions& options :
       {RigOptions{.threads = 1, .max_running = 1, .prefill_rows = 3, .micro_batch_rows = 110},
        RigOptions{.threads = 3, .max_running = 5, .prefill_rows = 17, .micro_batch_rows = 210},
        RigOptions{.micro_batch_rows = 110, .ranks = 2}, RigOptions{.threads = 3, .ranks = 4}}) {
    Rig rig(kBudget, options);
    ASSERT_EQ(steps_text(rig, 0, 5), expected) << options.max_running << " running, " << options.ranks << " ranks";
  }
}

TEST(PartialRollout, EverySampleIsFinishedOnceAndNoStepDrawsMoreThanItsBudget) {
  Rig rig(kBudget);
  std::map<std::pair<int64_t, int64_t>, int> seen;
  int64_t off_policy = 0, drawn = 0, trained = 0;
  double kl_old = 0;
  for (int64_t step = 0; step < 12; ++step) {
    const RlStepResult result = rig.run(step);
    EXPECT_LE(result.drawn_tokens, 60);
    if (has_open(rig.steps().state())) {
      EXPECT_GT(result.drawn_tokens, 60 - 12);  // fewer are left than samples
    }
    off_policy += result.off_policy_tokens;
    drawn += result.drawn_tokens;
    for (const RlSample& sample : result.samples) {
      ++seen[{sample.prompt, sample.index}];
      EXPECT_TRUE(sample.done());
      EXPECT_LE(sample.carried_tokens, std::ssize(sample.log_probs));
      EXPECT_EQ(sample.token_ends.back(), std::ssize(sample.text));
      trained += std::ssize(sample.log_probs);
    }
    for (const PolicyUpdateReport& update : result.updates) {
      EXPECT_EQ(update.differing_log_probs, 0);
      if (result.off_policy_tokens == 0) {
        EXPECT_EQ(update.kl_old, 0);
      }
      kl_old += update.kl_old;
    }
  }
  EXPECT_GT(kl_old, 0);  // tokens of older weights keep the log-probs that they were drawn with
  EXPECT_GT(off_policy, 0);
  EXPECT_GE(std::ssize(seen), 24);
  for (const auto& [sample, times] : seen) EXPECT_EQ(times, 1) << sample.first << "." << sample.second;
  // What is neither trained on nor dropped is carried.
  int64_t carried = 0;
  const Json state = rig.steps().state();
  EXPECT_EQ(std::ssize(seen) + 4 * std::ssize(state["carried"]), 4 * state["taken"].get<int64_t>());
  for (const Json& group : state["carried"]) {
    for (const Json& sample : group["samples"]) carried += std::ssize(sample["tokens"]);
  }
  EXPECT_EQ(trained + carried, drawn);
}

TEST(PartialRollout, TheBudgetIsSharedATokenEach) {
  Rig rig(kBudget);
  const RlStepResult result = rig.run(0);
  // All samples that are not at their end have equally many tokens, and those that are have no more.
  std::set<int64_t> open;
  int64_t most = 0;
  for (const RlSample& sample : result.samples) most = std::max(most, std::ssize(sample.log_probs));
  const Json state = rig.steps().state();
  for (const Json& group : state["carried"]) {
    for (const Json& sample : group["samples"]) {
      if (sample["finish"] == "") open.insert(std::ssize(sample["tokens"]));
      most = std::max<int64_t>(most, std::ssize(sample["tokens"]));
    }
  }
  ASSERT_EQ(open.size(), 1u);
  EXPECT_EQ(most, *open.begin());
  EXPECT_GE(*open.begin(), 5);  // 60 tokens for 12 samples
}

TEST(PartialRollout, WithoutAnUpdateInBetweenCutSamplesAreTheWholeOnes) {
  // Weights that never move: a sample drawn in parts has the tokens, log-prob bits and text of one drawn at once.
  const std::vector<std::string> still = {"optimizer.learning_rate=1e-30", "rollout.stop=[\"ab\", \"e\"]"};
  Rig whole(still);
  std::map<std::pair<int64_t, int64_t>, RlSample> expected;
  for (const RlSample& sample : whole.run(0).samples) expected[{sample.prompt, sample.index}] = sample;
  std::vector<std::string> sets = still;
  sets.push_back("rollout.token_budget=40");
  Rig parts(sets);
  int64_t compared = 0;
  for (int64_t step = 0; step < 8; ++step) {
    for (const RlSample& sample : parts.run(step).samples) {
      const auto found = expected.find({sample.prompt, sample.index});
      if (found == expected.end()) continue;  // of a prompt that the whole run draws in a later step
      ++compared;
      EXPECT_EQ(sample.tokens, found->second.tokens);
      EXPECT_EQ(sample.log_probs, found->second.log_probs);
      EXPECT_EQ(sample.text, found->second.text);
      EXPECT_EQ(sample.token_ends, found->second.token_ends);
      EXPECT_EQ(sample.finish, found->second.finish);
      EXPECT_EQ(sample.reward, found->second.reward);
    }
  }
  EXPECT_EQ(compared, 12);
}

TEST(PartialRollout, ARunGoesOnFromItsStateInTheMiddle) {
  // More groups are under way than a step trains on: finished ones wait too.
  const std::vector<std::string> sets = {"rollout.token_budget=100", "rollout.groups=2", "rollout.groups_a_round=5",
                                         "rollout.drop_equal=true", "optimizer.learning_rate=1e-30"};
  Rig straight(sets);
  std::vector<std::string> expected;
  std::vector<Json> states;
  for (int64_t step = 0; step < 6; ++step) {
    states.push_back(straight.steps().state());
    expected.push_back(text_of(straight.run(step)));
  }
  for (std::size_t from : {1u, 3u, 5u}) {
    Rig rig(sets);
    const auto restored = rig.steps().restore(Json::parse(states[from].dump()));
    ASSERT_TRUE(restored.ok()) << restored.message();
    EXPECT_EQ(rig.steps().state(), states[from]);
    for (std::size_t step = from; step < expected.size(); ++step)
      ASSERT_EQ(text_of(rig.run(static_cast<int64_t>(step))), expected[step]) << from;
  }
}

TEST(PartialRollout, AStateThatNoStepLeftIsRefused) {
  Rig rig(kBudget);
  rig.run(0);
  const Json state = rig.steps().state();
  ASSERT_GT(state["carried"].size(), 1u);
  const auto refusal = [&](const std::function<void(Json&)>& change) {
    Json wrong = state;
    change(wrong);
    const auto restored = rig.steps().restore(wrong);
    EXPECT_EQ(rig.steps().state(), state);
    return restored.ok() ? "ok" : restored.message();
  };
  const auto expect = [](const std::string& message, const std::string& needle) {
    EXPECT_NE(message.find(needle), std::string::npos) << message;
  };
  expect(refusal([](Json& s) { s["carried"] = 3; }), "expected a list");
  expect(refusal([](Json& s) { s["taken"] = "x"; }), "taken");
  expect(refusal([](Json& s) { s["carried"][0]["samples"].erase(0); }), "expected 4 samples");
  expect(refusal([](Json& s) { s["carried"][0]["samples"][1]["log_probs"].push_back(1); }), "as many log-probs");
  expect(refusal([](Json& s) { s["carried"][0]["samples"][1]["finish"] = "soon"; }), "finish");
  expect(refusal([](Json& s) { s["carried"][0]["scored"] = true; }), "not drawn to its end");
  expect(refusal([](Json& s) { s["carried"][0]["samples"][1]["finish"] = "length"; }), "do not go together");
  expect(refusal([](Json& s) { s["carried"][1]["ordinal"] = s["carried"][0]["ordinal"]; }), "carried group 1: ordinal");
  expect(refusal([](Json& s) { s["taken"] = s["carried"].back()["ordinal"]; }), "draws so far");
  Rig whole;
  const auto refused = whole.steps().restore(state);
  ASSERT_FALSE(refused.ok());
  expect(refused.message(), "rollout.token_budget");
}

}  // namespace
}  // namespace invar
