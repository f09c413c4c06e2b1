#include "comm/local/run_ranks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/seed_testing.h"
#include "base/split_mix.h"

namespace invar {
namespace {

constexpr int kRanks[] = {1, 2, 3, 4, 7};

std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

std::vector<std::vector<int64_t>> random_values(SplitMix64& random, int ranks, std::size_t size, int bits) {
  std::vector<std::vector<int64_t>> all(index(ranks), std::vector<int64_t>(size));
  for (auto& values : all)
    for (int64_t& v : values) v = static_cast<int64_t>(random.next()) >> (64 - bits);
  return all;
}

// What every rank must find: by 128-bit integers, in rank order.
struct Sum {
  std::vector<int64_t> values;
  bool overflow = false;
};
Sum exact_sum(const std::vector<std::vector<int64_t>>& all) {
  Sum sum;
  for (std::size_t i = 0; i < all.front().size(); ++i) {
    __extension__ __int128 exact = 0;
    for (const auto& values : all) exact += values[i];
    sum.overflow |= exact > INT64_MAX || exact < INT64_MIN;
    sum.values.push_back(exact > INT64_MAX   ? INT64_MAX
                         : exact < INT64_MIN ? INT64_MIN
                                             : static_cast<int64_t>(exact));
  }
  return sum;
}

void expect_sums(std::vector<std::vector<int64_t>> all, const std::string& what) {
  const Sum expected = exact_sum(all);
  const auto ranks = static_cast<int>(all.size());
  std::vector<uint8_t> overflows(all.size());
  const Status status = run_ranks(ranks, [&](Communicator& comm) -> Status {
    bool overflow = false;
    INVAR_RETURN_IF_ERROR(comm.all_reduce_sum(all[index(comm.rank())], overflow));
    overflows[index(comm.rank())] = overflow;
    return Ok{};
  });
  ASSERT_TRUE(status.ok()) << status.message();
  for (std::size_t r = 0; r < all.size(); ++r) {
    EXPECT_EQ(all[r], expected.values) << what << ", rank " << r;
    EXPECT_EQ(overflows[r] != 0, expected.overflow) << what << ", rank " << r;
  }
}

TEST(Ranks, SumsOfAnySizeAreExactOnEveryRank) {
  SplitMix64 random(run_seed());
  for (int ranks : kRanks) {
    // Fewer values than ranks, sizes that no rank count divides, more than the blocks in which values are added.
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{1023},
                             std::size_t{4099}, std::size_t{random.next() % 100000}}) {
      for (int bits : {8, 40, 61})
        expect_sums(random_values(random, ranks, size, bits),
                    fmt::format("{} ranks, {} values of {} bits", ranks, size, bits));
    }
  }
}

TEST(Ranks, SumsNearTheEndsOfInt64AreExactAndOverflowIsKnownToAll) {
  SplitMix64 random(run_seed());
  for (int ranks : {2, 3, 4}) {
    for (std::size_t size : {1, 17, 40000})
      expect_sums(random_values(random, ranks, size, 64), fmt::format("{} ranks, {} values", ranks, size));
  }
  constexpr int64_t kMax = INT64_MAX, kMin = INT64_MIN;
  expect_sums({{kMax}, {1}}, "one beyond the largest");
  expect_sums({{kMin}, {-1}}, "one beyond the smallest");
  expect_sums({{kMin, 5}, {0, 6}}, "the smallest itself");
  expect_sums({{kMax}, {1}, {-1}}, "beyond and back: the sum is an int64");
  expect_sums({{kMin}, {kMin}, {kMax}, {kMax}}, "four ends");
  // 2^64 + 7: modulo 2^64 it looks like a small sum.
  expect_sums({{kMax, 3}, {kMax, 4}, {9, 5}}, "around once");
}

TEST(Ranks, AValueOfOneRankThatOverflowsIsNotHiddenByOthersThatDoNot) {
  std::vector<std::vector<int64_t>> all(4, std::vector<int64_t>(70001));
  all[2][69999] = INT64_MAX;
  all[3][69999] = 1;
  EXPECT_TRUE(exact_sum(all).overflow);
  expect_sums(all, "in the last chunk");
}

TEST(Ranks, AnOverflowFlagIsNeverCleared) {
  const Status status = run_ranks(2, [](Communicator& comm) -> Status {
    bool overflow = true;
    int64_t one = 1;
    INVAR_RETURN_IF_ERROR(comm.all_reduce_sum({&one, 1}, overflow));
    EXPECT_TRUE(overflow);
    EXPECT_EQ(one, 2);
    return Ok{};
  });
  EXPECT_TRUE(status.ok());
}

TEST(Ranks, TheLargestOfIntegersAndFloatsReachesEveryRank) {
  SplitMix64 random(run_seed());
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> ascending = {-infinity, -3e38f, -1.5f, -1e-45f, -0.0f,
                                        0.0f,      1e-45f, 1.0f,  3e38f,   infinity};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    const float back = from_ordered_bits(ordered_bits(ascending[i]));
    EXPECT_EQ(std::memcmp(&back, &ascending[i], sizeof back), 0);
    EXPECT_TRUE(i == 0 || ordered_bits(ascending[i - 1]) < ordered_bits(ascending[i])) << i;
  }
  EXPECT_GT(ordered_bits(std::numeric_limits<float>::quiet_NaN()), ordered_bits(infinity));
  for (int ranks : kRanks) {
    std::vector<std::vector<uint64_t>> all(index(ranks), std::vector<uint64_t>(1 + random.next() % 3000));
    for (auto& values : all) values.resize(all.front().size());
    std::vector<uint64_t> expected(all.front().size());
    for (auto& values : all)
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = random.next();
        expected[i] = std::max(expected[i], values[i]);
      }
    const Status status =
        run_ranks(ranks, [&](Communicator& comm) { return comm.all_reduce_max(all[index(comm.rank())]); });
    ASSERT_TRUE(status.ok()) << status.message();
    for (const auto& values : all) EXPECT_EQ(values, expected);
  }
}

