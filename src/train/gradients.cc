#include "train/gradients.h"

#include <algorithm>

#include "kernels/grad_square_sum.h"
#include "numerics/grid_sum.h"

namespace invar {

Gradients::Gradients(DecoderModel& model, const ParameterLayout& layout)
    : model_(model), layout_(layout), sums_(layout.size()), overflows_(model.blocks.size() + 1) {}

LinearGrad Gradients::of(const Linear& linear) {
  return {.weight = at(layout_.begin_of(linear.weight)),
          .bias = linear.bias.size() > 0 ? at(layout_.begin_of(linear.bias)) : nullptr};
}

DecoderBlockGrad Gradients::block(std::size_t i) {
  DecoderBlock& block = model_.blocks[i];
  const auto norm = [&](const std::optional<RmsNorm>& norm) {
    return norm ? at(layout_.begin_of(norm->weight)) : nullptr;
  };
  return {.attention_norm = at(layout_.begin_of(block.attention_norm.weight)),
          .attention = {.qkv = of(block.attention.qkv),
                        .o = of(block.attention.o),
                        .q_norm = norm(block.attention.q_norm),
                        .k_norm = norm(block.attention.k_norm)},
          .mlp_norm = at(layout_.begin_of(block.mlp_norm.weight)),
          .mlp = {.gate_up = of(block.mlp.gate_up), .down = of(block.mlp.down)}};
}

int64_t* Gradients::final_norm() { return at(layout_.begin_of(model_.final_norm.weight)); }
int64_t* Gradients::embedding() { return at(layout_.begin_of(model_.embedding.table)); }
LinearGrad Gradients::lm_head() { return of(model_.lm_head); }

void Gradients::clear(Queue& queue) {
  queue.pool().parallel_for(sums_.size(), [&](int64_t begin, int64_t end, int) {
    std::fill(sums_.data() + begin, sums_.data() + end, 0);
  });
  overflows_.assign(overflows_.size(), {});
}

void Gradients::add(Queue& queue, const Gradients& other) {
  INVAR_CHECK(sums_.size() == other.sums_.size(), "{} and {} gradients", sums_.size(), other.sums_.size());
  std::vector<Flag> flags(static_cast<std::size_t>(queue.pool().threads()));
  queue.pool().parallel_for(sums_.size(), [&](int64_t begin, int64_t end, int share) {
    bool overflow = false;
    for (int64_t i = begin; i < end; ++i) grid_merge(sums_[i], other.sums_[i], overflow);
    flags[static_cast<std::size_t>(share)].flag = overflow;
  });
  for (std::size_t b = 0; b < overflows_.size(); ++b) overflows_[b].flag |= other.overflows_[b].flag;
  // Whose sum it was is not known here: the last flag speaks for all.
  for (const Flag& flag : flags) overflows_.back().flag |= flag.flag;
}

Status Gradients::check() const {
  for (std::size_t b = 0; b < overflows_.size(); ++b) {
    if (!overflows_[b].flag) continue;
    const bool is_block = b + 1 < overflows_.size();
    return error(
        "gradients of {} left the grid of sums (a part of 2^16 or more, a sum of 2^22 or more, or no "
        "number); "
        "lower the learning rate or the loss's scale, or look at the rewards",
        is_block ? fmt::format("layer {}", b) : std::string("the embedding, the final norm or the LM head"));
  }
  return Ok{};
}

SquareSum Gradients::square_sum(Queue& queue) const { return grad_square_sum(queue, sums()); }

}  // namespace invar
