// What a request may ask for, and what its result holds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "engine/engine_testing.h"

namespace invar {
namespace {

RequestResult run_one(Machine& machine, Request request) {
  auto results = machine.engine->run({std::move(request)});
  INVAR_CHECK(results.ok(), "{}", results.message());
  return std::move(results->front());
}

TEST(EngineRequest, SamplesOfOneRequestAreThoseOfRequestsOfOneSample) {
  Request request = request_of(40, 12);
  request.sampling.n = 5;
  request.first_sample = 3;
  Machine machine({.page_size = 16});
  const RequestResult together = run_one(machine, request);
  ASSERT_EQ(together.samples.size(), 5u);
  std::set<std::vector<int32_t>> distinct;
  for (uint64_t i = 0; i < 5; ++i) {
    Request alone = request_of(40, 12);
    alone.first_sample = 3 + i;
    const Answer expected = Machine().run({alone}).front();
    EXPECT_EQ(together.samples[i].tokens, expected.tokens);
    EXPECT_EQ(bits(together.samples[i].log_probs), bits(expected.log_probs));
    distinct.insert(expected.tokens);
  }
  EXPECT_EQ(distinct.size(), 5u);
  // The prompt was computed once: of each other sample its last token only.
  EXPECT_EQ(together.cached_tokens, 4 * 39);
}

TEST(EngineRequest, TopLogProbsHoldTheDrawnTokenAndAreOrdered) {
  Request request = request_of(30, 6);
  request.top_log_probs = 7;
  request.prompt_log_probs = true;
  Machine machine({.prefill_rows = 8});
  const RequestResult result = run_one(machine, request);
  const SampleResult& sample = result.samples.front();
  ASSERT_EQ(sample.top.size(), 6u * 7);
  ASSERT_EQ(result.prompt_top.size(), 29u * 7);
  for (std::size_t i = 0; i < sample.top.size(); ++i) {
    if (i % 7 != 0) {
      EXPECT_GE(sample.top[i - 1].log_prob, sample.top[i].log_prob);
    }
    if (sample.top[i].token == sample.tokens[i / 7]) {
      EXPECT_EQ(std::bit_cast<uint32_t>(sample.top[i].log_prob),
                std::bit_cast<uint32_t>(sample.log_probs[i / 7]));
    }
  }
  // A greedy answer is the likeliest token each time.
  Request greedy = request_of(30, 6, 1, 0);
  greedy.top_log_probs = 1;
  const SampleResult first = run_one(machine, greedy).samples.front();
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(first.top[i].token, first.tokens[i]);
}

TEST(EngineRequest, APromptCanBeScoredWithoutATokenDrawn) {
  Request request = request_of(50, 0);
  request.prompt_log_probs = true;
  Machine machine({.prefill_rows = 7});
  const RequestResult scored = run_one(machine, request);
  EXPECT_TRUE(scored.samples.front().tokens.empty());
  EXPECT_EQ(scored.samples.front().finish, FinishReason::kLength);
  Request drawing = request_of(50, 3);
  drawing.prompt_log_probs = true;
  EXPECT_EQ(bits(scored.prompt_log_probs), bits(run_one(machine, drawing).prompt_log_probs));
}

TEST(EngineRequest, AbsurdParametersAreRefusedAloneAndChangeNobodysBits) {
  Machine machine({.max_running = 4});
  const Request good = request_of(20, 10, 5);
  const Answer expected = Machine().run({good}).front();
  const auto with = [&](auto change) {
    Request request = request_of(20, 10);
    change(request);
    return request;
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<std::pair<Request, std::string>> absurd = {
      {with([&](Request& r) { r.sampling.temperature = nan; }), "temperature"},
      {with([](Request& r) { r.sampling.temperature = -1; }), "temperature"},
      {with([](Request& r) { r.sampling.top_p = 0; }), "top_p"},
      {with([](Request& r) { r.sampling.n = 1000000000; }), "n: expected 1 to 65536"},
      {with([](Request& r) { r.sampling.n = 0; }), "n: expected 1"},
      {with([](Request& r) { r.prompt.clear(); }), "the prompt is empty"},
      {with([](Request& r) { r.prompt[3] = 1 << 30; }), "unknown token id"},
      {with([](Request& r) { r.sampling.max_tokens = std::numeric_limits<int64_t>::max(); }),
       "context of 2048"},
      {with([](Request& r) { r.prompt.assign(3000, 1); }), "context of 2048"},
      {with([](Request& r) { r.sampling.stop = {"x"}; }), "stop strings need a tokenizer"},
      {with([](Request& r) { r.top_log_probs = 65; }), "top_log_probs: expected 0 to 64"},
      {with([](Request& r) { r.priority = 1001; }), "priority: expected"},
  };
  auto first = machine.engine->submit(good);
  machine.engine->step();
  for (const auto& [request, message] : absurd) {
    const auto refused = machine.engine->submit(request);
    ASSERT_FALSE(refused.ok()) << message;
    EXPECT_NE(refused.message().find(message), std::string::npos) << refused.message();
    machine.engine->step();
  }
  auto second = machine.engine->submit(good);
  while (machine.engine->step()) {}
  for (RequestId id : {*first, *second}) {
    const SampleResult sample = machine.engine->take(id).samples.front();
    EXPECT_EQ(sample.tokens, expected.tokens);
    EXPECT_EQ(bits(sample.log_probs), bits(expected.log_probs));
  }
}

TEST(EngineRequest, AbortEndsOneRequestAndKeepsWhatItHas) {
  Machine machine({.max_running = 2});
  Request request = request_of(10, 50);
  request.sampling.n = 3;
  const auto id = machine.engine->submit(request);
  const auto other = machine.engine->submit(request_of(12, 8, 9));
  for (int i = 0; i < 6; ++i) machine.engine->step();
  EXPECT_FALSE(machine.engine->done(*id));
  EXPECT_TRUE(machine.engine->abort(*id));
  EXPECT_TRUE(machine.engine->done(*id));
  EXPECT_FALSE(machine.engine->abort(*id));
  EXPECT_FALSE(machine.engine->abort(999));
  const RequestResult aborted = machine.engine->take(*id);
  EXPECT_GT(aborted.samples[0].tokens.size(), 0u);
  EXPECT_EQ(aborted.samples[2].tokens.size(), 0u);
  for (const SampleResult& sample : aborted.samples) EXPECT_EQ(sample.finish, FinishReason::kAborted);
  while (machine.engine->step()) {}
  EXPECT_EQ(machine.engine->take(*other).samples.front().tokens,
            Machine().run({request_of(12, 8, 9)}).front().tokens);
  EXPECT_EQ(machine.engine->check(), "");
}

TEST(EngineRequest, APriorityIsAHeadStartAndNothingMore) {
  Machine machine({.max_running = 1});
  std::vector<RequestId> finished;
  const auto submit = [&](int32_t priority) {
    Request request = request_of(4, 2, 1);
    request.priority = priority;
    request.on_token = [&finished](const TokenEvent& event) {
      if (finished.empty() || finished.back() != event.request) finished.push_back(event.request);
      return true;
    };
    return *machine.engine->submit(std::move(request));
  };
  const RequestId low = submit(0);
  for (int64_t i = 0; i < Engine::kArrivalsOfPriority + 20; ++i) submit(1);
  while (machine.engine->step()) {}
  const auto place = std::find(finished.begin(), finished.end(), low) - finished.begin();
  // A request of priority 1 that came kArrivalsOfPriority later goes behind.
  EXPECT_EQ(place, Engine::kArrivalsOfPriority - 1);
}

}  // namespace
}  // namespace invar
