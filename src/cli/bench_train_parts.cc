#include "cli/bench_train_parts.h"

#include <fmt/format.h>

#include <numeric>
#include <random>

#include "base/clock.h"
#include "cli/bench_measure.h"
#include "kernels/attention_backward.h"
#include "kernels/cpu/linear_driver.h"
#include "kernels/cpu/linear_weight_grad_driver.h"
#include "kernels/log_probs_backward.h"

namespace invar {
namespace {

constexpr int64_t kTrainPageSize = 16;
constexpr int kHeadRuns = 3;

// Values around 1 of either sign.
void fill_about_one(std::span<bf16> values, uint32_t seed) {
  std::mt19937 random(seed);
  for (bf16& x : values) {
    const uint32_t r = random();
    x = {static_cast<uint16_t>((r & 0x807fu) | (120 + (r >> 16) % 8) << 7)};
  }
}

void fill_about_one(Rows<bf16> rows, int64_t count, uint32_t seed) {
  fill_about_one({rows.data, static_cast<std::size_t>(count * rows.stride)}, seed);
}

double product_flop(const Linear& linear) { return 2.0 * linear.outputs() * linear.inputs(); }

// linear_weight_grad() without NUM-GRID: what is left is its products.
void weight_grad_float(Queue& queue, const LinearWeightGradArgs& args) {
  if (queue.tier() == Tier::kRef) return linear_weight_grad(queue, args);
  GridKernels grid = queue.tier() == Tier::kAvx2 ? grid_kernels_avx2() : grid_kernels_avx512();
  grid.fits = [](const float*, int64_t) { return true; };
  grid.add = [](const float*, int64_t, int64_t, GridHalves*) {};
  grid.carry = [](GridHalves*, int64_t) { return true; };
  grid.take = [](GridHalves*, int64_t, int64_t*) {};
  grid.check = [](const int64_t*, int64_t) { return false; };
  grid.merge = [](const int64_t*, int64_t, int64_t*) { return false; };
  grid.add_rows = [](const bf16*, int64_t, int64_t, int64_t, int64_t*) { return false; };
  linear_weight_grad_tiled(queue, args, linear_kernels(queue), grid);
}

void weight_gradient(Queue& queue, const Linear& linear, std::span<const SequenceRows> sequences,
                     Rows<const bf16> dy, Rows<const bf16> x, const LinearGrad& grad, bool integers,
                     bool& overflow) {
  const LinearWeightGradArgs args{.dy = dy.data,
                                  .dy_stride = dy.stride,
                                  .x = x.data,
                                  .x_stride = x.stride,
                                  .sequences = sequences,
                                  .n = linear.outputs(),
                                  .k = linear.inputs(),
                                  .grad = grad.weight,
                                  .grad_bias = grad.bias,
                                  .overflow = &overflow};
  integers ? linear_weight_grad(queue, args) : weight_grad_float(queue, args);
}

}  // namespace

std::string TrainShape::text() const {
  return fmt::format("{} x {} tokens, {} scored", sequences, tokens, scored);
}

TrainFlop::TrainFlop(const DecoderModel& model, const TrainShape& shape) {
  const auto rows = static_cast<double>(shape.rows());
  for (const DecoderBlock& block : model.blocks) {
    blocks_ += rows * (product_flop(block.attention.qkv) + product_flop(block.attention.o) +
                       product_flop(block.mlp.gate_up) + product_flop(block.mlp.down));
    down_ += rows * product_flop(block.mlp.down);
  }
  head_ = static_cast<double>(shape.sequences * shape.scored) * product_flop(model.lm_head);
}

TrainParts::TrainParts(const DecoderModel& model, Queue& queue, const TrainShape& shape,
                       std::function<double()> peak)
    : model_(model),
      queue_(queue),
      shape_(shape),
      peak_(std::move(peak)),
      transposed_(model, queue.pool()),
      activations_(model.activation_shape(shape.rows())),
      scratch_({.activations = model.activation_shape(shape.rows()),
                .qk_dim = (model.config.heads + model.config.kv_heads) * model.config.head_dim,
                .qk_norm = false}),
      layout_(model.kv_layout(kTrainPageSize)),
      row_sums_(shape.rows() * model.config.heads) {
  const int64_t rows = shape.rows(), length = shape.tokens - 1, scored = shape.sequences * shape.scored;
  const int64_t pages = (length + kTrainPageSize - 1) / kTrainPageSize;
  pages_.resize(static_cast<std::size_t>(shape.sequences * pages));
  std::iota(pages_.begin(), pages_.end(), 0);
  std::mt19937 random(1);
  for (int64_t s = 0; s < shape.sequences; ++s) {
    sequences_.push_back({.row_begin = s * length, .rows = length});
    scored_.push_back({.row_begin = s * shape.scored, .rows = shape.scored});
    chunks_.push_back(
        {.row_begin = s * length, .rows = length, .position_begin = 0, .pages = pages_.data() + s * pages});
  }
  const auto vocab = static_cast<uint32_t>(model.config.vocab_size);
  for (int64_t i = 0; i < rows; ++i) tokens_.push_back(static_cast<int32_t>(random() % vocab));
  for (int64_t i = 0; i < scored; ++i) scored_tokens_.push_back(static_cast<int32_t>(random() % vocab));
  k_pages_ = Buffer<bf16>(shape.sequences * pages * layout_.page_elements());
  v_pages_ = Buffer<bf16>(k_pages_.size());
  fill_about_one(k_pages_.span(), 1);
  fill_about_one(v_pages_.span(), 2);
  fill_about_one(activations_.normed, rows, 3);
  fill_about_one(activations_.attention.qkv, rows, 4);
  fill_about_one(activations_.attention.heads, rows, 5);
  fill_about_one(activations_.mlp.activation, rows, 6);
  fill_about_one(scratch_.normed, rows, 7);
  fill_about_one(scratch_.d_delta, rows, 8);
  fill_about_one(scratch_.attention.d_heads, rows, 9);
  fill_about_one(scratch_.attention.d_qkv, rows, 10);
  fill_about_one(scratch_.mlp.d_gate_up, rows, 11);
  head_input_ = Buffer<bf16>(scored * model.config.hidden_size);
  fill_about_one(head_input_.span(), 12);
  logits_ = Buffer<float>(scored * model.config.vocab_size);
  d_head_ = Buffer<float>(scored * model.config.hidden_size);
  numbers_.assign(static_cast<std::size_t>(scored), 1.0f);
  entropies_.resize(static_cast<std::size_t>(scored));
  log_probs_.resize(static_cast<std::size_t>(scored));
  log_sums_.resize(static_cast<std::size_t>(scored));
}

void TrainParts::linear_forward() {
  const Activations& a = activations_;
  const int64_t rows = shape_.rows();
  for (const DecoderBlock& block : model_.blocks) {
    invar::forward(queue_, block.attention.qkv, rows, a.normed, a.attention.qkv);
    invar::forward(queue_, block.attention.o, rows, a.attention.heads, a.delta);
    invar::forward(queue_, block.mlp.gate_up, rows, a.normed, a.mlp.gate_up);
    invar::forward(queue_, block.mlp.down, rows, a.mlp.activation, a.delta);
  }
}

void TrainParts::attention_forward() {
  const SelfAttention& layer = model_.blocks.front().attention;
  for (std::size_t i = 0; i < model_.blocks.size(); ++i)
    attention(queue_, {.q = activations_.attention.qkv.data,
                       .out = activations_.attention.heads.data,
                       .q_stride = activations_.attention.qkv.stride,
                       .out_stride = activations_.attention.heads.stride,
                       .k_pages = k_pages_.data(),
                       .v_pages = v_pages_.data(),
                       .layout = layout_,
                       .heads = layer.heads,
                       .scale = layer.scale,
                       .chunks = chunks_,
                       .row_sums = row_sums_.data()});
}

void TrainParts::input_gradients() {
  const int64_t rows = shape_.rows();
  for (std::size_t i = model_.blocks.size(); i-- > 0;) {
    const DecoderBlockTransposed& block = transposed_.block(i);
    backward_input(queue_, block.mlp.down, rows, scratch_.d_delta, scratch_.mlp.d_activation);
    backward_input(queue_, block.mlp.gate_up, rows, scratch_.mlp.d_gate_up, scratch_.d_normed);
    backward_input(queue_, block.attention.o, rows, scratch_.d_delta, scratch_.attention.d_heads);
    backward_input(queue_, block.attention.qkv, rows, scratch_.attention.d_qkv, scratch_.d_normed);
  }
}

void TrainParts::time_weight_gradient(const Linear& linear, std::span<const SequenceRows> sequences,
                                      Rows<const bf16> dy, Rows<const bf16> x, const LinearGrad& grad,
                                      GradientTimes& times) {
  const bool first = times.all_s.size() % 2 == 0;
  double seconds[2];
  for (const bool integers : {first, !first}) {
    const double begin_s = monotonic_seconds();
    weight_gradient(queue_, linear, sequences, dy, x, grad, integers, overflow_);
    seconds[integers ? 1 : 0] = monotonic_seconds() - begin_s;
  }
  times.all_s.push_back(seconds[1]);
  times.sums_s.push_back(seconds[1] - seconds[0]);
}

GradientSeconds TrainParts::weight_gradients(Gradients& gradients) {
  const Activations& a = activations_;
  GradientTimes down, gate_up, o, qkv;
  for (std::size_t i = model_.blocks.size(); i-- > 0;) {
    const DecoderBlock& block = model_.blocks[i];
    const DecoderBlockGrad grad = gradients.block(i);
    const auto add = [&](const Linear& linear, Rows<const bf16> dy, Rows<const bf16> x, const LinearGrad& to,
                         GradientTimes& times) { time_weight_gradient(linear, sequences_, dy, x, to, times); };
    add(block.mlp.down, scratch_.d_delta, a.mlp.activation, grad.mlp.down, down);
    add(block.mlp.gate_up, scratch_.mlp.d_gate_up, a.normed, grad.mlp.gate_up, gate_up);
    add(block.attention.o, scratch_.d_delta, a.attention.heads, grad.attention.o, o);
    add(block.attention.qkv, scratch_.attention.d_qkv, scratch_.normed, grad.attention.qkv, qkv);
  }
  GradientSeconds sum{};
  for (const GradientTimes* times : {&down, &gate_up, &o, &qkv}) {
    const auto matrices = static_cast<double>(model_.blocks.size());
    for (const double seconds : times->all_s) sum.all_s += seconds;
    sum.sums_s += median(times->sums_s) * matrices;
  }
  return sum;
}

void TrainParts::attention_gradients() {
  const SelfAttention& layer = model_.blocks.front().attention;
  const int64_t q_dim = layer.heads * layer.head_dim, kv_dim = layer.kv_heads * layer.head_dim;
  const Rows<bf16> q = activations_.attention.qkv, k = q.columns(q_dim), v = k.columns(kv_dim);
  const Rows<bf16> out = activations_.attention.heads, d_out = scratch_.attention.d_heads;
  const Rows<float> dq = scratch_.attention.d_qk, dk = dq.columns(q_dim);
  const Rows<bf16> dv = scratch_.attention.d_qkv.columns(q_dim + kv_dim);
  for (std::size_t i = 0; i < model_.blocks.size(); ++i)
    attention_backward(queue_, {.q = q.data,
                                .k = k.data,
                                .v = v.data,
                                .out = out.data,
                                .d_out = d_out.data,
                                .row_sums = row_sums_.data(),
                                .dq = dq.data,
                                .dk = dk.data,
                                .dv = dv.data,
                                .q_stride = q.stride,
                                .k_stride = k.stride,
                                .v_stride = v.stride,
                                .out_stride = out.stride,
                                .d_out_stride = d_out.stride,
                                .dq_stride = dq.stride,
                                .dk_stride = dk.stride,
                                .dv_stride = dv.stride,
                                .heads = layer.heads,
                                .kv_heads = layer.kv_heads,
                                .head_dim = layer.head_dim,
                                .scale = layer.scale,
                                .sequences = sequences_});
}

GradientSeconds TrainParts::head_weight_gradient(Gradients& gradients) {
  const int64_t vocab = model_.config.vocab_size;
  const Rows<bf16> d_logits = {reinterpret_cast<bf16*>(logits_.data()), 2 * vocab};
  GradientTimes times;
  for (int i = 0; i < kHeadRuns; ++i)
    time_weight_gradient(model_.lm_head, scored_, Rows<const bf16>(d_logits),
                         Rows<const bf16>{head_input_.data(), model_.config.hidden_size}, gradients.lm_head(), times);
  return {median(times.all_s), median(times.sums_s)};
}

PartTime TrainParts::timed(const char* what, double flop, const std::function<void()>& body) const {
  const double before = flop > 0 ? peak_() : 1;
  const double begin_s = monotonic_seconds();
  body();
  const double seconds = monotonic_seconds() - begin_s;
  return {what, flop, seconds, flop > 0 ? (before + peak_()) / 2 : 1};
}

PartTimes TrainParts::forward() {
  const TrainFlop flop(model_, shape_);
  const int64_t vocab = model_.config.vocab_size, scored = std::ssize(scored_tokens_);
  PartTimes times;
  times.push_back(timed("linear", flop.blocks(), [&] { linear_forward(); }));
  times.push_back(timed("attention", 0, [&] { attention_forward(); }));
  times.push_back(timed("logits", flop.head(), [&] {
                     invar::forward(queue_, model_.lm_head, scored,
                                    Rows<const bf16>{head_input_.data(), model_.config.hidden_size},
                                    Rows<float>{logits_.data(), vocab});
                   }));
  times.push_back(timed("log-probs and entropies", 0, [&] {
                     log_probs(queue_, {.logits = logits_.data(),
                                        .logits_stride = vocab,
                                        .temperature = numbers_.data(),
                                        .tokens = scored_tokens_.data(),
                                        .log_prob = log_probs_.data(),
                                        .log_sum = log_sums_.data(),
                                        .entropy = entropies_.data(),
                                        .rows = scored,
                                        .vocab = vocab});
                   }));
  return times;
}

PartTimes TrainParts::backward(Gradients& gradients) {
  const TrainFlop flop(model_, shape_);
  const int64_t vocab = model_.config.vocab_size, scored = std::ssize(scored_tokens_);
  const Rows<bf16> d_logits = {reinterpret_cast<bf16*>(logits_.data()), 2 * vocab};
  PartTimes times;
  times.push_back(timed("gradient of logits", 0, [&] {
                     log_probs_backward(queue_, {.logits = logits_.data(),
                                                 .logits_stride = vocab,
                                                 .temperature = numbers_.data(),
                                                 .tokens = scored_tokens_.data(),
                                                 .log_sum = log_sums_.data(),
                                                 .d_log_prob = numbers_.data(),
                                                 .d_entropy = nullptr,
                                                 .entropy = entropies_.data(),
                                                 .d_logits = d_logits.data,
                                                 .d_logits_stride = d_logits.stride,
                                                 .rows = scored,
                                                 .vocab = vocab});
                   }));
  const auto add_gradient = [&](const char* what, const char* sums, double products, const auto& body) {
    const double before = peak_();
    const GradientSeconds seconds = body();
    times.push_back({what, products, seconds.all_s, (before + peak_()) / 2});
    times.push_back({sums, 0, seconds.sums_s, 1, true});
  };
  add_gradient("head dW", "of that integer sums, head", flop.head(), [&] { return head_weight_gradient(gradients); });
  times.push_back(timed("head dx", flop.head(), [&] {
                     backward_input(queue_, transposed_.lm_head(), scored, Rows<const bf16>(d_logits),
                                    Rows<float>{d_head_.data(), model_.config.hidden_size});
                   }));
  add_gradient("dW", "of that integer sums", flop.blocks(), [&] { return weight_gradients(gradients); });
  times.push_back(timed("dx", flop.blocks(), [&] { input_gradients(); }));
  times.push_back(timed("attention, backward", 0, [&] { attention_gradients(); }));
  times.push_back(timed("embedding (integer sums)", 0, [&] {
                     invar::backward(queue_, model_.embedding, tokens_, scratch_.d_normed,
                                     gradients.embedding(), overflow_);
                   }));
  return times;
}

}  // namespace invar
