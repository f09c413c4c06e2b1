// Parts of a training update, each over all layers of a model and by itself, as `invar bench train` shows them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "train/gradients.h"
#include "train/micro_batch.h"

namespace invar {

// A micro-batch: sequences of equal length, of which the last `scored` tokens are scored.
struct TrainShape {
  int64_t sequences, tokens, scored;

  int64_t rows() const { return sequences * (tokens - 1); }
  std::string text() const;
};

// FLOP of the products with weights: 2 for each weight and row in the forward, 4 in the backward; of the LM head only
// scored tokens have rows. Attention's products, 2 % at 256 tokens, are not counted.
class TrainFlop {
 public:
  TrainFlop(const DecoderModel& model, const TrainShape& shape);

  double blocks() const { return blocks_; }
  double head() const { return head_; }
  double forward() const { return blocks_ + head_; }
  double backward() const { return 2 * forward(); }
  // Of computing activations again: the down projection is not needed, and of the LM head this part of the rows.
  double recompute(double head_part) const { return blocks_ - down_ + head_part * head_; }

 private:
  double blocks_ = 0, down_ = 0, head_ = 0;
};

struct PartTime {
  const char* what;
  double flop;
  double seconds;
  double peak = 1;      // FLOP/s of multiply-adds, the mean of right before and right after
  bool within = false;  // is a part of the one before it
};
using PartTimes = std::vector<PartTime>;

// Of gradients of weights, and the integer sums' part of it: of each call, and of all.
struct GradientTimes {
  std::vector<double> all_s, sums_s;
};
struct GradientSeconds {
  double all_s, sums_s;
};

// Runs the kernels of a micro-batch of this shape on made-up activations, with the model's weights, in the order of
// layers that the trainer has: so weights and gradients come from where they come from there.
class TrainParts {
 public:
  TrainParts(const DecoderModel& model, Queue& queue, const TrainShape& shape, std::function<double()> peak);

  PartTimes forward();
  // Adds to gradients.
  PartTimes backward(Gradients& gradients);

 private:
  PartTime timed(const char* what, double flop, const std::function<void()>& body) const;
  void linear_forward();
  void attention_forward();
  void input_gradients();
  // One call with integer sums and one without right after or before it: a shared machine drifts within seconds by more
  // than the sums cost, so the difference is taken for each matrix, and medians of equal ones.
  void time_weight_gradient(const Linear& linear, std::span<const SequenceRows> sequences, Rows<const bf16> dy,
                            Rows<const bf16> x, const LinearGrad& grad, GradientTimes& times);
  GradientSeconds weight_gradients(Gradients& gradients);
  GradientSeconds head_weight_gradient(Gradients& gradients);
  void attention_gradients();

  const DecoderModel& model_;
  Queue& queue_;
  TrainShape shape_;
  std::function<double()> peak_;
  TransposedWeights transposed_;
  Activations activations_;
  BackwardScratch scratch_;
  std::vector<int32_t> tokens_, positions_, pages_;
  std::vector<SequenceChunk> chunks_;
  std::vector<SequenceRows> sequences_, scored_;
  Buffer<bf16> k_pages_, v_pages_;
  KvLayout layout_;
  Buffer<AttentionRowSum> row_sums_;
  Buffer<bf16> head_input_;  // [scored, C]
  Buffer<float> logits_;     // [scored, V]
  Buffer<float> d_head_;     // [scored, C]
  std::vector<int32_t> scored_tokens_;
  std::vector<float> numbers_, entropies_, log_probs_;
  std::vector<RowLogSum> log_sums_;
  bool overflow_ = false;
};

}  // namespace invar
