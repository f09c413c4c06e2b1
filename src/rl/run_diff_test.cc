#include "rl/run_diff.h"

#include <bit>
#include <functional>

#include "base/seed_testing.h"
#include "rl/ledger_testing.h"

namespace invar {
namespace {

using Change = std::function<void(StepRecord&)>;

class RunDiffTest : public LedgerTest {
 protected:
  // Steps 1 to 8 with `change` made in every step from 5 on.
  Ledger changed_run(const std::string& name, const Change& change, int64_t last = 8) {
    Result<Ledger> ledger = Ledger::open(path(name), LedgerMode::kWrite);
    INVAR_CHECK(ledger.ok(), "{}", ledger.message());
    RunInfo info = test_run();
    info.config = "lr = 1e-6\nthreads = 1\n";
    INVAR_CHECK(ledger->begin(info).ok());
    for (int64_t step = 1; step <= last; ++step) {
      StepRecord record = test_step(step);
      if (step >= 5) change(record);
      record.timings = {{"tokens/s", 1.0}};
      INVAR_CHECK(ledger->append(record).ok());
    }
    return *std::move(ledger);
  }

  RunDiff diff_with(const Change& change, int64_t last = 8) {
    const Ledger a = write_run(path("a.db"), 8), b = changed_run("b.db", change, last);
    Result<RunDiff> diff = diff_runs(a, b);
    INVAR_CHECK(diff.ok(), "{}", diff.message());
    return *std::move(diff);
  }

