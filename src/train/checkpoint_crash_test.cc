// Writers that are killed, disks that are full, and memory that is short.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <new>

#include "base/seed_testing.h"
#include "train/checkpoint_testing.h"

namespace invar {
namespace {

namespace fs = std::filesystem;
using CheckpointCrashTest = RunFolderTest;

// The checkpoint that `latest` has found is one that was saved whole: its numbers are those of its step.
void expect_true_to_its_step(const LatestCheckpoint& latest) {
  ASSERT_TRUE(latest.checkpoint.has_value());
  EXPECT_TRUE(latest.skipped.empty()) << latest.skipped[0];
  const int64_t step = latest.checkpoint->state().step;
  TinyTraining loaded = TinyTraining::make(0);
  loaded.clear();
  ASSERT_TRUE(latest.checkpoint->read(loaded.parameters, loaded.arrays()).ok());
  EXPECT_TRUE(loaded.same_bits(TinyTraining::make(static_cast<uint64_t>(step)))) << "step " << step;
  EXPECT_EQ(latest.checkpoint->state(), state_of(step));
}

// Saves step after step, each second one a second time in place of the first, prunes, and says each step that is
// finished through the pipe. Never returns.
[[noreturn]] void save_for_ever(const std::string& run, int64_t step, int pipe) {
  while (true) {
    ++step;
    const TinyTraining training = TinyTraining::make(static_cast<uint64_t>(step));
    for (int64_t i = 0; i <= step % 2; ++i) {
      if (!save_checkpoint(run, training.contents(state_of(step))).ok()) ::_exit(1);
      if (::write(pipe, &step, sizeof step) != sizeof step) ::_exit(2);
    }
    if (!prune_checkpoints(run, step, {.keep_last = 2, .keep_every = 50}).ok()) ::_exit(3);
  }
}

TEST_F(CheckpointCrashTest, AWriterKilledAtAnyMomentLosesNothingThatWasFinished) {
  const uint64_t seed = run_seed();
  SplitMix64 random(seed);
  save(0);
  int64_t finished = 0;
  int64_t unfinished = 0;
  for (int round = 0; round < 60; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) save_for_ever(run_, finished, pipe[1]);
    ::close(pipe[1]);
    ::usleep(static_cast<useconds_t>(random.next() % 60'000));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "round " << round << ": exit code " << WEXITSTATUS(status);
    for (int64_t step = 0; ::read(pipe[0], &step, sizeof step) == sizeof step;) finished = step;
    ::close(pipe[0]);

    const auto latest = latest_checkpoint(run_);
    ASSERT_TRUE(latest.ok()) << latest.message();
    expect_true_to_its_step(*latest);
    // The last one may have been renamed into place before the kill, and not been said.
    const int64_t found = latest->checkpoint->state().step;
    ASSERT_TRUE(found == finished || found == finished + 1) << found << " after " << finished;
    finished = found;
    const auto removed = remove_unfinished_checkpoints(run_);
    ASSERT_TRUE(removed.ok()) << removed.message();
    unfinished += *removed;
    for (const std::string& name : names(run_)) EXPECT_EQ(name.find(".tmp-"), std::string::npos) << name;
  }
  std::printf("60 kills, %lld checkpoints, %lld unfinished folders removed\n",
              static_cast<long long>(finished), static_cast<long long>(unfinished));
  EXPECT_GT(finished, 0);
  EXPECT_GT(unfinished, 0);  // some of the kills hit the middle of a save
}

TEST_F(CheckpointCrashTest, AFileSizeLimitAtAnyByteLeavesThePreviousCheckpoint) {
  save(1);
  const TinyTraining training = TinyTraining::make(2);
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);  // write() then fails with EFBIG, as ENOSPC would
  int failed = 0;
  for (rlim_t limit = 0; limit < 7000; limit += 61) {
    const rlimit tight{.rlim_cur = limit, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
    const auto saved = save_checkpoint(run_, training.contents(state_of(2)));
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    if (saved.ok()) break;
    ++failed;
    EXPECT_TRUE(saved.message().ends_with("File too large")) << saved.message();
    EXPECT_EQ(names(run_), std::vector<std::string>{"checkpoint-000001"});
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_GT(failed, 10);
  const auto latest = latest_checkpoint(run_);
  EXPECT_EQ(latest->checkpoint->state().step, 2);
  expect_true_to_its_step(*latest);
}

// In a child with mounts of its own: 0 if all went well, 77 if this system allows no mounts.
int fill_a_disk(const std::string& run) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return 77;
  if (::mount("none", run.c_str(), "tmpfs", 0, "size=65536") != 0) return 77;
  int64_t step = 0;
  std::string message;
  while (step < 100) {
    const TinyTraining training = TinyTraining::make(static_cast<uint64_t>(step + 1));
    const auto saved = save_checkpoint(run, training.contents(state_of(step + 1)));
    if (!saved.ok()) {
      message = saved.message();
      break;
    }
    ++step;
  }
  if (step == 0 || message.find("No space left on device") == std::string::npos) {
    std::fprintf(stderr, "step %lld: %s\n", static_cast<long long>(step), message.c_str());
    return 1;
  }
  auto latest = latest_checkpoint(run);
  if (!latest.ok() || !latest->checkpoint || latest->checkpoint->state().step != step ||
      !latest->skipped.empty()) {
    return 2;
  }
  // Room again: the save that failed can be made.
  if (!prune_checkpoints(run, step, {.keep_last = 1}).ok()) return 3;
  const TinyTraining training = TinyTraining::make(static_cast<uint64_t>(step + 1));
  if (!save_checkpoint(run, training.contents(state_of(step + 1))).ok()) return 4;
  latest = latest_checkpoint(run);
  return latest.ok() && latest->checkpoint && latest->checkpoint->state().step == step + 1 ? 0 : 5;
}

TEST_F(CheckpointCrashTest, AFullDiskLeavesThePreviousCheckpoints) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(fill_a_disk(run_));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "no permission to mount a small file system";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// In a child that may have only a little more memory than the numbers take.
int save_and_read_in_little_memory(const std::string& run) {
  TinyTraining training({{"w", {4096, 512}, 0}}, 1);  // 14 bytes for each of 2 Mi numbers: 28 MiB
  TinyTraining same = training;
  constexpr rlim_t kMore = 12 << 20;
  rlim_t used = 0;  // VmData, which is what the limit counts
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmData:") status >> used;
  }
  const rlimit limit{.rlim_cur = (used << 10) + kMore, .rlim_max = RLIM_INFINITY};
  if (used == 0 || ::setrlimit(RLIMIT_DATA, &limit) != 0) return 1;
  try {
    std::vector<float> copy(training.masters.size() * 2);
    return 2;  // the limit does not work here
  } catch (const std::bad_alloc&) {}
  if (!save_checkpoint(run, training.contents(state_of(1))).ok()) return 3;
  training.clear();
  const auto checkpoint = Checkpoint::open(checkpoint_path(run, 1));
  if (!checkpoint.ok() || !checkpoint->read(training.parameters, training.arrays()).ok()) return 4;
  return training.same_bits(same) ? 0 : 5;
}

TEST_F(CheckpointCrashTest, SavingAndLoadingCopyNoTensorInMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's own memory is beyond this limit";
#endif
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(save_and_read_in_little_memory(run_));
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace invar
