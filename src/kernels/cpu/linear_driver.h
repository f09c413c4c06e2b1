// Blocking, threads and epilogue of linear() around the tiles of a tier.
#pragma once

#include "kernels/cpu/linear_kernels.h"
#include "kernels/linear.h"

namespace invar {

// The tiles of a queue's profile and tier, which is not ref.
LinearKernels linear_kernels(const Queue& queue);

// See linear(). Arguments have been checked; rows > 0.
void linear_tiled(Queue& queue, const LinearArgs& args, const LinearKernels& kernels);

// A block of finished chains.
struct LinearBlock {
  const float* acc;  // [rows, outputs], rows acc_stride apart
  int64_t acc_stride;
  int64_t row_begin;
  int64_t rows;
  int64_t n_begin;
  int64_t outputs;
};

// Adds the bias, rounds where the output is bf16 (NUM-BF16), and stores. Keeps subnormals: call it with the default
// floating-point environment.
void linear_store(const LinearArgs& args, const LinearBlock& block);

}  // namespace invar
