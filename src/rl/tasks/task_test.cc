#include "rl/tasks/task.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/seed_testing.h"
#include "rl/rewards/countdown_reward.h"
#include "rl/rewards/reward.h"
#include "rl/tasks/countdown.h"

namespace invar {
namespace {

std::string question(const Prompt& prompt) { return prompt.content[0]["content"].get<std::string>(); }

Task make(const std::string& name, int64_t difficulty, uint64_t seed) {
  auto task = Task::make({.name = name, .difficulty = difficulty, .seed = seed});
  EXPECT_TRUE(task.ok()) << task.message();
  return *task;
}

// An answer that a perfect model gives.
std::string perfect_answer(const Prompt& prompt) {
  if (prompt.metadata["task"] != "countdown") return label_text(prompt.label);
  const auto numbers = prompt.metadata["numbers"].get<std::vector<int64_t>>();
  const auto solution = solve_countdown(numbers, prompt.metadata["target"].get<int64_t>());
  return "<answer>" + solution.value_or("no solution") + "</answer>";
}

TEST(Tasks, APerfectAnswerToEveryProblemGetsTheFullRewardAndAnEmptyOneNone) {
  const uint64_t seed = run_seed();
  for (const TaskKind& kind : task_kinds()) {
    auto reward = Reward::make({.kind = std::string(kind.reward)});
    ASSERT_TRUE(reward.ok()) << reward.message();
    for (int64_t difficulty = 1; difficulty <= kind.difficulty_max; ++difficulty) {
      const Task task = make(std::string(kind.name), difficulty, seed);
      for (const Split split : {Split::kTrain, Split::kHeldOut})
        for (uint64_t i = 0; i < 20; ++i) {
          const Prompt prompt = task.sample(split, i);
          const std::string answer = perfect_answer(prompt);
          const RewardInput inputs[] = {{&prompt, {}, answer}, {&prompt, {}, ""}};
          const auto scores = reward->score(inputs);
          ASSERT_TRUE(scores.ok()) << scores.message();
          EXPECT_EQ(*scores, (std::vector<float>{1, 0})) << question(prompt) << " -> " << answer;
        }
    }
  }
}

TEST(Tasks, AProblemIsAFunctionOfSeedSplitAndIndexAlone) {
  const uint64_t seed = run_seed();
  for (const TaskKind& kind : task_kinds()) {
    const Task one = make(std::string(kind.name), kind.difficulty_max, seed);
    const Task same = make(std::string(kind.name), kind.difficulty_max, seed);
    const Task other = make(std::string(kind.name), kind.difficulty_max, seed + 1);
    int equal = 0;
    for (uint64_t i = 8; i-- > 0;) {
      EXPECT_EQ(one.sample(Split::kTrain, i).content, same.sample(Split::kTrain, i).content);
      equal += one.sample(Split::kTrain, i).content == other.sample(Split::kTrain, i).content ? 1 : 0;
    }
    EXPECT_LE(equal, 4) << kind.name;
  }
}

TEST(Tasks, NoHeldOutProblemIsEverTrainedOnWhateverTheSeed) {
  const uint64_t seed = run_seed();
  for (const TaskKind& kind : task_kinds()) {
    std::set<std::string> trained, held_out;
    for (uint64_t s : {seed, seed + 1}) {
      const Task task = make(std::string(kind.name), 1, s);
      for (uint64_t i = 0; i < 200; ++i) {
        trained.insert(question(task.sample(Split::kTrain, i)));
        held_out.insert(question(task.sample(Split::kHeldOut, i)));
      }
    }
    EXPECT_GE(held_out.size(), 5u) << kind.name;
    EXPECT_GE(trained.size(), 5 * held_out.size() / 10) << kind.name;
    for (const std::string& problem : held_out) EXPECT_EQ(trained.count(problem), 0u) << problem;
  }
}

TEST(Tasks, TheFirstProblemsOfSeedZeroAreFixed) {
  std::string first;
  uint64_t hash = 0xcbf29ce484222325u;
  for (const TaskKind& kind : task_kinds())
    for (int64_t difficulty = 1; difficulty <= kind.difficulty_max; ++difficulty) {
      const Prompt prompt = make(std::string(kind.name), difficulty, 0).sample(Split::kTrain, 0);
      const std::string problem = question(prompt) + " " + label_text(prompt.label) + "\n";
      if (difficulty == 1) first += problem;
      for (char c : problem) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
  EXPECT_EQ(first,
            "What is 0 + 4? Reply with the number only. 4\n"
            "How many times does the letter \"r\" occur in \"ucuc\"? Reply with the number only. 0\n"
            "Make the number 7 from the numbers 8, 1, 2. Use each of them exactly once, with +, -, *, / and "
            "parentheses. Write the expression between <answer> and </answer>. 7\n"
            "Write the word \"uhi\" backwards. Reply with the reversed word only. ihu\n"
            "Sort these numbers from smallest to largest: 8, 2, 5. Reply with the sorted numbers only, "
            "separated by "
            "commas. 2, 5, 8\n");
  EXPECT_EQ(hash, 8548055424124527589u);
}

TEST(Tasks, NoAnswerIsRightForMostProblems) {
  const uint64_t seed = run_seed();
  for (const TaskKind& kind : task_kinds())
    for (int64_t difficulty = 1; difficulty <= kind.difficulty_max; ++difficulty) {
      const Task task = make(std::string(kind.name), difficulty, seed);
      std::map<std::string, int> counts;
      for (uint64_t i = 0; i < 100; ++i) ++counts[label_text(task.sample(Split::kTrain, i).label)];
      for (const auto& [label, count] : counts)
        EXPECT_LE(count, 65) << kind.name << " " << difficulty << " " << label;
    }
}

TEST(Tasks, UnknownNamesAndDifficultiesAreRefused) {
  EXPECT_EQ(Task::make({.name = "x"}).message(),
            "task: expected one of arithmetic, count_letters, countdown, reverse, sorting; found \"x\"");
  EXPECT_EQ(Task::make({.name = "reverse", .difficulty = 9}).message(),
            "task reverse: expected a difficulty of 1 to 4, found 9");
  EXPECT_FALSE(Task::make({.name = "reverse", .difficulty = 0}).ok());
}

TEST(Draws, AreUniformOverRangesThatAreNoPowersOfTwo) {
  Draws draws(run_seed());
  std::map<int64_t, int> counts;
  for (int i = 0; i < 30000; ++i) ++counts[draws.between(-1, 1)];
  ASSERT_EQ(counts.size(), 3u);
  for (const auto& [value, count] : counts) EXPECT_NEAR(count, 10000, 500) << value;  // 6 standard deviations
  EXPECT_EQ(draws.below(1), 0u);
  EXPECT_EQ(draws.between(INT64_MAX, INT64_MAX), INT64_MAX);
}

// The game's rules by subsets: what each subset of the numbers can make, from every way to cut it in two.
std::set<int64_t> reachable_by_subsets(const std::vector<int64_t>& numbers) {
  std::vector<std::set<int64_t>> values(std::size_t{1} << numbers.size());
  for (std::size_t mask = 1; mask < values.size(); ++mask) {
    for (std::size_t i = 0; i < numbers.size(); ++i)
      if (mask == std::size_t{1} << i) values[mask].insert(numbers[i]);
    for (std::size_t part = (mask - 1) & mask; part > 0; part = (part - 1) & mask)
      for (int64_t a : values[part])
        for (int64_t b : values[mask ^ part]) {
          values[mask].insert({a + b, a * b});
          if (a > b) values[mask].insert(a - b);
          if (a % b == 0) values[mask].insert(a / b);
        }
  }
  return values.back();
}

TEST(Countdown, TheSolverFindsWhatTheRulesAllowAndItsExpressionsAreRight) {
  Draws draws(run_seed());
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<int64_t> numbers;
    for (int i = 0; i < 1 + trial % 4; ++i) numbers.push_back(draws.between(1, 25));
    const std::set<int64_t> all = reachable_by_subsets(numbers);
    const std::vector<int64_t> expected(all.lower_bound(1), all.upper_bound(200));
    EXPECT_EQ(reachable_targets(numbers, 1, 200), expected);
    for (int64_t target = 1; target <= 200; ++target) {
      const auto solution = solve_countdown(numbers, target);
      ASSERT_EQ(solution.has_value(), all.count(target) == 1) << target;
      if (!solution) continue;
      EXPECT_EQ(countdown_reward("<answer>" + *solution + "</answer>", numbers, target), 1.0f) << *solution;
    }
  }
}

TEST(Countdown, KnownPuzzles) {
  EXPECT_TRUE(solve_countdown(std::vector<int64_t>{3, 7, 25, 50}, 765 / 9).has_value());
  EXPECT_FALSE(solve_countdown(std::vector<int64_t>{1, 1, 1}, 50).has_value());
  EXPECT_EQ(reachable_targets(std::vector<int64_t>{2, 3}, 1, 10), (std::vector<int64_t>{1, 5, 6}));
  EXPECT_EQ(reachable_targets(std::vector<int64_t>{8, 2}, 1, 100), (std::vector<int64_t>{4, 6, 10, 16}));
  EXPECT_EQ(*solve_countdown(std::vector<int64_t>{8, 2}, 4), "(8 / 2)");
}

}  // namespace
}  // namespace invar
