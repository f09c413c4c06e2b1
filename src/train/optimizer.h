// Optimizer: AdamW over fp32 masters of all weights, from integer gradient sums.
#pragma once

#include <span>
#include <string>

#include "kernels/adamw.h"
#include "train/gradients.h"

namespace invar {

struct OptimizerOptions {
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float eps = 1e-8f;
  float weight_decay = 0;  // of matrices; not of norms and biases
  float clip_norm = 1;     // of the gradient's norm; 0: off
};

// Errors: a number out of range, by name.
Status check(const OptimizerOptions& options);

class Optimizer {
 public:
  // Masters begin as the model's weights. The layout and its model must outlive this.
  Optimizer(const ParameterLayout& layout, ThreadPool& pool);

  struct Step {
    int64_t number;  // from 1 on
    float learning_rate;
    int64_t denominator;  // of the loss: what the sums over tokens are divided by
  };
  struct Report {
    double gradient_norm;  // after the division, before clipping
    float clip_factor;     // 1: nothing was clipped
  };
  // Updates masters, moments and weights(). Errors: those of gradients.check(), and then nothing has changed.
  Result<Report> step(Queue& queue, const OptimizerOptions& options, const Step& step,
                      const Gradients& gradients);

  // Writes weights() into the model. What depends on them is the caller's: transposed copies, caches, digests.
  void write(ThreadPool& pool) const;

  // SHA-256 of the tree hashes (io/tree_hash.h) of masters and both moments, 64 hex digits.
  std::string digest(ThreadPool& pool) const;

  // All in the layout's order.
  std::span<float> masters() { return span(masters_); }
  std::span<float> first_moments() { return span(m_); }
  std::span<float> second_moments() { return span(v_); }
  std::span<bf16> weights() { return weights_.span(); }
  std::span<const bf16> weights() const {
    return {weights_.data(), static_cast<std::size_t>(weights_.size())};
  }

 private:
  static std::span<float> span(Buffer<float>& buffer) {
    return {buffer.data(), static_cast<std::size_t>(buffer.size())};
  }

  const ParameterLayout& layout_;
  Buffer<float> masters_, m_, v_;
  Buffer<bf16> weights_;
};

}  // namespace invar
