#include "rl/ledger.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <functional>
#include <sstream>

#include "base/seed_testing.h"
#include "rl/ledger_hashes.h"
#include "rl/ledger_testing.h"

namespace invar {
namespace {

namespace fs = std::filesystem;

std::string contents(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// What a ledger of whole steps 1..N must be: the same chain as a straight run's.
std::vector<std::string> straight_chain(int64_t last) {
  std::vector<std::string> chain;
  std::string previous = chain_start();
  for (int64_t step = 1; step <= last; ++step) {
    const StepRecord record = test_step(step);
    StepHashes hashes = record.hashes;
    hashes.rollouts = hash_rollouts(record.rollouts);
    hashes.rewards = hash_rewards(record.rollouts);
    chain.push_back(previous = chain_hash(previous, step, hashes));
  }
  return chain;
}

void expect_whole_steps(const Ledger& ledger, int64_t last) {
  const auto steps = ledger.steps();
  ASSERT_TRUE(steps.ok()) << steps.message();
  ASSERT_EQ(static_cast<int64_t>(steps->size()), last);
  const std::vector<std::string> chain = straight_chain(last);
  for (int64_t i = 0; i < last; ++i) {
    const StepSummary& step = (*steps)[static_cast<std::size_t>(i)];
    EXPECT_EQ(step.chain, chain[static_cast<std::size_t>(i)]);
    const auto rollouts = ledger.rollouts(step.step);
    ASSERT_TRUE(rollouts.ok()) << rollouts.message();
    EXPECT_EQ(hash_rollouts(*rollouts), step.hashes.rollouts);
    EXPECT_EQ(hash_rewards(*rollouts), step.hashes.rewards);
    EXPECT_EQ(ledger.metrics(step.step)->size(), 3u);
    EXPECT_EQ(ledger.timings(step.step)->size(), 2u);
  }
}

TEST_F(LedgerTest, WhatIsReadIsWhatWasWrittenBitForBit) {
  StepRecord record = test_step(3);
  RolloutRecord& odd = record.rollouts[1];
  odd.log_probs[0] = std::bit_cast<float>(0x7fc12345u);  // a NaN with a payload
  odd.log_probs[1] = -0.0f;
  odd.log_probs[2] = std::bit_cast<float>(1u);
  odd.reward = -0.0;
  odd.advantage = std::bit_cast<float>(0xffc00001u);
  odd.seed = ~uint64_t{0};
  odd.kept = false;
  odd.text = std::string("a\0b\xff", 4);
  odd.token_ends.assign(odd.tokens.size(), 4);
  record.rollouts[2] = {};
  record.metrics.emplace_back("a name with ' and \"", std::nan(""));
  std::string chain;
  {
    auto ledger = Ledger::open(path(), LedgerMode::kWrite);
    ASSERT_TRUE(ledger.ok()) << ledger.message();
    ASSERT_TRUE(ledger->begin(test_run(~uint64_t{0})).ok());
    chain = *ledger->append(record);
  }
  const auto ledger = Ledger::open(path(), LedgerMode::kRead);
  ASSERT_TRUE(ledger.ok()) << ledger.message();
  EXPECT_EQ(ledger->run_info()->seed, ~uint64_t{0});
  EXPECT_EQ(ledger->run_info()->config, test_run().config);
  const auto rollouts = ledger->rollouts(3);
  ASSERT_TRUE(rollouts.ok()) << rollouts.message();
  ASSERT_EQ(rollouts->size(), record.rollouts.size());
  for (std::size_t i = 0; i < rollouts->size(); ++i) {
    const RolloutRecord &a = record.rollouts[i], &b = (*rollouts)[i];
    EXPECT_EQ(hash_rollouts({&a, 1}), hash_rollouts({&b, 1}));
    EXPECT_EQ(hash_rewards({&a, 1}), hash_rewards({&b, 1}));
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.label, b.label);
    EXPECT_EQ(a.prompt_text, b.prompt_text);
    EXPECT_EQ(a.token_ends, b.token_ends);
  }
  EXPECT_EQ(std::bit_cast<uint32_t>((*rollouts)[1].log_probs[0]), 0x7fc12345u);
  EXPECT_TRUE(std::isnan(ledger->metrics(3)->back().second));
  EXPECT_EQ(ledger->metrics(3)->back().first, "a name with ' and \"");
  EXPECT_EQ(ledger->steps()->front().chain, chain);
  EXPECT_EQ(ledger->steps()->front().tokens, 3 + 4 + 0 + 6);
  EXPECT_EQ(ledger->timings()->at("tokens/s").front().value, 103.0);
}

// The hashes as a reader of ledger_hashes.h would compute them with other tools: python3, hashlib and struct.
TEST_F(LedgerTest, HashesAreThoseOfTheDocumentedBytes) {
  RolloutRecord rollout{
      .prompt_id = 5, .sample = 1, .seed = 9, .prompt = {1, 2}, .tokens = {3}, .log_probs = {-0.5f}};
  rollout.reward = 1.0;
  rollout.advantage = 0.25f;
  rollout.finish = "stop";
  EXPECT_EQ(hash_rollouts({&rollout, 1}), "ab46494daf6974a3e865b1f96e83f6bacd1c5db937e6413c9a1cef93d8858160");
  EXPECT_EQ(hash_rewards({&rollout, 1}), "7ca153b2f3c7eb7eb0f222eee502eefe660a3d587ea1ac1170a758e96fca2847");
  const std::string zeros(64, '0');
  EXPECT_EQ(chain_hash(zeros, 1, {zeros, zeros, zeros, zeros, zeros}),
            "d57af1e432ff5a576531cd93f0c631289479ecdd3c10cc43bb43ac950c51f718");
}

TEST_F(LedgerTest, EveryHashedFieldChangesAHash) {
  const std::vector<RolloutRecord> base = test_step(1).rollouts;
  const auto hashes = [](const std::vector<RolloutRecord>& rollouts) {
    return hash_rollouts(rollouts) + hash_rewards(rollouts);
  };
  const std::vector<std::function<void(std::vector<RolloutRecord>&)>> changes = {
      [](auto& r) { r[1].prompt_id ^= 1; }, [](auto& r) { r[1].sample ^= 1; },
      [](auto& r) { r[1].seed ^= uint64_t{1} << 63; }, [](auto& r) { r[1].prompt[0] ^= 1; },
      [](auto& r) { r[1].tokens[0] ^= 1; },
      [](auto& r) { r[1].log_probs[0] = std::nextafter(r[1].log_probs[0], 0.0f); },
      [](auto& r) { r[1].reward = std::nextafter(r[1].reward, 9.0); },
      [](auto& r) { r[1].advantage = std::nextafter(r[1].advantage, 9.0f); },
      [](auto& r) { r[1].kept = false; }, [](auto& r) { r[1].finish = "length"; },
      [](auto& r) { std::swap(r[0], r[1]); }, [](auto& r) { r.pop_back(); },
      // The same numbers, divided in another way between the prompt and the answer.
      [](auto& r) { r[1].prompt.push_back(r[1].tokens[0]), r[1].tokens.erase(r[1].tokens.begin()); }};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    std::vector<RolloutRecord> changed = base;
    changes[i](changed);
    EXPECT_NE(hashes(base), hashes(changed)) << "change " << i;
  }
}

TEST_F(LedgerTest, StepsMustFollowEachOther) {
  Ledger ledger = write_run(path(), 2);
  const auto again = ledger.append(test_step(2)), gap = ledger.append(test_step(4));
  ASSERT_FALSE(again.ok());
  ASSERT_FALSE(gap.ok());
  EXPECT_NE(gap.message().find("expected step 3"), std::string::npos) << gap.message();
  expect_whole_steps(ledger, 2);
}

TEST_F(LedgerTest, ForgottenStepsCanBeRecordedAgainWithTheSameChain) {
  {
    Ledger ledger = write_run(path(), 6);
    ASSERT_TRUE(ledger.forget_after(3).ok());
    expect_whole_steps(ledger, 3);
    EXPECT_EQ(ledger.evals()->size(), 0u);
  }
  auto ledger = Ledger::open(path(), LedgerMode::kWrite);
  ASSERT_TRUE(ledger->begin(test_run()).ok());
  for (int64_t step = 4; step <= 6; ++step) ASSERT_TRUE(ledger->append(test_step(step)).ok());
  expect_whole_steps(*ledger, 6);
  const auto starts = ledger->starts();
  ASSERT_EQ(starts->size(), 2u);
  EXPECT_EQ(starts->back().first_step, 4);
  EXPECT_EQ(ledger->evals()->size(), 1u);
  ASSERT_TRUE(ledger->forget_after(-1).ok());
  expect_whole_steps(*ledger, 0);
}

TEST_F(LedgerTest, AnotherRunIsNotContinued) {
  write_run(path(), 1);
  auto ledger = Ledger::open(path(), LedgerMode::kWrite);
  ASSERT_TRUE(ledger.ok()) << ledger.message();
  const Status seed = ledger->begin(test_run(8));
  ASSERT_FALSE(seed.ok());
  EXPECT_NE(seed.message().find("seed 7, found 8"), std::string::npos) << seed.message();
  RunInfo other = test_run();
  other.profile = "tc16";
  EXPECT_FALSE(ledger->begin(other).ok());
  other = test_run();
  other.fingerprint = hash_of("other");
  EXPECT_FALSE(ledger->begin(other).ok());
  EXPECT_EQ(ledger->starts()->size(), 1u);
}

TEST_F(LedgerTest, OneProcessWritesAndOthersReadMeanwhile) {
  Ledger writer = write_run(path(), 2);
  const auto second = Ledger::open(path(), LedgerMode::kWrite);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.message().find("another process writes"), std::string::npos) << second.message();
  const auto reader = Ledger::open(path(), LedgerMode::kRead);
  ASSERT_TRUE(reader.ok()) << reader.message();
  expect_whole_steps(*reader, 2);
  ASSERT_TRUE(writer.append(test_step(3)).ok());
  expect_whole_steps(*reader, 3);
}

