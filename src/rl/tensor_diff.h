// Which tensor, and which number of it, two checkpoints first differ in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "train/checkpoint.h"

namespace invar {

struct TensorDifference {
  std::string name;  // a weight by its Hugging Face name, else "master.<name>", "first_moment.<name>", ...
  std::vector<int64_t> shape;
  int64_t index = 0;               // of the first number that differs, row-major
  std::string a, b;                // it, with its bits; empty where only one checkpoint has the tensor
  int64_t elements_differing = 0;  // of this tensor
  int64_t tensors_differing = 0, tensors = 0;  // of all weights and numbers of the optimizer
};

// Weights come first, then masters and moments, each in name order; nothing when all bits are equal.
std::optional<TensorDifference> diff_tensors(const Checkpoint& a, const Checkpoint& b);

// The same of two runs' checkpoints of a step; nothing where one of them has none that is whole.
std::optional<TensorDifference> diff_tensors(const std::string& run_a, const std::string& run_b,
                                             int64_t step);

}  // namespace invar
