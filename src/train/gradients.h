// Gradients: sums over tokens of every trained number, as integers (NUM-GRID). Who added what, in which order and in
// how many pieces, changes no bit of them.
#pragma once

#include <span>

#include "base/result.h"
#include "comm/communicator.h"
#include "nn/decoder_block.h"
#include "numerics/square_sum.h"
#include "train/parameters.h"

namespace invar {

class Gradients {
 public:
  // The model and the layout must outlive this.
  Gradients(DecoderModel& model, const ParameterLayout& layout);

  std::span<int64_t> sums() { return {sums_.data(), static_cast<std::size_t>(sums_.size())}; }
  std::span<const int64_t> sums() const { return {sums_.data(), static_cast<std::size_t>(sums_.size())}; }
  const ParameterLayout& layout() const { return layout_; }

  // Where backward passes add.
  DecoderBlockGrad block(std::size_t i);
  int64_t* final_norm();
  int64_t* embedding();
  LinearGrad lm_head();
  // The flag of everything of a block; index blocks.size(): embedding, final norm and LM head.
  bool& overflow(std::size_t block) { return overflows_[block].flag; }

  void clear(Queue& queue);
  // Becomes the sum over all ranks, on every one of them. Errors: those of the communicator.
  Status all_reduce(Queue& queue, Communicator& ranks);
  // An error that names the first weights whose sums left the grid.
  Status check() const;
  // Of all of them; check() has passed.
  SquareSum square_sum(Queue& queue) const;

 private:
  struct Flag {
    bool flag = false;
  };
  int64_t* at(int64_t begin) { return sums_.data() + begin; }
  LinearGrad of(const Linear& linear);
  // Raises the flags of all sums beyond the grid's limit.
  void flag_overflows(Queue& queue);

  DecoderModel& model_;
  const ParameterLayout& layout_;
  Buffer<int64_t> sums_;
  std::vector<Flag> overflows_;
};

}  // namespace invar