// The child writes steps until it is killed, and tells each that it was promised by a byte in a pipe.
// It is killed so long after that many of them.
int64_t append_until_killed(const std::string& path, int64_t steps_before, int64_t kill_after_us) {
  int pipe_fds[2];
  INVAR_CHECK(::pipe(pipe_fds) == 0);
  const pid_t child = ::fork();
  INVAR_CHECK(child >= 0);
  if (child == 0) {
    auto ledger = Ledger::open(path, LedgerMode::kWrite);
    if (!ledger.ok() || !ledger->begin(test_run()).ok()) ::_exit(1);
    const int64_t next = static_cast<int64_t>(ledger->steps()->size()) + 1;
    for (int64_t step = next; step < next + 100000; ++step) {
      if (!ledger->append(test_step(step)).ok()) ::_exit(2);
      if (::write(pipe_fds[1], "x", 1) != 1) ::_exit(3);
    }
    ::_exit(4);
  }
  ::close(pipe_fds[1]);
  char bytes[4096];
  int64_t promised = 0;
  while (promised < steps_before && ::read(pipe_fds[0], bytes, 1) == 1) ++promised;
  ::usleep(static_cast<useconds_t>(kill_after_us));
  ::kill(child, SIGKILL);
  int state = 0;
  INVAR_CHECK(::waitpid(child, &state, 0) == child);
  EXPECT_TRUE(WIFSIGNALED(state)) << "the child ended by itself with " << WEXITSTATUS(state);
  for (ssize_t got = 0; (got = ::read(pipe_fds[0], bytes, sizeof bytes)) > 0;) promised += got;
  ::close(pipe_fds[0]);
  return promised;
}

