// Ranks with models of their own, as other processes would have: one update, one error, whatever their number.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "base/seed_testing.h"
#include "base/split_mix.h"
#include "comm/local/run_ranks.h"
#include "io/hash.h"
#include "model/golden_testing.h"
#include "model/weight_digest.h"
#include "numerics/grid_sum.h"
#include "train/policy_trainer.h"

namespace invar {
namespace {

constexpr int64_t kRows = 64;

struct Sample {
  std::vector<int32_t> tokens;
  int64_t prompt_tokens;
  std::vector<float> log_prob_old, advantage;
};

PolicySample view(const Sample& s) {
  return {.tokens = s.tokens,
          .prompt_tokens = s.prompt_tokens,
          .temperature = 1,
          .log_prob_old = s.log_prob_old,
          .log_prob_ref = {},
          .advantage = s.advantage};
}
std::vector<PolicySample> views(const std::vector<Sample>& samples) {
  std::vector<PolicySample> all;
  for (const Sample& s : samples) all.push_back(view(s));
  return all;
}

struct Rank {
  DecoderModel model = load_model(golden_folder("qwen3"));
  ThreadPool pool{1};
  Queue queue{pool, Profile::kFma32};
  PolicyTrainer trainer;

  explicit Rank(Communicator* communicator = nullptr)
      : trainer(model, queue, kRows, {.local = 1, .communicator = communicator}) {}

  // The model, the optimizer and the weights that it would write.
  std::string state() {
    const auto weights = std::as_bytes(trainer.optimizer().weights());
    return WeightDigest::of(model, pool).combined() + trainer.optimizer().digest(pool) + sha256_hex(weights);
  }
};

// Responses whose log-probs are the model's own.
std::vector<Sample> on_policy_samples(SplitMix64& random, std::size_t count) {
  Rank scorer;
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < count; ++i) {
    Sample s{.tokens = {},
             .prompt_tokens = 1 + static_cast<int64_t>(random.next() % 5),
             .log_prob_old = {},
             .advantage = {}};
    const int64_t length = s.prompt_tokens + 1 + static_cast<int64_t>(random.next() % 40);
    for (int64_t t = 0; t < length; ++t)
      s.tokens.push_back(
          static_cast<int32_t>(random.next() % static_cast<uint64_t>(scorer.model.config.vocab_size)));
    s.advantage.assign(static_cast<std::size_t>(length - s.prompt_tokens),
                       static_cast<float>(static_cast<int64_t>(random.next() % 2001) - 1000) / 512);
    const PolicySample one = view(s);
    auto scores = scorer.trainer.score({&one, 1});
    INVAR_CHECK(scores.ok(), "{}", scores.message());
    s.log_prob_old = std::move(*scores);
    samples.push_back(std::move(s));
  }
  return samples;
}

struct Ended {
  std::string message;  // of the last update, "" for Ok
  std::string state;
  std::vector<std::string> gradients;
};

// What every one of `ranks` ranks ends with after the updates, the first of them on policy.
std::vector<Ended> train(const std::vector<Sample>& samples, int ranks, int64_t updates,
                         PolicyUpdateOptions options) {
  std::vector<Ended> ended(static_cast<std::size_t>(ranks));
  const Status status = run_ranks(ranks, [&](Communicator& communicator) -> Status {
    Rank rank(&communicator);
    Ended& own = ended[static_cast<std::size_t>(communicator.rank())];
    PolicyUpdateOptions mine = options;
    if (communicator.rank() != 0) mine.interrupted = {};
    for (int64_t i = 0; i < updates; ++i) {
      mine.number = i + 1;
      mine.on_policy = i == 0;
      auto report = rank.trainer.update(views(samples), mine);
      if (!report.ok()) {
        own.message = report.message();
        break;
      }
      own.gradients.push_back(report->gradient_digest +
                              fmt::format(" {:x} {:x} {:x}", std::bit_cast<uint64_t>(report->loss),
                                          std::bit_cast<uint64_t>(report->gradient_norm),
                                          std::bit_cast<uint64_t>(report->ratio_max)));
      rank.trainer.write();
    }
    own.state = rank.state();
    return Ok{};
  });
  EXPECT_TRUE(status.ok()) << status.message();
  return ended;
}

PolicyUpdateOptions options() {
  PolicyUpdateOptions options;
  options.loss.entropy_coefficient = 0.01f;
  options.aggregation = LossAggregation::kSequence;
  options.learning_rate = 3e-3f;
  return options;
}

TEST(DataParallel, EveryRankTakesTheStepsOfOneRankAlone) {
  SplitMix64 random(run_seed());
  for (std::size_t count : {std::size_t{1}, std::size_t{9}}) {  // with one sample some ranks have none
    const std::vector<Sample> samples = on_policy_samples(random, count);
    const Ended alone = train(samples, 1, 3, options()).front();
    EXPECT_EQ(alone.message, "");
    EXPECT_EQ(alone.gradients.size(), 3u);
    EXPECT_NE(alone.gradients[0], alone.gradients[1]);
    for (int ranks : {2, 3, 4}) {
      for (const Ended& rank : train(samples, ranks, 3, options())) {
        EXPECT_EQ(rank.message, "");
        EXPECT_EQ(rank.gradients, alone.gradients) << ranks << " ranks, " << count << " samples";
        EXPECT_EQ(rank.state, alone.state) << ranks << " ranks, " << count << " samples";
      }
    }
  }
}

// One update that fails: every rank says so in these words, and none has changed.
void expect_failure(const std::vector<Sample>& samples, const PolicyUpdateOptions& options,
                    const std::string& words) {
  const std::string before = Rank().state();
  std::string message;
  for (int ranks : {1, 2, 4}) {
    for (const Ended& rank : train(samples, ranks, 1, options)) {
      if (message.empty()) message = rank.message;
      EXPECT_EQ(rank.message, message) << ranks << " ranks";
      EXPECT_EQ(rank.message.find(words), 0u) << rank.message;
      EXPECT_EQ(rank.state, before) << ranks << " ranks";
    }
    // The same by ranks of one trainer.
    Rank rank;
    PolicyTrainer trainer(rank.model, rank.queue, kRows, {.local = ranks});
    PolicyUpdateOptions first = options;
    first.on_policy = true;
    const auto report = trainer.update(views(samples), first);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.message(), message);
    EXPECT_EQ(rank.state(), before);
    EXPECT_EQ(trainer.optimizer().digest(rank.pool), rank.trainer.optimizer().digest(rank.pool));
  }
}

