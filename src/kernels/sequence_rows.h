// SequenceRows: where training finds a whole sequence.
#pragma once

#include <cstdint>

namespace invar {

// A whole sequence among packed rows: row row_begin + p is its position p.
struct SequenceRows {
  int64_t row_begin;
  int64_t rows;  // >= 1
};

}  // namespace invar
