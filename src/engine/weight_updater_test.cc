#include "engine/weight_updater.h"

#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "model/fingerprint.h"
#include "model/update.h"

namespace invar {
namespace {

constexpr const char* kChanged[] = {"model.layers.0.self_attn.k_proj.weight", "model.norm.weight"};

// Every value of two weights, upside down.
struct Changes {
  explicit Changes(const DecoderModel& model) {
    for (const WeightSpec& spec : weight_specs(model.config)) {
      if (spec.name != kChanged[0] && spec.name != kChanged[1]) continue;
      auto values = read_weight(model, spec.name);
      INVAR_CHECK(values.ok(), "{}", values.message());
      for (bf16& x : values->span()) x.bits ^= 0x8000;
      buffers.push_back(std::move(*values));
      weights.push_back({.name = spec.name, .shape = spec.shape, .values = {}});
    }
    for (std::size_t i = 0; i < buffers.size(); ++i) weights[i].values = buffers[i].span();
  }
  std::vector<Buffer<bf16>> buffers;
  std::vector<WeightUpdater::NamedWeight> weights;
};

struct Live {
  Live() : model(load_model(golden_folder("llama"))), digest(WeightDigest::of(model, pool)) {
    auto fingerprint = model_fingerprint(model.config, queue.profile(), digest.combined());
    INVAR_CHECK(fingerprint.ok(), "{}", fingerprint.message());
    auto made = ModelExecutor::create(model, queue, {.page_size = 16, .kv_bytes = 64 << 20}, *fingerprint);
    INVAR_CHECK(made.ok(), "{}", made.message());
    executor = std::move(*made);
    auto created = Engine::create(*executor, queue, {});
    INVAR_CHECK(created.ok(), "{}", created.message());
    engine = std::move(*created);
    updater = std::make_unique<WeightUpdater>(model, digest, queue, *executor, *engine);
  }
  RequestResult answer(const Request& request) {
    auto results = engine->run({request});
    INVAR_CHECK(results.ok(), "{}", results.message());
    return std::move(results->front());
  }

  ThreadPool pool{2};
  Queue queue{pool, Profile::kFma32};
  DecoderModel model;
  WeightDigest digest;
  std::unique_ptr<ModelExecutor> executor;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<WeightUpdater> updater;
};

TEST(WeightUpdater, AnswersAreThoseOfAModelLoadedWithTheNewWeights) {
  const Request request = request_of(60, 12);
  Live live;
  const RequestResult before = live.answer(request);
  const Changes changes(live.model);
  ASSERT_TRUE(live.updater->replace(changes.weights).ok());
  const RequestResult after = live.answer(request);
  EXPECT_EQ(after.cached_tokens, 0);  // nothing of the old weights is found
  EXPECT_NE(bits(after.samples[0].log_probs), bits(before.samples[0].log_probs));

  Live fresh;
  for (const auto& weight : changes.weights)
    ASSERT_TRUE(update_weight(fresh.model, weight.name, weight.shape, weight.values, nullptr).ok());
  const RequestResult expected = fresh.answer(request);
  EXPECT_EQ(after.samples[0].tokens, expected.samples[0].tokens);
  EXPECT_EQ(bits(after.samples[0].log_probs), bits(expected.samples[0].log_probs));
  EXPECT_EQ(live.updater->digest(), WeightDigest::of(fresh.model, fresh.pool));

  ASSERT_EQ(before.samples[0].weights.size(), 1u);
  ASSERT_EQ(after.samples[0].weights.size(), 1u);
  EXPECT_EQ(before.samples[0].weights[0].version, 0);
  EXPECT_EQ(after.samples[0].weights[0].version, 1);
  EXPECT_EQ(before.samples[0].weights[0].fingerprint.size(), 64u);
  EXPECT_NE(after.samples[0].weights[0].fingerprint, before.samples[0].weights[0].fingerprint);
}

TEST(WeightUpdater, ASampleThatRunsGoesOnAsIfItsTokensWereThePromptOfTheNewWeights) {
  Live live;
  const auto id = live.engine->submit(request_of(40, 20));
  ASSERT_TRUE(id.ok());
  for (int i = 0; i < 8; ++i) live.engine->step();
  const Changes changes(live.model);
  ASSERT_TRUE(live.updater->replace(changes.weights).ok());
  while (live.engine->step()) {}
  const SampleResult sample = live.engine->take(*id).samples[0];
  ASSERT_EQ(sample.weights.size(), 2u);
  const int64_t drawn = sample.weights[1].begin;
  EXPECT_EQ(drawn, 8);
  EXPECT_EQ(sample.weights[1].version, 1);

  Request rest = request_of(40, 20 - drawn);
  rest.prompt.insert(rest.prompt.end(), sample.tokens.begin(), sample.tokens.begin() + drawn);
  const SampleResult expected = live.answer(rest).samples[0];
  EXPECT_EQ(std::vector<int32_t>(sample.tokens.begin() + drawn, sample.tokens.end()), expected.tokens);
  EXPECT_EQ(bits({sample.log_probs.begin() + drawn, sample.log_probs.end()}), bits(expected.log_probs));
}

TEST(WeightUpdater, RefusesWhatDoesNotFitAndChangesNothing) {
  Live live;
  const Changes changes(live.model);
  const auto refusal = [&](std::vector<WeightUpdater::NamedWeight> weights) {
    const Status status = live.updater->replace(weights);
    return status.ok() ? "" : status.message();
  };
  auto wrong = changes.weights;
  wrong[1].shape = {1};
  EXPECT_EQ(refusal(wrong), "model.norm.weight: expected shape [64], found [1]");
  wrong = changes.weights;
  wrong[1].values = wrong[1].values.first(3);
  EXPECT_EQ(refusal(wrong), "model.norm.weight: expected 64 values for shape [64], found 3");
  wrong = changes.weights;
  wrong[1].name = "model.unknown";
  EXPECT_EQ(refusal(wrong),
            "expected the name of a weight of this LlamaForCausalLM of 2 layers, found \"model.unknown\"");
  EXPECT_NE(refusal({changes.weights[0], changes.weights[0]}).find("twice"), std::string::npos);
  EXPECT_EQ(WeightDigest::of(live.model, live.pool), live.digest);
  EXPECT_EQ(live.executor->weights().version, 0);
}

}  // namespace
}  // namespace invar