TEST_F(LedgerTest, KillsAtAnyMomentLeaveWholeStepsAndNoneThatWasPromisedIsLost) {
  SplitMix64 random{run_seed()};
  int64_t steps = 0;
  for (int kill = 0; kill < 40; ++kill) {
    const auto steps_before = static_cast<int64_t>(random.next() % 4);
    const int64_t promised =
        append_until_killed(path(), steps_before, static_cast<int64_t>(random.next() % 12000));
    if (!fs::exists(path())) continue;
    const auto ledger = Ledger::open(path(), LedgerMode::kWrite);
    ASSERT_TRUE(ledger.ok()) << ledger.message();
    const auto found = static_cast<int64_t>(ledger->steps()->size());
    EXPECT_GE(found, steps + promised);
    EXPECT_LE(found, steps + promised + 1);  // one may be recorded and its promise not yet given
    steps = found;
    if (kill % 8 == 7) expect_whole_steps(*ledger, steps);
  }
  std::printf("%lld steps\n", static_cast<long long>(steps));
  const auto ledger = Ledger::open(path(), LedgerMode::kRead);
  ASSERT_TRUE(ledger.ok()) << ledger.message();
  expect_whole_steps(*ledger, steps);
  EXPECT_GE(steps, 20);
}

TEST_F(LedgerTest, ADiskThatIsFullCostsOnlyTheStepThatDidNotFit) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  int64_t recorded = 0;
  {
    Ledger ledger = write_run(path(), 3);
    rlimit limit = before;
    limit.rlim_cur = fs::file_size(path("run.db-wal")) + 30000;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Result<std::string> chain = error("none");
    for (recorded = 3; recorded < 1000; ++recorded) {
      chain = ledger.append(test_step(recorded + 1));
      if (!chain.ok()) break;
    }
    ASSERT_FALSE(chain.ok());
    EXPECT_NE(chain.message().find(fmt::format("step {} is not recorded", recorded + 1)), std::string::npos)
        << chain.message();
    EXPECT_EQ(chain.message().find('\n'), std::string::npos);
    std::printf("%s\n", chain.message().c_str());
    expect_whole_steps(ledger, recorded);
    ::setrlimit(RLIMIT_FSIZE, &before);
    chain = ledger.append(test_step(recorded + 1));  // with room again it goes on
    ASSERT_TRUE(chain.ok()) << chain.message();
  }
  const auto ledger = Ledger::open(path(), LedgerMode::kRead);
  ASSERT_TRUE(ledger.ok()) << ledger.message();
  expect_whole_steps(*ledger, recorded + 1);
}

