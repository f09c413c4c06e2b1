// One forward over a list of tokens, and the golden models.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/queue.h"
#include "model/golden_testing.h"

namespace invar {

// Logits of `rows`, [rows.size(), V] of fp32, after one step over all tokens from position 0. `tokens` and `rows` count
// from 0; every row < tokens.size().
std::vector<float> logits_of_rows(const DecoderModel& model, Queue& queue, std::span<const int32_t> tokens,
                                  std::span<const int32_t> rows);

}  // namespace invar
