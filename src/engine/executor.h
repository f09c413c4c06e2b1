// Executor: the port between the engine, which decides what a step holds, and what computes it: a model on a CPU here;
// a simulation in tests.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "nn/batch.h"

namespace invar {

class Executor {
 public:
  struct Limits {
    int64_t vocab;       // V
    int64_t context;     // positions
    int64_t page_size;   // tokens
    int64_t pages;       // of the KV cache
    int64_t rows_max;    // of one forward
    int64_t logits_max;  // rows of one call of logits()
  };
  // What the tokens of a step are drawn with.
  struct Weights {
    int64_t version = 0;      // grows by one at each change
    std::string fingerprint;  // NUM-DIGEST
  };

  virtual ~Executor() = default;
  virtual const Limits& limits() const = 0;
  virtual const Weights& weights() const = 0;

  // Computes the rows and writes their keys and values to the pages of their chunks.
  virtual void forward(const Batch& batch) = 0;
  // Logits of rows of the last forward(), [rows.size(), V] fp32; rows.size() <= logits_max. Valid until the next call;
  // the caller may change them.
  virtual std::span<float> logits(std::span<const int32_t> rows) = 0;
  // Copies a page of every layer.
  virtual void copy_page(int32_t from, int32_t to) = 0;
};

}  // namespace invar
