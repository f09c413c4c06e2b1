// Pages that are shared, taken away and computed again: none of it changes a bit.
#include <gtest/gtest.h>

#include <random>

#include "engine/engine_testing.h"

namespace invar {
namespace {

TEST(EngineSharing, APrefixOfSixtyFourRequestsIsComputedOnce) {
  constexpr int64_t kShared = 1000, kRequests = 64;
  std::vector<Request> requests;
  for (int64_t i = 0; i < kRequests; ++i) {
    requests.push_back(request_of(kShared, 4));
    requests.back().prompt.push_back(static_cast<int32_t>(i));
    requests.back().prompt.push_back(7);
  }
  Machine machine({.prefill_rows = 256, .max_running = 64});
  const auto answers = machine.run(requests);
  // Of each prompt but the first, its two own tokens.
  EXPECT_EQ(machine.prefill_rows(), kShared + 2 * kRequests);
  EXPECT_EQ(machine.cached_tokens(), kShared * (kRequests - 1));
  for (std::size_t i : {0, 1, 63}) expect_same(answers[i], Machine().run({requests[i]}).front());
}

TEST(EngineSharing, PreemptionAtAnyStepKeepsEveryBit) {
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 5; ++i) {
    requests.push_back(request_of(20 + static_cast<int64_t>(i) * 13, 20, i));
    requests.back().prompt_log_probs = i % 2 == 0;
    requests.back().sampling.repetition_penalty = 1.2f;
  }
  const auto alone = each_alone(requests);
  for (uint32_t seed = 0; seed < 8; ++seed) {
    std::mt19937 random(seed);
    Machine machine({.prefill_rows = 24, .max_running = 3, .page_size = 16});
    std::vector<RequestId> ids;
    for (const Request& request : requests) ids.push_back(*machine.engine->submit(request));
    while (machine.engine->step()) {
      if (random() % 4 == 0) machine.engine->preempt_all();
      if (random() % 8 == 0) machine.engine->flush_cache();
      ASSERT_EQ(machine.engine->check(), "");
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const RequestResult result = machine.engine->take(ids[i]);
      EXPECT_EQ(result.samples.front().tokens, alone[i].tokens);
      EXPECT_EQ(bits(result.samples.front().log_probs), bits(alone[i].log_probs));
      EXPECT_EQ(bits(result.prompt_log_probs), bits(alone[i].prompt_log_probs));
    }
    EXPECT_GT(machine.engine->stats().preemptions, 0);
  }
}

TEST(EngineSharing, WhenPagesRunOutTheLastIsPreemptedAndTheFirstIsNot) {
  Machine machine({.max_running = 4, .page_size = 16, .pages = 8});
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 4; ++i) requests.push_back(request_of(16, 60, i));
  const auto alone = each_alone(requests);
  std::vector<RequestId> ids;
  for (const Request& request : requests) ids.push_back(*machine.engine->submit(request));
  while (machine.engine->step()) ASSERT_EQ(machine.engine->check(), "");
  EXPECT_GT(machine.engine->stats().preemptions, 0);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const RequestResult result = machine.engine->take(ids[i]);
    EXPECT_EQ(result.samples.front().tokens, alone[i].tokens);
    EXPECT_EQ(bits(result.samples.front().log_probs), bits(alone[i].log_probs));
    if (i == 0) {
      EXPECT_EQ(result.preemptions, 0);
    }
  }
}

TEST(EngineSharing, FlushedPagesAreFreeWhenNobodyRuns) {
  Machine machine({.page_size = 16, .pages = 50});
  machine.run({request_of(100, 10), request_of(60, 10, 2)});
  EXPECT_GT(machine.engine->stats().cached_pages, 0);
  machine.engine->flush_cache();
  EXPECT_EQ(machine.engine->stats().cached_pages, 0);
  EXPECT_EQ(machine.engine->stats().free_pages, 50);
}

TEST(EngineSharing, WithoutAPrefixCacheNothingIsSharedAndTheBitsAreTheSame) {
  Machine machine;
  auto engine = Engine::create(*machine.executor, machine.queue,
                               {.prefill_rows = 256, .max_running = 64, .prefix_cache = false});
  ASSERT_TRUE(engine.ok()) << engine.message();
  const Request request = request_of(90, 5);
  const auto results = (*engine)->run({request, request});
  ASSERT_TRUE(results.ok()) << results.message();
  EXPECT_EQ((*engine)->stats().cached_tokens, 0);
  EXPECT_EQ((*results)[1].samples.front().tokens, machine.run({request}).front().tokens);
}

}  // namespace
}  // namespace invar
