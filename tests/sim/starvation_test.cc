// Nobody waits for ever: streams of requests against one that they could hold up.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "sim_machine.h"

namespace invar {
namespace {

TEST(Starvation, AStreamOfUrgentRequestsHoldsAPatientOneUpForTheHeadStartOfItsPriorityOnly) {
  constexpr int64_t kPriority = 10;
  SimMachine machine({.max_running = 2});
  for (int32_t i = 0; i < 4; ++i) machine.submit(sim_request(5, 4, i));
  Request patient = sim_request(5, 4, 30);
  patient.priority = -kPriority;
  const RequestId id = machine.submit(patient);
  int64_t arrivals = 0;
  while (!machine.engine->done(id)) {
    Request urgent = sim_request(5, 4, static_cast<int32_t>(arrivals++ % 30));
    urgent.priority = 0;
    machine.submit(urgent);
    // A request keeps one of two places for 4 steps: half a request a step, so that a queue builds up.
    machine.engine->step();
    machine.engine->step();
    ASSERT_LE(arrivals, kPriority * Engine::kArrivalsOfPriority + 100);
  }
  // It did wait: a stream that has no effect tests nothing.
  EXPECT_GT(arrivals, kPriority * Engine::kArrivalsOfPriority / 2);
}

TEST(Starvation, NobodyOvertakesARequestThatWaitsForPages) {
  SimMachine machine({.pages = 16});
  std::vector<RequestId> order;
  const auto submit = [&](Request request) {
    request.on_token = [&order](const TokenEvent& event) {
      if (order.empty() || order.back() != event.request) order.push_back(event.request);
      return true;
    };
    return machine.submit(std::move(request));
  };
  for (int32_t i = 0; i < 3; ++i) submit(sim_request(16, 16, i));
  machine.engine->step();
  const RequestId large = submit(sim_request(16 * 16 - 4, 4, 20));
  for (int32_t i = 3; i < 20; ++i) submit(sim_request(3, 4, i));
  while (machine.engine->step()) {}
  const auto first_of_large = std::find(order.begin(), order.end(), large);
  ASSERT_NE(first_of_large, order.end());
  for (auto it = order.begin(); it != first_of_large; ++it) EXPECT_LT(*it, large);
}

// The page that part of a prefix could be copied from is one page more than the request needs.
TEST(Starvation, ARequestAsLargeAsTheCacheRunsWhereItSharesAPartOfAPage) {
  for (int64_t shared : {1, 15, 17, 31, 47}) {
    SimMachine machine({.pages = 3});
    const RequestId first = machine.submit(sim_request(40, 8));
    EXPECT_LE(machine.steps_until_done(first, 100), 8);
    Request second = sim_request(48, 0);
    for (int64_t i = shared; i < 48; ++i) second.prompt[i] = (second.prompt[i] + 1) % 32;
    const RequestId id = machine.submit(second);
    EXPECT_LE(machine.steps_until_done(id, 100), 1) << shared;
    EXPECT_EQ(machine.engine->check(), "");
  }
}

// Who waits for a prefix that another one computes now must not wait for the next who computes it again: prompts that
// are scored take nothing from the cache.
TEST(Starvation, AStreamOfScoredPromptsDoesNotHoldUpOneThatWaitsForTheirPrefix) {
  SimMachine machine({.max_running = 3, .prefill_rows = 16});
  Request scored = sim_request(160, 1);
  scored.prompt_log_probs = true;
  machine.submit(scored);
  machine.engine->step();
  const RequestId id = machine.submit(sim_request(160, 1));
  for (int64_t steps = 0; !machine.engine->done(id); ++steps) {
    if (steps % 5 == 0) machine.submit(scored);
    machine.engine->step();
    ASSERT_LE(steps, 30);
  }
  EXPECT_GT(machine.engine->stats().cached_tokens, 0);
}

}  // namespace
}  // namespace invar
