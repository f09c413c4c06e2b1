#include "numerics/attention_split.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

int64_t length_at(int64_t position) {
  if (position < 4096) return 256;
  if (position < 8192) return 512;
  if (position < 16384) return 1024;
  if (position < 32768) return 2048;
  return 4096;
}

TEST(AttentionSplit, SplitsTileThePositionsWithTheNamedLengths) {
  int64_t begin = 0;
  for (int64_t index = 0; begin < 2'000'000; ++index) {
    const AttentionSplit split = attention_split(index);
    ASSERT_EQ(begin, split.begin) << "split " << index;
    ASSERT_EQ(length_at(begin), split.end - split.begin) << "split " << index;
    ASSERT_EQ(0, split.begin % kAttentionBlock) << "split " << index;
    begin = split.end;
  }
}

TEST(AttentionSplit, TheIndexOfAPositionIsTheSplitThatHoldsIt) {
  for (int64_t position = 0; position < 300'000; ++position) {
    const AttentionSplit split = attention_split(attention_split_index(position));
    ASSERT_LE(split.begin, position);
    ASSERT_LT(position, split.end);
  }
}

}  // namespace
}  // namespace invar
