// One forward over a list of tokens, and the golden models that the tests here load.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/queue.h"
#include "model/registry.h"

namespace invar {

// A model below tests/goldens/models, or at any other path. Aborts when it does not load.
DecoderModel load_model(const std::string& path);
std::string golden_folder(const std::string& name);

// Logits of `rows`, [rows.size(), V] of fp32, after one step over all tokens from position 0. `tokens` and `rows` count
// from 0; every row < tokens.size().
std::vector<float> logits_of_rows(const DecoderModel& model, Queue& queue, std::span<const int32_t> tokens,
                                  std::span<const int32_t> rows);

}  // namespace invar