  static std::string text(const RunDiff& diff) { return diff_text(diff, "runs/a", "runs/b"); }
};

std::vector<std::string> differing(const RunDiff& diff) {
  std::vector<std::string> names;
  for (const Sides& hash : diff.difference->hashes) {
    if (!hash.same()) names.push_back(hash.name);
  }
  return names;
}

TEST_F(RunDiffTest, RunsThatDifferInSpeedAloneAreIdentical) {
  const RunDiff diff = diff_with([](StepRecord&) {});
  EXPECT_TRUE(diff.identical());
  EXPECT_EQ(diff.last, 8);
  EXPECT_EQ(diff.config.size(), 2u);
  EXPECT_NE(text(diff).find("identical through step 8"), std::string::npos) << text(diff);
  EXPECT_NE(text(diff).find("only in B's config: threads = 1"), std::string::npos) << text(diff);
  EXPECT_EQ(diff_json(diff)["identical_through"], 8);
}

TEST_F(RunDiffTest, AShorterRunIsIdenticalAsFarAsItGoes) {
  const RunDiff diff = diff_with([](StepRecord&) {}, 6);
  EXPECT_TRUE(diff.identical());
  EXPECT_NE(text(diff).find("identical through step 6"), std::string::npos) << text(diff);
  EXPECT_NE(text(diff).find("A goes on to step 8"), std::string::npos) << text(diff);
}

TEST_F(RunDiffTest, OneBitOfOneLogProbIsNamed) {
  const uint64_t seed = run_seed();
  SplitMix64 random{seed};
  for (int trial = 0; trial < 10; ++trial) {
    const auto sample = static_cast<std::size_t>(random.next() % 4);
    const auto token = static_cast<std::size_t>(random.next() % (3 + sample));
    const uint32_t bit = 1u << (random.next() % 32);
    const RunDiff diff = diff_with([&](StepRecord& record) {
      float& value = record.rollouts[sample].log_probs[token];
      value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^ bit);
    });
    ASSERT_FALSE(diff.identical());
    EXPECT_EQ(diff.difference->step, 5);
    EXPECT_EQ(differing(diff), std::vector<std::string>{"rollouts"});
    ASSERT_TRUE(diff.difference->sample && diff.difference->sample->token);
    EXPECT_EQ(diff.difference->sample->index, static_cast<int64_t>(sample));
    EXPECT_EQ(diff.difference->sample->samples_differing, 1);
    EXPECT_EQ(diff.difference->sample->token->position, static_cast<int64_t>(token));
    EXPECT_EQ(diff.difference->sample->token->a->token, diff.difference->sample->token->b->token);
    EXPECT_NE(text(diff).find("first difference: step 5; steps 1 to 4 are identical"), std::string::npos)
        << text(diff);
    EXPECT_NE(text(diff).find("(1 bit differs)"), std::string::npos) << text(diff);
    EXPECT_NE(text(diff).find(fmt::format("\"t{} \"", token)), std::string::npos) << text(diff);
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
}

TEST_F(RunDiffTest, ASwappedSampleIsNamedAsSuch) {
  const RunDiff diff =
      diff_with([](StepRecord& record) { std::swap(record.rollouts[1], record.rollouts[3]); });
  ASSERT_TRUE(diff.difference && diff.difference->sample);
  EXPECT_EQ(diff.difference->sample->index, 1);
  EXPECT_EQ(diff.difference->sample->moved_to, 3);
  EXPECT_EQ(diff.difference->sample->samples_differing, 2);
  EXPECT_NE(text(diff).find("B has this sample as its sample 3"), std::string::npos) << text(diff);
}

TEST_F(RunDiffTest, AMissingSampleAnotherTokenAndALongerAnswerAreNamed) {
  RunDiff diff = diff_with([](StepRecord& record) { record.rollouts.pop_back(); });
  EXPECT_NE(text(diff).find("only A has it"), std::string::npos) << text(diff);
  EXPECT_EQ(diff_json(diff)["difference"]["sample"]["only_in"], "a");
  std::filesystem::remove(path("b.db"));
  std::filesystem::remove(path("a.db"));
  diff = diff_with([](StepRecord& record) {
    RolloutRecord& rollout = record.rollouts[2];
    rollout.tokens.push_back(9);
    rollout.log_probs.push_back(-1.0f);
    rollout.token_ends.push_back(rollout.token_ends.back());
  });
  EXPECT_EQ(diff.difference->sample->token->position, 5);
  EXPECT_FALSE(diff.difference->sample->token->a);
  EXPECT_NE(text(diff).find("the answer ended before"), std::string::npos) << text(diff);
  std::filesystem::remove(path("b.db"));
  std::filesystem::remove(path("a.db"));
  diff = diff_with([](StepRecord& record) { record.rollouts[0].tokens[1] = 77; });
  EXPECT_EQ(diff.difference->sample->token->position, 1);
  EXPECT_EQ(diff.difference->sample->token->b->token, 77);
}

TEST_F(RunDiffTest, HashesThatAreGivenAreNamedWhereSamplesAreEqual) {
  const RunDiff diff = diff_with([](StepRecord& record) {
    record.hashes.gradients = hash_of("other gradients");
    record.hashes.weights = hash_of("other weights");
  });
  EXPECT_EQ(differing(diff), (std::vector<std::string>{"gradients", "weights"}));
  EXPECT_FALSE(diff.difference->sample);
  EXPECT_NE(text(diff).find("all samples are equal; what differs was computed from them: gradients, weights"),
            std::string::npos)
      << text(diff);
}

TEST_F(RunDiffTest, RewardsMetricsAndScoresCount) {
  RunDiff diff = diff_with([](StepRecord& record) { record.rollouts[3].reward += 0.5; });
  EXPECT_EQ(differing(diff), std::vector<std::string>{"rewards"});
  ASSERT_EQ(diff.difference->sample->fields.size(), 1u);
  EXPECT_EQ(diff.difference->sample->fields[0].name, "reward");
  for (const Change& change :
       {Change([](StepRecord& record) { record.metrics[1].second = 1e-300; }),
        Change([](StepRecord& record) { record.metrics.pop_back(); }), Change([](StepRecord& record) {
          if (!record.evals.empty()) record.evals[0].score = 0.25;
        })}) {
    std::filesystem::remove(path("b.db"));
    std::filesystem::remove(path("a.db"));
    diff = diff_with(change);
    ASSERT_FALSE(diff.identical());
    EXPECT_TRUE(differing(diff).empty());
    EXPECT_EQ(diff.difference->values.size(), 1u) << text(diff);
    EXPECT_EQ(diff.difference->step, 5);
  }
}

TEST_F(RunDiffTest, AFileThatWasChangedUnderItsHashesIsFound) {
  write_run(path("a.db"), 8);
  write_run(path("b.db"), 8);
  {
    auto database = Database::open(path("b.db"), true);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE(
        database
            ->execute("UPDATE rollouts SET reward_bits = reward_bits + 1 WHERE step = 6 AND idx = 2", "test")
            .ok());
  }
  const auto a = Ledger::open(path("a.db"), LedgerMode::kRead),
             b = Ledger::open(path("b.db"), LedgerMode::kRead);
  const auto diff = diff_runs(*a, *b);
  ASSERT_TRUE(diff.ok()) << diff.message();
  ASSERT_FALSE(diff->identical());
  EXPECT_EQ(diff->difference->step, 6);
  EXPECT_FALSE(diff->difference->a_altered);
  EXPECT_TRUE(diff->difference->b_altered);
  EXPECT_EQ(diff->difference->sample->index, 2);
}

TEST_F(RunDiffTest, RunsWithoutACommonStepCannotBeCompared) {
  const Ledger a = write_run(path("a.db"), 2), b = write_run(path("b.db"), 0);
  const auto diff = diff_runs(a, b);
  ASSERT_FALSE(diff.ok());
  EXPECT_NE(diff.message().find("found none yet"), std::string::npos) << diff.message();
}

}  // namespace
}  // namespace invar
