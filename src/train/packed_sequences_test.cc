#include "train/packed_sequences.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>

#include "base/seed_testing.h"
#include "base/split_mix.h"

namespace invar {
namespace {

using Sequence = std::vector<int32_t>;
constexpr int64_t kPageSize = PackedSequences::kPageSize;

PackedSequences packed(const std::vector<Sequence>& sequences) {
  PackedSequences packed;
  packed.pack(std::vector<std::span<const int32_t>>(sequences.begin(), sequences.end()));
  return packed;
}

// `shared` tokens that all such sequences have in common, then some of its own.
Sequence sequence(int64_t shared, int64_t own, int32_t number) {
  Sequence tokens;
  for (int64_t i = 0; i < shared; ++i) tokens.push_back(static_cast<int32_t>(i));
  for (int64_t i = 0; i < own; ++i) tokens.push_back(1000 * number + static_cast<int32_t>(i));
  return tokens;
}

// A forward and a backward over these rows see what they see of every sequence by itself.
void expect_whole(const std::vector<Sequence>& sequences, const PackedSequences& packed) {
  const Batch batch = packed.batch();
  ASSERT_EQ(batch.chunks.size(), sequences.size());
  ASSERT_EQ(packed.sequences().size(), sequences.size());
  // Every row of the forward belongs to one chunk, which writes it to a slot of the cache of its own.
  std::map<std::pair<int32_t, int64_t>, int64_t> row_of_slot;
  int64_t next = 0;
  for (const SequenceChunk& chunk : batch.chunks) {
    ASSERT_EQ(chunk.row_begin, next);
    ASSERT_GE(chunk.rows, 1);
    for (int64_t i = 0; i < chunk.rows; ++i, ++next) {
      const int64_t position = chunk.position_begin + i;
      EXPECT_EQ(batch.positions[static_cast<std::size_t>(next)], position);
      const int32_t page = chunk.pages[position / kPageSize];
      ASSERT_LT(page, packed.pages());
      EXPECT_TRUE(row_of_slot.emplace(std::pair(page, position % kPageSize), next).second) << "row " << next;
    }
  }
  ASSERT_EQ(next, batch.rows());
  std::set<int32_t> used;
  std::size_t row = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const SequenceRows& whole = packed.sequences()[s];
    ASSERT_EQ(whole.row_begin, static_cast<int64_t>(row));
    ASSERT_EQ(whole.rows, std::ssize(sequences[s]) - 1);
    for (int64_t p = 0; p < whole.rows; ++p, ++row) {
      const int32_t computed = packed.rows()[row];
      used.insert(computed);
      EXPECT_EQ(packed.tokens()[row], sequences[s][static_cast<std::size_t>(p)]);
      EXPECT_EQ(packed.positions()[row], p);
      EXPECT_EQ(batch.tokens[static_cast<std::size_t>(computed)], packed.tokens()[row]);
      EXPECT_EQ(batch.positions[static_cast<std::size_t>(computed)], p);
      // What the sequence's chunk reads at this position is what that row has written.
      const std::pair slot(batch.chunks[s].pages[p / kPageSize], p % kPageSize);
      ASSERT_TRUE(row_of_slot.contains(slot));
      EXPECT_EQ(row_of_slot[slot], computed);
    }
  }
  EXPECT_EQ(row, packed.rows().size());
  EXPECT_EQ(std::ssize(used), batch.rows());
  EXPECT_EQ(packed.shares(), batch.rows() != std::ssize(packed.rows()));
}

TEST(PackedSequences, ComputeThePromptOfAGroupOnce) {
  const std::vector<Sequence> group = {sequence(33, 10, 1), sequence(33, 4, 2), sequence(33, 20, 3)};
  const PackedSequences rows = packed(group);
  expect_whole(group, rows);
  // 42 rows, then 36 and 52 less two pages.
  EXPECT_EQ(rows.batch().rows(), 42 + 4 + 20);
  EXPECT_EQ(rows.batch().chunks[1].position_begin, 32);
}

TEST(PackedSequences, ShareWholePagesAndComputeTheLastRow) {
  const auto computed = [](const std::vector<Sequence>& sequences) {
    const PackedSequences rows = packed(sequences);
    expect_whole(sequences, rows);
    return rows.batch().rows();
  };
  EXPECT_EQ(computed({sequence(15, 5, 1), sequence(15, 5, 2)}), 38);          // less than a page
  EXPECT_EQ(computed({sequence(16, 5, 1), sequence(16, 5, 2)}), 20 + 4);      // one page
  EXPECT_EQ(computed({sequence(17, 0, 0), sequence(17, 0, 0)}), 16 + 16);     // nothing would be left of the second
  EXPECT_EQ(computed({sequence(18, 0, 0), sequence(18, 0, 0)}), 17 + 1);      // one row is
  EXPECT_EQ(computed({sequence(17, 0, 0), sequence(40, 0, 0)}), 16 + 23);     // all rows of the first
  EXPECT_EQ(computed({sequence(40, 0, 0), sequence(17, 0, 0)}), 39 + 16);     // 15 rows could be: no page
  EXPECT_EQ(computed({sequence(32, 5, 1), sequence(16, 5, 2), sequence(32, 5, 3)}), 36 + 4 + 20);  // neighbours alone
  EXPECT_EQ(computed({sequence(0, 2, 1)}), 1);
}

TEST(PackedSequences, HoldForRandomSequences) {
  SplitMix64 random(run_seed());
  PackedSequences reused;
  for (int round = 0; round < 300; ++round) {
    std::vector<Sequence> sequences;
    const auto below = [&](uint64_t limit) { return static_cast<int64_t>(random.next() % limit); };
    for (int64_t i = 1 + below(8); i > 0; --i) {
      const int64_t shared = below(100);
      sequences.push_back(sequence(shared, below(40) + (shared < 2 ? 2 : 0), static_cast<int32_t>(i)));
    }
    reused.pack(std::vector<std::span<const int32_t>>(sequences.begin(), sequences.end()));
    expect_whole(sequences, reused);
    if (testing::Test::HasFailure()) FAIL() << "round " << round;
  }
}

}  // namespace
}  // namespace invar
