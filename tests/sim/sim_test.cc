// A random engine for as many steps as are asked for, in world after world; every invariant after each step.
//
//   INVAR_SEED=17 sim_tests         the world of seed 17 first, then those of 18, 19, ...
//   INVAR_SIM_STEPS=1000000 sim_tests --gtest_filter=Sim.Random*
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <limits>

#include "base/seed_testing.h"
#include "world.h"

namespace invar {
namespace {

constexpr int64_t kSteps = 50000;
constexpr int64_t kAllRequests = std::numeric_limits<int64_t>::max();

unsigned long long world_seed = 0;
long long world_step = 0;

// An INVAR_CHECK aborts: its world must be known too. printf is not for signal handlers, but this program is lost.
void say_seed(int) {
  std::fprintf(stderr, "aborted in step %lld; INVAR_SEED=%llu replays it\n", world_step, world_seed);
  std::signal(SIGABRT, SIG_DFL);
}

std::string wrong_of(uint64_t seed, int64_t requests_max, WorldEvents& events) {
  world_seed = seed;
  World world(seed, requests_max);
  for (world_step = 1; world.step(); ++world_step) {}
  events.add(world.events());
  return world.wrong();
}

// The fewest first requests of the world that still fail, nearly.
std::string shrunk(uint64_t seed) {
  WorldEvents events;
  int64_t requests = 200;
  std::string wrong;
  for (int64_t cut = requests / 2; cut > 0; cut /= 2) {
    while (requests > cut) {
      const std::string found = wrong_of(seed, requests - cut, events);
      if (found.empty()) break;
      requests -= cut;
      wrong = found;
    }
  }
  return fmt::format("with its first {} requests: {}", requests, wrong);
}

void expect_world_is_right(uint64_t seed, WorldEvents& events) {
  const int64_t before = events.steps;
  const std::string wrong = wrong_of(seed, kAllRequests, events);
  if (wrong.empty()) return;
  FAIL() << "INVAR_SEED=" << seed << " step " << events.steps - before << ": " << wrong << "\n  "
         << shrunk(seed) << "\n  " << WorldSettings(seed).text();
}

TEST(Sim, RandomWorldsBreakNoInvariant) {
  std::signal(SIGABRT, say_seed);
  const char* wanted = std::getenv("INVAR_SIM_STEPS");
  uint64_t seed = run_seed();
  const int64_t steps_wanted = wanted != nullptr ? std::strtoll(wanted, nullptr, 10) : kSteps;
  WorldEvents events;
  int64_t worlds = 0;
  for (; events.steps < steps_wanted && !HasFatalFailure(); ++seed, ++worlds) {
    expect_world_is_right(seed, events);
  }
  std::printf("%lld worlds: %s\n", static_cast<long long>(worlds), events.text().c_str());
  std::signal(SIGABRT, SIG_DFL);
}

// Worlds that have found a bug, by the bug.
TEST(Sim, WorldsThatOnceFailedAreRight) {
  WorldEvents events;
  std::signal(SIGABRT, say_seed);
  // Too few pages for the request and the page that part of its prefix is copied from: nothing ever ran.
  for (uint64_t seed : {189, 247, 280, 281}) expect_world_is_right(seed, events);
  // Prompt log-probs before logits that are no numbers came or not, as the rows of the step fell.
  for (uint64_t seed : {53, 125, 191}) expect_world_is_right(seed, events);
  // The log-probs of one prompt were of two sets of weights.
  for (uint64_t seed : {9, 134}) expect_world_is_right(seed, events);
  // An allocation failed inside submit().
  for (uint64_t seed : {7}) expect_world_is_right(seed, events);
  // An allocation failed while the last text was put together: the sample ended well, without it.
  for (uint64_t seed : {1339246430}) expect_world_is_right(seed, events);
  std::signal(SIGABRT, SIG_DFL);
}

// A simulation in which nothing happens proves nothing.
TEST(Sim, WorldsAreEventful) {
  WorldEvents events;
  for (uint64_t seed = 1; seed <= 40; ++seed) expect_world_is_right(seed, events);
  EXPECT_GT(events.requests, 1000) << events.text();
  for (int64_t count :
       {events.refused, events.failed_allocations, events.aborted, events.broken, events.preemptions,
        events.evicted_pages, events.copied_pages, events.cached_tokens, events.weight_changes, events.thrown,
        events.without_memory, events.stop_strings}) {
    EXPECT_GE(count, 10) << events.text();
  }
}

}  // namespace
}  // namespace invar
