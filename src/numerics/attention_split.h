// Where attention cuts a sequence: splits and blocks at fixed absolute positions. Contract id NUM-ATTN.
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar {

// Key positions of a block; every split border is a block border.
inline constexpr int64_t kAttentionBlock = 128;

// Lengths of splits: 256 up to position 4096, 512 up to 8192, 1024 up to 16384, 2048 up to 32768, 4096 beyond.
struct AttentionSplit {
  int64_t begin;
  int64_t end;
};

// The split that holds an absolute position >= 0; a row at p has attention_split_index(p) + 1 splits.
INVAR_INLINE int64_t attention_split_index(int64_t position) {
  if (position < 4096) return position / 256;
  if (position < 8192) return 16 + (position - 4096) / 512;
  if (position < 16384) return 24 + (position - 8192) / 1024;
  if (position < 32768) return 32 + (position - 16384) / 2048;
  return 40 + (position - 32768) / 4096;
}

// The positions [begin, end) of a split >= 0.
INVAR_INLINE AttentionSplit attention_split(int64_t index) {
  if (index < 16) return {index * 256, index * 256 + 256};
  if (index < 24) return {4096 + (index - 16) * 512, 4096 + (index - 16) * 512 + 512};
  if (index < 32) return {8192 + (index - 24) * 1024, 8192 + (index - 24) * 1024 + 1024};
  if (index < 40) return {16384 + (index - 32) * 2048, 16384 + (index - 32) * 2048 + 2048};
  return {32768 + (index - 40) * 4096, 32768 + (index - 40) * 4096 + 4096};
}

}  // namespace invar
