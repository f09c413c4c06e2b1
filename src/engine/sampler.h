// Sampler: from the rows of a computed step to drawn tokens and log-probs.
//
// Every row is filtered, scored and drawn by its own request's parameters alone (NUM-SAMPLE, NUM-LSE): what shares a
// step or a call changes nothing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/step.h"

namespace invar {

class Sampler {
 public:
  Sampler(Executor& executor, Queue& queue, std::vector<int32_t> eos_ids);

  struct Drawn {
    Sequence* sequence;
    int32_t token;
    float log_prob;
  };

  // Scores prompt tokens into their requests' results, and calls on_drawn for each sample whose next token is drawn, in
  // the order of the step. Before the call the token's alternatives are in the sample's result. A sample whose logits
  // are infinite or no number is done with kError instead.
  void draw(const Step& step, const std::function<void(const Drawn&)>& on_drawn);

  bool is_stop(const SamplingParams& sampling, int32_t token) const;

 private:
  // The last row of a sample draws a token, others score the prompt's next token.
  struct Row {
    int32_t row;  // among the step's
    Sequence* sequence;
    int64_t position;  // of the token that is scored or drawn
    bool draws;
  };

  void collect(const Step& step);
  void score(std::span<const Row> rows, const std::function<void(const Drawn&)>& on_drawn);
  void process_logits(const Sequence& sequence, std::span<float> logits) const;
  static bool usable(std::span<float> logits);
  static void fail(const Row& row);

  Executor& executor_;
  Queue& queue_;
  std::vector<int32_t> eos_ids_;
  // Kept from step to step, so that a step allocates nothing.
  std::vector<Row> rows_;
  std::vector<int32_t> row_ids_, tokens_;
  std::vector<SampleRule> rules_;
  std::vector<uint8_t> usable_;
  std::vector<float> temperatures_, log_probs_;
  std::vector<RowLogSum> sums_;
};

}  // namespace invar