TEST(DataParallel, ALogProbThatIsNotTheSamplersStopsEveryRankAndTheFirstOfThemIsNamed) {
  SplitMix64 random(run_seed());
  std::vector<Sample> samples = on_policy_samples(random, 12);
  // Of several ranks' shares; in the last of the named sample's tokens.
  for (std::size_t s : {4u, 6u, 11u}) {
    float& last = samples[s].log_prob_old.back();
    last = std::nextafter(last, 0.0f);
  }
  expect_failure(samples, options(),
                 fmt::format("sample 4, response token {} (id {})", samples[4].log_prob_old.size() - 1,
                             samples[4].tokens.back()));
}

TEST(DataParallel, TheFirstFailingSampleIsNamedWhateverItsFailure) {
  SplitMix64 random(run_seed());
  std::vector<Sample> samples = on_policy_samples(random, 8);
  samples[7].log_prob_old[0] += 1;
  samples[2].advantage.back() = NAN;
  expect_failure(samples, options(), "sample 2: advantage of token");
  samples[1].log_prob_old[0] += 1;
  expect_failure(samples, options(), "sample 1, response token 0");
}

TEST(DataParallel, ASampleThatCannotBeTrainedOnIsRefusedByEveryRank) {
  SplitMix64 random(run_seed());
  std::vector<Sample> samples = on_policy_samples(random, 5);
  samples[3].tokens.back() = 199;
  samples[4].advantage.clear();
  samples[4].log_prob_old.pop_back();
  expect_failure(samples, options(), "sample 3: unknown token id 199");
  samples[3].tokens.back() = 198;
  samples[0].tokens.resize(100);
  samples[0].log_prob_old.clear();
  samples[0].advantage.assign(static_cast<std::size_t>(100 - samples[0].prompt_tokens), 1);
  expect_failure(samples, options(), "sample 0: 99 rows in a micro-batch, expected at most 64");
}

TEST(DataParallel, GradientsThatLeaveTheGridOnOneRankStopAll) {
  SplitMix64 random(run_seed());
  std::vector<Sample> samples = on_policy_samples(random, 8);
  samples[6].advantage.assign(samples[6].advantage.size(), 60000.0f);
  PolicyUpdateOptions big = options();
  big.aggregation = LossAggregation::kToken;
  expect_failure(samples, big, "gradients of ");
  samples[6].advantage.assign(samples[6].advantage.size(), 1e9f);
  expect_failure(samples, big, "the loss left the grid");
}

TEST(DataParallel, ARankThatIsInterruptedStopsAll) {
  SplitMix64 random(run_seed());
  const std::vector<Sample> samples = on_policy_samples(random, 8);
  PolicyUpdateOptions stopped = options();
  stopped.interrupted = [] { return true; };  // of rank 0
  expect_failure(samples, stopped, "interrupted");
}

TEST(DataParallel, SumsThatOnlyAllRanksTogetherDriveOffTheGridAreFlaggedOnEveryRank) {
  const auto check = [](int64_t each, std::size_t element, const std::string& expected) {
    const Status status = run_ranks(3, [&](Communicator& communicator) -> Status {
      DecoderModel model = load_model(golden_folder("llama"));
      const ParameterLayout layout(model);
      Gradients gradients(model, layout);
      ThreadPool pool(2);
      Queue queue(pool, Profile::kFma32);
      gradients.clear(queue);
      const std::size_t at = element == 0
                                 ? static_cast<std::size_t>(layout.begin_of(model.blocks[1].mlp.down.weight))
                                 : static_cast<std::size_t>(layout.begin_of(model.final_norm.weight));
      gradients.sums()[at] = each;
      EXPECT_TRUE(gradients.check().ok());
      INVAR_RETURN_IF_ERROR(gradients.all_reduce(queue, communicator));
      const Status checked = gradients.check();
      EXPECT_EQ(checked.ok() ? "" : checked.message().substr(0, expected.size()), expected);
      return Ok{};
    });
    EXPECT_TRUE(status.ok()) << status.message();
  };
  constexpr int64_t kThird = kGridBufferLimit / 3;
  check(kThird, 0, "");
  check(-kThird, 0, "");
  check(kThird + 1, 0, "gradients of layer 1 left");
  check(-kThird - 1, 0, "gradients of layer 1 left");
  check(kGridBufferLimit - 1, 0, "gradients of layer 1 left");  // whose sum is no int64
  check(kThird + 1, 1, "gradients of the embedding, the final norm or the LM head left");
}

}  // namespace
}  // namespace invar
