// The example of engine.h, as it stands there: two requests, one of them streamed.
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/model_executor.h"
#include "model/registry.h"

namespace invar {
namespace {

TEST(EngineExample, SubmitsStepsAndTakesResults) {
  // A model, the threads and profile that it runs with, and the memory of its KV cache.
  auto weights = WeightSource::open(INVAR_SOURCE_DIR "/tests/goldens/models/llama");
  ASSERT_TRUE(weights.ok()) << weights.message();
  auto model = load_decoder(*weights);
  ASSERT_TRUE(model.ok()) << model.message();
  ThreadPool pool(2);
  Queue queue(pool, Profile::kFma32);
  auto executor = ModelExecutor::create(*model, queue, {.kv_bytes = 64 << 20}, "the weights' fingerprint");
  ASSERT_TRUE(executor.ok()) << executor.message();

  auto engine = Engine::create(**executor, queue, {.eos_ids = {0}});
  ASSERT_TRUE(engine.ok()) << engine.message();
  const std::vector<int32_t> prompt = {1, 2, 3};
  auto greedy = (*engine)->submit({.prompt = prompt, .sampling = {.temperature = 0, .max_tokens = 8}});
  ASSERT_TRUE(greedy.ok()) << greedy.message();
  Request sampled{.prompt = prompt, .sampling = {.top_p = 0.9f, .seed = 7, .n = 2, .max_tokens = 8}};
  int streamed = 0;
  sampled.on_token = [&](const TokenEvent&) { return ++streamed > 0; };
  auto samples = (*engine)->submit(std::move(sampled));
  ASSERT_TRUE(samples.ok()) << samples.message();
  const auto refused = (*engine)->submit({.prompt = {}});
  EXPECT_EQ(refused.message(), "the prompt is empty; expected at least one token");

  while ((*engine)->step()) {}
  const RequestResult answer = (*engine)->take(*greedy);
  EXPECT_EQ(answer.samples[0].tokens.size(), answer.samples[0].log_probs.size());
  const RequestResult two = (*engine)->take(*samples);
  EXPECT_NE(two.samples[0].tokens, two.samples[1].tokens);
  EXPECT_EQ(streamed, static_cast<int>(two.samples[0].tokens.size() + two.samples[1].tokens.size()));
}

}  // namespace
}  // namespace invar
