#include "train/gradients.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "kernels/grad_square_sum.h"
#include "numerics/grid_sum.h"

namespace invar {
namespace {

// "model.layers.3.mlp.up_proj.weight": 3.
std::optional<int64_t> layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "model.layers.";
  int64_t layer = 0;
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const char* digits = name.data() + kPrefix.size();
  if (std::from_chars(digits, name.data() + name.size(), layer).ec != std::errc()) return std::nullopt;
  return layer;
}

}  // namespace

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

Status Gradients::all_reduce(Queue& queue, Communicator& ranks) {
  std::vector<uint64_t> flags;
  for (const Flag& flag : overflows_) flags.push_back(flag.flag);
  INVAR_RETURN_IF_ERROR(ranks.all_reduce_max(flags));
  for (std::size_t b = 0; b < flags.size(); ++b) overflows_[b].flag = flags[b] != 0;
  // A sum that is no int64 comes back as its end, beyond the limit of the grid.
  bool overflow = false;
  INVAR_RETURN_IF_ERROR(ranks.all_reduce_sum(sums(), overflow));
  flag_overflows(queue);
  return Ok{};
}

void Gradients::flag_overflows(Queue& queue) {
  std::vector<Flag> flags(layout_.named().size());
  queue.pool().parallel_for(std::ssize(flags), [&](int64_t begin, int64_t end, int) {
    for (auto n = static_cast<std::size_t>(begin); n < static_cast<std::size_t>(end); ++n) {
      const ParameterLayout::Named& named = layout_.named()[n];
      bool overflow = false;
      for (int64_t i = 0; i < named.place.spec.elements(); ++i)
        grid_merge(sums_[named.begin + i], 0, overflow);
      flags[n].flag = overflow;
    }
  });
  const auto others = static_cast<int64_t>(model_.blocks.size());
  for (std::size_t n = 0; n < flags.size(); ++n) {
    const auto block = layer_of(layout_.named()[n].place.spec.name).value_or(others);
    overflows_[static_cast<std::size_t>(block)].flag |= flags[n].flag;
  }
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
