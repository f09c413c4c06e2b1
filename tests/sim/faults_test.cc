// What goes wrong for one request stays its own: logits that are no numbers, memory that runs out in submit(), weights
// that change while a prompt is scored.
#include <gtest/gtest.h>

#include <bit>
#include <new>
#include <optional>

#include "allocation.h"
#include "reference.h"
#include "sim_machine.h"

namespace invar {
namespace {

std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> out;
  for (float value : values) out.push_back(std::bit_cast<uint32_t>(value));
  return out;
}

RequestResult run(SimMachine& machine, const Request& request) {
  const RequestId id = machine.submit(request);
  machine.steps_until_done(id, 10000);
  return machine.engine->take(id);
}

TEST(Faults, PromptLogProbsBeforeBrokenLogitsAreTheSameForEveryChunking) {
  int64_t broken = 0;
  for (int32_t text = 0; text < 20; ++text) {
    Request request = sim_request(60, 2, text);
    request.prompt_log_probs = true;
    SimMachine whole({.broken_one_in = 50});
    const RequestResult expected = run(whole, request);
    broken += expected.samples[0].finish == FinishReason::kError;
    for (int64_t rows : {1, 7, 16, 59}) {
      SimMachine machine({.prefill_rows = rows, .broken_one_in = 50});
      const RequestResult result = run(machine, request);
      EXPECT_EQ(bits(result.prompt_log_probs), bits(expected.prompt_log_probs)) << rows;
      EXPECT_EQ(result.samples[0].finish, expected.samples[0].finish) << rows;
      EXPECT_EQ(result.samples[0].message, expected.samples[0].message) << rows;
    }
  }
  EXPECT_GT(broken, 3);
}

TEST(Faults, WeightsThatChangeWhileAPromptIsScoredScoreAllOfIt) {
  Request request = sim_request(60, 2);
  request.prompt_log_probs = true;
  request.top_log_probs = 2;
  SimMachine changed_before({.prefill_rows = 16});
  changed_before.executor.change_weights();
  changed_before.engine->weights_changed();
  const RequestResult expected = run(changed_before, request);

  SimMachine machine({.prefill_rows = 16});
  const RequestId id = machine.submit(request);
  machine.engine->step();
  machine.engine->step();
  machine.executor.change_weights();
  machine.engine->weights_changed();
  machine.steps_until_done(id, 100);
  const RequestResult result = machine.engine->take(id);
  EXPECT_EQ(bits(result.prompt_log_probs), bits(expected.prompt_log_probs));
  EXPECT_EQ(result.prompt_top.size(), expected.prompt_top.size());
  EXPECT_EQ(result.samples[0].tokens, expected.samples[0].tokens);
}

TEST(Faults, ARequestForWhichMemoryRunsOutIsRefusedAndLeavesTheEngineAsItWas) {
  for (const bool all_later : {false, true}) {
    SimMachine machine;
    Request request = sim_request(20, 5);
    request.sampling.n = 3;
    request.sampling.logit_bias = {{.token = 1, .bias = 2}};
    SimMachine other;
    const RequestResult expected = run(other, request);
    const RequestId running = machine.submit(request);
    machine.engine->step();
    const int64_t waiting = machine.engine->stats().waiting;
    int64_t refused = 0;
    for (;; ++refused) {
      ASSERT_LT(refused, 50);
      Request copy = request;
      std::optional<Result<RequestId>> id;
      {
        const FailingAllocation failing(refused, all_later);
        id.emplace(machine.engine->submit(std::move(copy)));
        if (!failing.failed()) break;
      }
      ASSERT_FALSE(id->ok());
      EXPECT_NE(id->message().find("out of memory"), std::string::npos);
      EXPECT_EQ(machine.engine->stats().waiting, waiting);
      EXPECT_EQ(machine.engine->check(), "");
      EXPECT_FALSE(machine.engine->abort(running + 1));
    }
    EXPECT_GT(refused, 3);
    while (machine.engine->step()) {}
    for (RequestId id : {running, running + 1}) {
      ASSERT_TRUE(machine.engine->done(id));
      const RequestResult result = machine.engine->take(id);
      for (int s = 0; s < 3; ++s) EXPECT_EQ(result.samples[s].tokens, expected.samples[s].tokens);
    }
  }
}

TEST(Faults, RunLeavesNothingBehindWhenMemoryRunsOutForOneOfItsRequests) {
  int64_t refused = 0;
  for (int64_t after = 0; after < 100; ++after) {
    SimMachine machine;
    std::vector<Request> requests(3, sim_request(20, 5));
    try {
      const FailingAllocation failing(after);
      const auto results = machine.engine->run(std::move(requests));
      if (results.ok()) continue;
      EXPECT_EQ(results.message(), "out of memory");
    } catch (const std::bad_alloc&) {
      if (refused > 0) break;  // all is submitted, and this was in a step
      continue;
    }
    ++refused;
    EXPECT_EQ(machine.engine->stats().waiting, 0);
    EXPECT_FALSE(machine.engine->step());
    EXPECT_EQ(machine.engine->run({sim_request(20, 5)})->front().samples[0].tokens.size(), 5u);
  }
  EXPECT_GT(refused, 3);
}

}  // namespace
}  // namespace invar
