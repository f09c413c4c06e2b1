#include "rl/rewards/program_reward.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/clock.h"

namespace invar {
namespace {

// Programs in POSIX shell, whose requests the test keeps plain enough for it.
class ProgramRewardTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "invar_program_" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    prompt_.label = "4";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  ProgramReward::Options shell(const std::string& script) const {
    return {.command = {"sh", "-c", script}, .timeout_s = 20};
  }
  // Reads a request and sets $id.
  static std::string read_id() { return "read -r line || exit 0; id=${line#*\\\"id\\\":}; id=${id%%,*}; "; }
  // Rewards the length of nothing: 0.5 for every request.
  static std::string half() {
    return "while true; do " + read_id() + "echo \"{\\\"id\\\":$id,\\\"reward\\\":0.5}\"; done";
  }

  std::vector<RewardInput> inputs(std::size_t count) {
    return std::vector<RewardInput>(count,
                                    {.prompt = &prompt_, .prompt_text = "2 + 2?", .response = response_});
  }
  std::string message(const ProgramReward::Options& options, std::size_t count = 1) {
    auto reward = ProgramReward::start(options);
    if (!reward.ok()) return reward.message();
    const auto scores = reward->score(inputs(count));
    return scores.ok() ? "ok" : scores.message();
  }

  std::string folder_;
  Prompt prompt_;
  std::string response_ = "it is 4";
};

TEST_F(ProgramRewardTest, EveryInputGetsItsAnswerByIndexOverAnyNumberOfWorkers) {
  // The reward is the number in the response.
  const std::string script = "while true; do " + read_id() +
                             "r=${line#*\\\"response\\\":\\\"}; r=${r%%\\\"*}; "
                             "echo \"{\\\"id\\\":$id,\\\"reward\\\":$r}\"; done";
  std::vector<std::string> responses;
  std::vector<RewardInput> inputs;
  for (int i = 0; i < 20; ++i) responses.push_back(std::to_string(i));
  for (const std::string& text : responses) inputs.push_back({.prompt = &prompt_, .response = text});
  for (int64_t workers : {1, 3}) {
    ProgramReward::Options options = shell(script);
    options.workers = workers;
    auto reward = ProgramReward::start(options);
    ASSERT_TRUE(reward.ok()) << reward.message();
    for (int round = 0; round < 2; ++round) {
      const auto scores = reward->score(inputs);
      ASSERT_TRUE(scores.ok()) << scores.message();
      for (int i = 0; i < 20; ++i) EXPECT_EQ(scores->at(static_cast<std::size_t>(i)), static_cast<float>(i));
    }
  }
}

TEST_F(ProgramRewardTest, TheRequestIsOneLineOfJsonWithAllThatIsKnown) {
  prompt_.label = {1, "x"};
  prompt_.metadata["k"] = "v";
  response_ = "a\nb\xFF\"";
  const std::string copy = folder_ + "/request";
  ASSERT_EQ(
      message(shell("read -r line; printf '%s' \"$line\" > " + copy + "; echo '{\"id\":0,\"reward\":1}'")),
      "ok");
  std::ifstream file(copy);
  const Json request = Json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
  EXPECT_EQ(request.dump(),
            "{\"id\":0,\"label\":[1,\"x\"],\"metadata\":{\"k\":\"v\"},\"prompt\":\"2 + 2?\","
            "\"response\":\"a\\nb\xEF\xBF\xBD\\\"\"}");
}

TEST_F(ProgramRewardTest, ARequestLargerThanAPipeDoesNotBlockAProgramThatTalksAlongTheWay) {
  response_.assign(3 << 20, 'x');
  EXPECT_EQ(
      message(shell(
          "head -c 3145728 > /dev/null; read -r line; echo '{\"id\":0,\"reward\":1}'; cat > /dev/null")),
      "ok");
}

TEST_F(ProgramRewardTest, AProgramThatDiesIsStartedAgainAndAskedAgain) {
  const std::string mark = folder_ + "/mark";
  // Dies without an answer the first time it runs.
  EXPECT_EQ(message(shell("if [ ! -e " + mark + " ]; then touch " + mark + "; read -r line; exit 3; fi; " +
                          half())),
            "ok");
  // Dies after every answer.
  EXPECT_EQ(message(shell(read_id() + "echo \"{\\\"id\\\":$id,\\\"reward\\\":0.5}\""), 4), "ok");
}

TEST_F(ProgramRewardTest, OneThatAlwaysDiesIsAnErrorWithItsStatus) {
  EXPECT_EQ(
      message(shell("read -r line; exit 3")),
      "reward program \"sh\": sample 0: no answer in 3 attempts; at the last one it exited with status 3");
  EXPECT_EQ(
      message(shell("kill -9 $$")),
      "reward program \"sh\": sample 0: no answer in 3 attempts; at the last one it was killed by signal 9");
}

TEST_F(ProgramRewardTest, OneThatHangsIsKilledWithItsChildrenAndAskedAgain) {
  const std::string mark = folder_ + "/mark", pid = folder_ + "/pid";
  ProgramReward::Options options = shell("if [ ! -e " + mark + " ]; then touch " + mark +
                                         "; sleep 600 & echo $! > " + pid + "; wait; fi; " + half());
  options.timeout_s = 1;
  EXPECT_EQ(message(options), "ok");
  pid_t child = 0;
  std::ifstream(pid) >> child;
  ASSERT_GT(child, 0);
  // Gone, or dead and waiting for whoever adopted it.
  std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
  std::string number, name, state;
  if (stat >> number >> name >> state) {
    EXPECT_EQ(state, "Z");
  }
  options = shell("sleep 600");
  options.timeout_s = 1;
  options.attempts_max = 2;
  EXPECT_EQ(message(options),
            "reward program \"sh\": sample 0: no answer in 2 attempts; at the last one it gave no answer in "
            "1 s (reward "
            "timeout)");
}

TEST_F(ProgramRewardTest, RubbishIsAnErrorThatShowsIt) {
  const auto answer = [this](const std::string& line) {
    return message(shell("read -r line; echo '" + line + "'"));
  };
  const std::string expected =
      "reward program \"sh\": sample 0: expected one line {\"id\": 0, \"reward\": NUMBER}, found ";
  EXPECT_EQ(answer("hello"), expected + "\"hello\"");
  EXPECT_EQ(answer(""), expected + "\"\"");
  EXPECT_EQ(answer("1.0"), expected + "\"1.0\"");
  EXPECT_EQ(answer("{\"id\":0,\"reward\":null}"), expected + R"("{\x22id\x22:0,\x22reward\x22:null}")");
  EXPECT_EQ(answer("{\"id\":0,\"reward\":NaN}"), expected + R"("{\x22id\x22:0,\x22reward\x22:NaN}")");
  EXPECT_NE(answer("{\"id\":0,\"reward\":1e300}").find("within fp32"), std::string::npos);
  EXPECT_NE(answer("{\"id\":5,\"reward\":1}").find("found the id \"5\""), std::string::npos);
  ProgramReward::Options options = shell("read -r line; head -c 100000 /dev/zero | tr '\\0' x; sleep 60");
  options.line_bytes_max = 1000;
  EXPECT_NE(message(options).find("expected an answer of at most 1000 bytes"), std::string::npos);
}

TEST_F(ProgramRewardTest, ASecondLineForOneRequestIsNoticed) {
  const std::string twice =
      "while true; do " + read_id() +
      "echo \"{\\\"id\\\":$id,\\\"reward\\\":1}\"; echo \"{\\\"id\\\":$id,\\\"reward\\\":1}\"; done";
  EXPECT_NE(message(shell(twice), 2).find("sample 1: expected one line {\"id\": 1"), std::string::npos);
}

TEST_F(ProgramRewardTest, WhatCannotStartIsNamedAtOnce) {
  EXPECT_EQ(ProgramReward::start({.command = {"/no/such/program"}}).message(),
            "reward program: cannot start \"/no/such/program\": No such file or directory");
  EXPECT_FALSE(ProgramReward::start({}).ok());
  EXPECT_FALSE(ProgramReward::start({.command = {"cat"}, .workers = 0}).ok());
  EXPECT_FALSE(ProgramReward::start({.command = {"cat"}, .timeout_s = 0}).ok());
}

TEST_F(ProgramRewardTest, ABrokenPipeIsNoSignalOfOurs) {
  struct sigaction action {
  }, before{};
  action.sa_handler = SIG_DFL;
  ASSERT_EQ(::sigaction(SIGPIPE, &action, &before), 0);
  response_.assign(1 << 20, 'x');
  EXPECT_NE(message(shell("exec 0<&-; sleep 600")).find("was killed by signal 9"), std::string::npos);
  ASSERT_EQ(::sigaction(SIGPIPE, &before, nullptr), 0);
}

TEST_F(ProgramRewardTest, WhoInterruptsWaitsForNoProgram) {
  // Four that never answer, one of them deaf to the end of its input too.
  ProgramReward::Options options = shell("trap '' TERM HUP; while true; do sleep 30; done");
  options.workers = 4;
  options.timeout_s = 600;
  auto reward = ProgramReward::start(options);
  ASSERT_TRUE(reward.ok()) << reward.message();
  const double begin_s = monotonic_seconds();
  const auto scores =
      reward->score(inputs(9), [begin_s] { return monotonic_seconds() > begin_s + 0.2; });
  EXPECT_EQ(scores.message(), "interrupted");
  *reward = *ProgramReward::start(shell(half()));
  EXPECT_LT(monotonic_seconds() - begin_s, 5);
  // And who does not is answered.
  const auto answers = reward->score(inputs(2), [] { return false; });
  ASSERT_TRUE(answers.ok()) << answers.message();
  EXPECT_EQ(*answers, (std::vector<float>{0.5f, 0.5f}));
}

}  // namespace
}  // namespace invar
