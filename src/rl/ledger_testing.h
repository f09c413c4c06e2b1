// Steps made of a seed, for the tests of the ledger and of what reads it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/split_mix.h"
#include "io/hash.h"
#include "rl/ledger.h"

namespace invar {

inline std::string hash_of(const std::string& text) { return hex(Sha256().add(text).digest()); }

inline RunInfo test_run(uint64_t seed = 7) {
  return {.config = "lr = 1e-6\nthreads = 2\n",
          .model_path = "models/tiny",
          .fingerprint = hash_of("model"),
          .numerics_version = 1,
          .profile = "fma32",
          .seed = seed,
          .created_at = "2026-01-02 03:04:05 UTC"};
}

inline RolloutRecord test_rollout(int64_t step, int64_t index) {
  SplitMix64 random{static_cast<uint64_t>(step * 1000 + index)};
  RolloutRecord rollout{.prompt_id = index / 2, .sample = index % 2, .seed = random.next()};
  rollout.prompt = {1, 2, static_cast<int32_t>(index / 2)};
  for (int64_t t = 0; t < 3 + index; ++t) {
    rollout.tokens.push_back(static_cast<int32_t>(random.next() % 50000));
    rollout.log_probs.push_back(-static_cast<float>(random.next() % 1000000) / 250000.0f);
    rollout.text += fmt::format("t{} ", t);
    rollout.token_ends.push_back(static_cast<int32_t>(rollout.text.size()));
  }
  rollout.reward = static_cast<double>(random.next() % 5) / 4;
  rollout.advantage = static_cast<float>(rollout.reward) - 0.5f;
  rollout.finish = "stop";
  rollout.label = "42";
  rollout.prompt_text = "6 * 7 = ?";
  return rollout;
}

inline StepRecord test_step(int64_t step, int64_t samples = 4) {
  StepRecord record{.step = step};
  for (int64_t i = 0; i < samples; ++i) record.rollouts.push_back(test_rollout(step, i));
  record.metrics = {{"reward", 0.25 * static_cast<double>(step % 4)}, {"kl", 0.0}, {"entropy", 1.5}};
  record.hashes = {.weights = hash_of(fmt::format("weights {}", step)),
                   .optimizer = hash_of(fmt::format("optimizer {}", step)),
                   .gradients = hash_of(fmt::format("gradients {}", step))};
  if (step % 5 == 0) record.evals = {{.name = "held-out", .prompts = 64, .score = 0.5}};
  record.timings = {{"tokens/s", 100.0 + static_cast<double>(step)}, {"seconds", 2.0}};
  return record;
}

class LedgerTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        testing::TempDir() + fmt::format("invar_{}_{}_{}", test->test_suite_name(), test->name(), ::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name = "run.db") const { return folder_ + "/" + name; }

  // Opens, begins and appends the steps 1 to `last`.
  Ledger write_run(const std::string& path, int64_t last) {
    Result<Ledger> ledger = Ledger::open(path, LedgerMode::kWrite);
    INVAR_CHECK(ledger.ok(), "{}", ledger.message());
    const Status begun = ledger->begin(test_run());
    INVAR_CHECK(begun.ok(), "{}", begun.message());
    for (int64_t step = 1; step <= last; ++step) {
      const Result<std::string> chain = ledger->append(test_step(step));
      INVAR_CHECK(chain.ok(), "{}", chain.message());
    }
    return *std::move(ledger);
  }

  std::string folder_;
};

}  // namespace invar