TEST_F(LedgerTest, TornFilesAreRefusedInOneLineAndLeftAsTheyAre) {
  write_run(path(), 8);
  const std::string whole = contents(path());
  ASSERT_GT(whole.size(), 40000u);
  std::vector<std::string> broken = {"not a ledger at all, but a text of some length",
                                     std::string(5000, '\0')};
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{99}, std::size_t{4096}, whole.size() / 2, whole.size() - 4096})
    broken.push_back(whole.substr(0, size));
  for (std::size_t i = 0; i < broken.size(); ++i) {
    write(path("torn.db"), broken[i]);
    const auto ledger = Ledger::open(path("torn.db"), LedgerMode::kWrite);
    ASSERT_FALSE(ledger.ok()) << i;
    EXPECT_EQ(ledger.message().find('\n'), std::string::npos) << ledger.message();
    EXPECT_NE(ledger.message().find("torn.db"), std::string::npos) << ledger.message();
    EXPECT_EQ(contents(path("torn.db")), broken[i]) << i;
  }
}

TEST_F(LedgerTest, DamagedBytesAreFoundOrHarmlessNeverACrash) {
  write_run(path(), 8);
  const std::string whole = contents(path());
  SplitMix64 random{run_seed()};
  for (int trial = 0; trial < 300; ++trial) {
    std::string damaged = whole;
    for (uint64_t i = 0, n = 1 + random.next() % 64; i < n; ++i)
      damaged[random.next() % damaged.size()] = static_cast<char>(random.next());
    write(path("damaged.db"), damaged);
    const auto ledger = Ledger::open(path("damaged.db"), LedgerMode::kRead);
    if (!ledger.ok()) {
      EXPECT_EQ(ledger.message().find('\n'), std::string::npos) << ledger.message();
      continue;
    }
    const auto steps = ledger->steps();
    if (!steps.ok()) continue;
    for (const StepSummary& step : *steps) {
      (void)ledger->rollouts(step.step).ok();
      (void)ledger->metrics(step.step).ok();
    }
    (void)ledger->evals().ok();
    (void)ledger->metrics().ok();
    (void)ledger->starts().ok();
  }
}

TEST_F(LedgerTest, ReadingWhatIsNotThereSaysSo) {
  const auto none = Ledger::open(path("none.db"), LedgerMode::kRead);
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.message().find("no such file"), std::string::npos) << none.message();
  EXPECT_FALSE(fs::exists(path("none.db")));
  const auto folder = Ledger::open(path("no/folder/run.db"), LedgerMode::kWrite);
  ASSERT_FALSE(folder.ok());
  write(path("empty.db"), "");
  const auto empty = Ledger::open(path("empty.db"), LedgerMode::kRead);
  ASSERT_FALSE(empty.ok());
  EXPECT_NE(empty.message().find("stopped before it began"), std::string::npos) << empty.message();
  write_run(path("empty.db"), 1);  // an empty file becomes a ledger
}

}  // namespace
}  // namespace invar