TEST(Ranks, ABroadcastGivesEveryRankTheRootsBytes) {
  for (int ranks : kRanks) {
    const Status status = run_ranks(ranks, [&](Communicator& comm) -> Status {
      for (int root = 0; root < ranks; ++root) {
        for (std::size_t size : {0, 1, 777}) {
          std::vector<std::byte> bytes(size, std::byte(comm.rank()));
          INVAR_RETURN_IF_ERROR(comm.broadcast(bytes, root));
          EXPECT_EQ(bytes, std::vector<std::byte>(size, std::byte(root)));
        }
      }
      return Ok{};
    });
    EXPECT_TRUE(status.ok());
  }
}

TEST(Ranks, ABarrierIsPassedByNoneBeforeAllHaveCome) {
  std::atomic<int> come{0};
  const Status status = run_ranks(4, [&](Communicator& comm) -> Status {
    for (int round = 1; round <= 200; ++round) {
      ++come;
      INVAR_RETURN_IF_ERROR(comm.barrier());
      EXPECT_GE(come.load(), 4 * round);
    }
    return Ok{};
  });
  EXPECT_TRUE(status.ok());
}

TEST(Ranks, ManyCollectivesInARowKeepTheirCallsApart) {
  SplitMix64 random(run_seed());
  const uint64_t seed = random.next();
  const Status status = run_ranks(4, [&](Communicator& comm) -> Status {
    SplitMix64 plan(seed);  // the same on every rank
    for (int i = 0; i < 500; ++i) {
      std::vector<int64_t> values(1 + plan.next() % 9, comm.rank());
      bool overflow = false;
      if (plan.next() % 2 == 0) {
        INVAR_RETURN_IF_ERROR(comm.all_reduce_sum(values, overflow));
        EXPECT_EQ(values, std::vector<int64_t>(values.size(), 6));
      } else {
        const auto root = static_cast<int>(plan.next() % 4);
        INVAR_RETURN_IF_ERROR(comm.broadcast(std::as_writable_bytes(std::span(values)), root));
        EXPECT_EQ(values, std::vector<int64_t>(values.size(), root));
      }
    }
    return Ok{};
  });
  EXPECT_TRUE(status.ok()) << status.message();
}

// What the ranks but `failing` are told when that one ends in its own way after a few collectives.
std::vector<std::string> told(int failing, const std::function<Status()>& end, std::string* returned) {
  std::vector<std::string> messages(3);
  const Status status = run_ranks(3, [&](Communicator& comm) -> Status {
    for (int i = 0; i < 3; ++i) INVAR_RETURN_IF_ERROR(comm.barrier());
    if (comm.rank() == failing) return end();
    int64_t value = 1;
    bool overflow = false;
    Status waited = comm.all_reduce_sum({&value, 1}, overflow);
    EXPECT_FALSE(waited.ok());
    if (!waited.ok()) messages[index(comm.rank())] = waited.message();
    // And again: the group is of no use any more.
    EXPECT_FALSE(comm.barrier().ok());
    return waited;
  });
  EXPECT_FALSE(status.ok());
  if (!status.ok() && returned != nullptr) *returned = status.message();
  return messages;
}

TEST(Ranks, ARankThatFailsEndsTheWaitOfAllOthersAndItsErrorIsReturned) {
  for (int failing : {0, 1, 2}) {
    std::string returned;
    const auto messages = told(
        failing, [] { return Status(error("out of paper")); }, &returned);
    EXPECT_EQ(returned, "out of paper");
    for (int rank = 0; rank < 3; ++rank)
      EXPECT_EQ(messages[index(rank)], rank == failing ? "" : fmt::format("rank {}: out of paper", failing));
  }
}

TEST(Ranks, ARankThatThrowsEndsTheWaitOfAllOthersAndItIsThrownHere) {
  for (int failing : {0, 1, 2}) {
    try {
      told(
          failing, []() -> Status { throw std::runtime_error("no memory"); }, nullptr);
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& thrown) {
      EXPECT_STREQ(thrown.what(), "no memory");
    }
  }
}

TEST(Ranks, ARankThatEndsEarlyEndsTheWaitOfAllOthers) {
  for (int failing : {0, 1, 2}) {
    std::string returned;
    told(
        failing, [] { return Status(Ok{}); }, &returned);
    EXPECT_EQ(returned, fmt::format("rank {} has ended", failing));
  }
}

TEST(Ranks, TheErrorOfTheLowestRankThatFailedByItselfIsReturned) {
  const Status status = run_ranks(4, [](Communicator& comm) -> Status {
    if (comm.rank() >= 2) return error("of rank {}", comm.rank());
    return comm.barrier();
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(), "of rank 2");
}

TEST(RanksDeathTest, DifferentCollectivesAreABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        (void)run_ranks(2, [](Communicator& comm) {
          std::vector<uint64_t> values(comm.rank() == 0 ? 3 : 4);
          return comm.all_reduce_max(values);
        });
      },
      "rank 1 calls collective 1 with 4 values, root 0; rank 0 1 with 3");
}

}  // namespace
}  // namespace invar
