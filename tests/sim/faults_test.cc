// What goes wrong for one request stays its own: logits that are no numbers, memory that runs out in submit(), weights
// that change while a prompt is scored.
#include <gtest/gtest.h>

#include <bit>
#include <new>
#include <optional>
#include <stdexcept>

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

TEST(Faults, RunLeavesNothingBehindWhenMemoryRunsOut) {
  int64_t refused = 0;
  bool ran = false;
  for (int64_t after = 0; !ran; ++after) {
    ASSERT_LT(after, 1000);
    SimMachine machine;
    std::vector<Request> requests(3, sim_request(20, 5));
    {
      const FailingAllocation failing(after);
      try {
        const auto results = machine.engine->run(std::move(requests));
        ran = results.ok();
        // A sample that alone had none ends with an error; then the run goes on.
        if (!results.ok()) {
          EXPECT_EQ(results.message(), "out of memory");
        }
      } catch (const std::bad_alloc&) {}  // before the first is submitted
      if (failing.failed()) ran = false;
    }
    ++refused;
    EXPECT_EQ(machine.engine->stats().waiting, 0);
    EXPECT_FALSE(machine.engine->step());
    EXPECT_EQ(machine.engine->run({sim_request(20, 5)})->front().samples[0].tokens.size(), 5u);
  }
  EXPECT_GT(refused, 3);
}

std::vector<Request> requests_that_crowd() {
  std::vector<Request> requests = {sim_request(20, 12), sim_request(35, 20, 1), sim_request(1, 9, 2)};
  requests[0].sampling.n = 3;
  requests[1].prompt_log_probs = true;
  requests[1].top_log_probs = 2;
  requests[2].sampling.repetition_penalty = 1.5f;
  requests[2].priority = 3;
  return requests;
}

TEST(Faults, MemoryThatRunsOutInAStepCostsAtMostTheSampleItWasFor) {
  constexpr SimMachineOptions kCrowded{.pages = 8, .page_size = 8, .prefill_rows = 16};
  const std::vector<Request> requests = requests_that_crowd();
  SimMachine alone;
  std::vector<RequestResult> expected;
  for (const Request& request : requests) expected.push_back(run(alone, request));
  int64_t failed_samples = 0, preemptions = 0;
  bool failed = true;
  for (int64_t after = 0; failed; ++after) {
    ASSERT_LT(after, 2000);
    SimMachine machine(kCrowded);
    for (const Request& request : requests) machine.submit(request);
    {
      const FailingAllocation failing(after);
      while (machine.engine->step()) {}
      failed = failing.failed();
    }
    EXPECT_EQ(machine.engine->check(), "");
    for (std::size_t r = 0; r < requests.size(); ++r) {
      ASSERT_TRUE(machine.engine->done(r + 1)) << "allocation " << after;
      const RequestResult result = machine.engine->take(r + 1);
      preemptions += result.preemptions;
      for (std::size_t s = 0; s < result.samples.size(); ++s) {
        const SampleResult& sample = result.samples[s];
        if (sample.finish == FinishReason::kError) {
          EXPECT_EQ(sample.message, "out of memory");
          ++failed_samples;
          continue;
        }
        EXPECT_EQ(sample.tokens, expected[r].samples[s].tokens);
        EXPECT_EQ(bits(sample.log_probs), bits(expected[r].samples[s].log_probs));
        if (s == 0) {
          EXPECT_EQ(bits(result.prompt_log_probs), bits(expected[r].prompt_log_probs));
        }
      }
    }
  }
  EXPECT_GT(failed_samples, 5);
  EXPECT_GT(preemptions, 5);
}

TEST(Faults, WhatOnTokenThrowsIsTheCallersAndChangesNoBit) {
  Request request = sim_request(20, 12);
  request.sampling.n = 2;
  SimMachine alone;
  const RequestResult expected = run(alone, request);
  for (int64_t at = 0; at < 24; ++at) {
    SimMachine machine;
    int64_t events = 0;
    Request throwing = request;
    throwing.on_token = [&](const TokenEvent&) {
      if (events++ == at) throw std::runtime_error("no");
      return true;
    };
    const RequestId id = machine.submit(throwing);
    int64_t thrown = 0;
    for (bool more = true; more;) {
      try {
        more = machine.engine->step();
      } catch (const std::runtime_error&) {
        ++thrown;
      }
    }
    EXPECT_EQ(thrown, 1);
    const RequestResult result = machine.engine->take(id);
    for (int s = 0; s < 2; ++s) {
      EXPECT_EQ(result.samples[s].tokens, expected.samples[s].tokens);
      EXPECT_EQ(bits(result.samples[s].log_probs), bits(expected.samples[s].log_probs));
      EXPECT_EQ(result.samples[s].finish, expected.samples[s].finish);
    }
  }
}

}  // namespace
}  // namespace invar
