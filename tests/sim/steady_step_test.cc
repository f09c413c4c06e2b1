// The engine step allocates nothing: neither a decode step nor a prefill chunk, where nobody is admitted or preempted.
#include <gtest/gtest.h>

#include "allocation.h"
#include "sim_machine.h"

namespace invar {
namespace {

TEST(SteadyStep, TheCounterCounts) {
  const int64_t before = allocations_of_thread();
  const auto value = std::make_unique<int64_t>(before);
  EXPECT_GT(allocations_of_thread(), *value);
}

// Everything that a sample may ask for, in one batch.
std::vector<Request> all_kinds() {
  std::vector<Request> requests;
  for (int32_t i = 0; i < 8; ++i) {
    Request request = sim_request(20 + 3 * i, 100, i);
    if (i % 2 == 1) request.sampling.temperature = 0;
    if (i == 2) request.sampling.repetition_penalty = 1.3f;
    if (i == 3) request.sampling.presence_penalty = 0.5f;
    if (i == 4) request.sampling.top_k = 5;
    if (i == 4) request.sampling.top_p = 0.7f;
    if (i == 6) request.sampling.min_p = 0.1f;
    if (i == 5) request.sampling.logit_bias = {{.token = 3, .bias = 1}};
    if (i == 6) request.sampling.stop_token_ids = {3};
    if (i == 6) request.sampling.min_tokens = 100;
    if (i >= 6) request.top_log_probs = 5;
    request.on_token = [](const TokenEvent&) { return true; };
    requests.push_back(std::move(request));
  }
  return requests;
}

TEST(SteadyStep, DecodeAllocatesNothing) {
  SimMachine machine({.prefill_rows = 512});
  for (Request& request : all_kinds()) machine.submit(std::move(request));
  Request waiting = sim_request(5, 5, 31);  // no place is left for it
  const RequestId waits = machine.submit(waiting);
  machine.engine->step();
  machine.engine->step();
  ASSERT_EQ(machine.engine->stats().running, 8);
  const int64_t before = allocations_of_thread();
  for (int i = 0; i < 97; ++i) machine.engine->step();
  EXPECT_EQ(allocations_of_thread() - before, 0);
  EXPECT_EQ(machine.engine->stats().decode_rows, 8 * 98);
  EXPECT_EQ(machine.engine->stats().running, 8);
  machine.steps_until_done(waits, 100);
}

TEST(SteadyStep, APrefillChunkAllocatesNothing) {
  SimMachine machine({.prefill_rows = 16});
  Request scored = sim_request(320, 1, 1);
  scored.prompt_log_probs = true;
  scored.top_log_probs = 3;
  machine.submit(scored);
  machine.submit(sim_request(320, 1, 2));
  machine.engine->step();
  const int64_t before = allocations_of_thread();
  for (int i = 0; i < 38; ++i) machine.engine->step();
  EXPECT_EQ(allocations_of_thread() - before, 0);
  EXPECT_EQ(machine.engine->stats().prefill_rows, 39 * 16);
}

// Who finds too few pages is not made ready for nothing in every step.
TEST(SteadyStep, DecodeBesideARequestThatWaitsForPagesAllocatesNothing) {
  SimMachine machine({.pages = 10});
  machine.submit(sim_request(40, 100, 1));
  machine.engine->step();
  machine.submit(sim_request(150, 3, 2));
  machine.engine->step();
  machine.engine->step();
  ASSERT_EQ(machine.engine->stats().waiting, 1);
  const int64_t before = allocations_of_thread();
  for (int i = 0; i < 90; ++i) machine.engine->step();
  EXPECT_EQ(allocations_of_thread() - before, 0);
  EXPECT_EQ(machine.engine->stats().waiting, 1);
}

}  // namespace
}  // namespace invar
