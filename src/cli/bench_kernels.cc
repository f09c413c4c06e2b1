// invar bench linear, linear-grad, adamw, attention: the kernels that matter, at the shapes of SmolLM2-135M and of an
// 8B model.
#include <fmt/format.h>

#include <numeric>
#include <random>
#include <vector>

#include "cli/bench_measure.h"
#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/grad_square_sum.h"
#include "kernels/linear.h"
#include "kernels/linear_weight_grad.h"
#include "kernels/pack_transposed.h"

namespace invar {
namespace {

// Values around 1 of either sign: what a product costs does not depend on them, but subnormals and specials would.
void fill(Buffer<bf16>& buffer, uint64_t seed) {
  std::mt19937 random(static_cast<uint32_t>(seed));
  for (bf16& x : buffer.span()) {
    const uint32_t r = random();
    x = {static_cast<uint16_t>((r & 0x807fu) | (120 + (r >> 16) % 8) << 7)};
  }
}

struct LinearShape {
  const char* name;
  int64_t n;
  int64_t k;
};
constexpr LinearShape kLinear[] = {{"qkv", 960, 576},   {"o", 576, 576},         {"gate+up", 3072, 576},
                                   {"down", 576, 1536}, {"lm_head", 49152, 576}, {"8B qkv", 6144, 4096}};

void bench_linear_rows(const BenchContext& context, const LinearShape& shape, const PackedWeight& weight,
                       int64_t rows) {
  Buffer<bf16> x(rows * shape.k);
  Buffer<bf16> out(rows * shape.n);
  fill(x, 2);
  const LinearArgs args{.x = x.data(),
                        .x_stride = shape.k,
                        .weight = &weight,
                        .bias = nullptr,
                        .out_bf16 = out.data(),
                        .out_f32 = nullptr,
                        .out_stride = shape.n,
                        .rows = rows};
  bench_line(context,
             {.what = fmt::format("linear {}", shape.name),
              .shape = fmt::format("{} x {} x {}", rows, shape.n, shape.k),
              .flop = 2.0 * rows * shape.n * shape.k,
              .bytes = 2.0 * (shape.n * shape.k + rows * (shape.n + shape.k))},
             [&] { linear(context.queue, args); });
}

// dW of `sequences` of `length` tokens each.
void bench_weight_grad(const BenchContext& context, const LinearShape& shape, int64_t sequences,
                       int64_t length) {
  const int64_t tokens = sequences * length;
  Buffer<bf16> dy(tokens * shape.n), x(tokens * shape.k);
  Buffer<int64_t> grad(shape.n * shape.k);
  fill(dy, 1);
  fill(x, 2);
  std::vector<SequenceRows> rows;
  for (int64_t s = 0; s < sequences; ++s) rows.push_back({.row_begin = s * length, .rows = length});
  bool overflow = false;
  const LinearWeightGradArgs args{.dy = dy.data(),
                                  .dy_stride = shape.n,
                                  .x = x.data(),
                                  .x_stride = shape.k,
                                  .sequences = rows,
                                  .n = shape.n,
                                  .k = shape.k,
                                  .grad = grad.data(),
                                  .grad_bias = nullptr,
                                  .overflow = &overflow};
  bench_line(context,
             {.what = fmt::format("dW {}", shape.name),
              .shape = fmt::format("{} x {}, {} x {}", sequences, length, shape.n, shape.k),
              .flop = 2.0 * tokens * shape.n * shape.k},
             [&] { linear_weight_grad(context.queue, args); });
}

// dx of `rows` tokens, and what has to be done to the weight for it once a step.
void bench_input_grad(const BenchContext& context, const LinearShape& shape, int64_t rows) {
  Buffer<bf16> weight(shape.n * shape.k), dy(rows * shape.n);
  Buffer<float> dx(rows * shape.k);
  fill(weight, 1);
  fill(dy, 2);
  const WeightRows block{.data = weight.data(), .n = shape.n};
  const PackedWeight packed = pack_weight({&block, 1}, shape.k);
  PackedWeight transposed = packed_zeros(shape.k, shape.n);
  bench_line(context,
             {.what = fmt::format("transpose {}", shape.name),
              .shape = fmt::format("{} x {}", shape.n, shape.k),
              .bytes = 4.0 * shape.n * shape.k},
             [&] { pack_transposed(packed, transposed, context.queue.pool()); });
  const LinearArgs args{.x = dy.data(),
                        .x_stride = shape.n,
                        .weight = &transposed,
                        .bias = nullptr,
                        .out_bf16 = nullptr,
                        .out_f32 = dx.data(),
                        .out_stride = shape.k,
                        .rows = rows};
  bench_line(context,
             {.what = fmt::format("dx {}", shape.name),
              .shape = fmt::format("{} x {} x {}", rows, shape.n, shape.k),
              .flop = 2.0 * rows * shape.n * shape.k},
             [&] { linear(context.queue, args); });
}

struct Heads {
  int64_t heads;
  int64_t kv_heads;
  int64_t head_dim;
};

// A cache of `length` positions for each of `sequences`, in shuffled pages; the last `rows` positions of each
// are queries.
struct AttentionSetup {
  AttentionSetup(const Heads& h, int64_t sequences, int64_t length, int64_t rows)
      : layout{.kv_heads = h.kv_heads, .head_dim = h.head_dim, .page_size = 64} {
    const int64_t pages = (length + layout.page_size - 1) / layout.page_size;
    const int64_t width = h.heads * h.head_dim;
    k = Buffer<bf16>(sequences * pages * layout.page_elements());
    v = Buffer<bf16>(k.size());
    q = Buffer<bf16>(sequences * rows * width);
    out = Buffer<bf16>(q.size());
    fill(k, 1);
    fill(v, 2);
    fill(q, 3);
    table.resize(sequences * pages);
    std::iota(table.begin(), table.end(), 0);
    std::shuffle(table.begin(), table.end(), std::mt19937(4));
    for (int64_t s = 0; s < sequences; ++s) {
      chunks.push_back({.row_begin = s * rows,
                        .rows = rows,
                        .position_begin = length - rows,
                        .pages = table.data() + s * pages});
    }
    args = {.q = q.data(),
            .out = out.data(),
            .q_stride = width,
            .out_stride = width,
            .k_pages = k.data(),
            .v_pages = v.data(),
            .layout = layout,
            .heads = h.heads,
            .scale = 0.125f,
            .chunks = chunks};
  }

  KvLayout layout;
  Buffer<bf16> k, v, q, out;
  std::vector<int32_t> table;
  std::vector<SequenceChunk> chunks;
  AttentionArgs args;
};

void bench_prefill(const BenchContext& context, const Heads& h, int64_t tokens) {
  const AttentionSetup setup(h, 1, tokens, tokens);
  bench_line(context,
             {.what = "attention prefill",
              .shape = fmt::format("{} tokens, {}/{} x {}", tokens, h.heads, h.kv_heads, h.head_dim),
              .flop = 2.0 * h.heads * h.head_dim * tokens * (tokens + 1)},
             [&] { attention(context.queue, setup.args); });
}

void bench_decode(const BenchContext& context, const Heads& h, int64_t sequences, int64_t length) {
  const AttentionSetup setup(h, sequences, length, 1);
  bench_line(context,
             {.what = "attention decode",
              .shape = fmt::format("{} x {}, {}/{} x {}", sequences, length, h.heads, h.kv_heads, h.head_dim),
              .flop = 4.0 * h.heads * h.head_dim * sequences * length,
              .bytes = 4.0 * h.kv_heads * h.head_dim * sequences * length},
             [&] { attention(context.queue, setup.args); });
}

}  // namespace

void bench_linear(const BenchContext& context) {
  for (const LinearShape& shape : kLinear) {
    Buffer<bf16> weight(shape.n * shape.k);
    fill(weight, 1);
    const WeightRows rows{.data = weight.data(), .n = shape.n};
    const PackedWeight packed = pack_weight({&rows, 1}, shape.k);
    for (int64_t r : {1, 8, 64, 512}) bench_linear_rows(context, shape, packed, r);
  }
}

void bench_linear_grad(const BenchContext& context) {
  for (const LinearShape& shape : kLinear) {
    if (shape.n * shape.k > int64_t{8} << 20) continue;  // lm_head's and the 8B model's have the same tiles
    bench_input_grad(context, shape, 512);
    bench_weight_grad(context, shape, 1, 512);
    bench_weight_grad(context, shape, 4, 512);
    bench_weight_grad(context, shape, 16, 128);
    bench_weight_grad(context, shape, 64, 20);
  }
}

void bench_adamw(const BenchContext& context) {
  constexpr int64_t kSize = int64_t{16} << 20;
  Buffer<int64_t> gradient(kSize);
  Buffer<float> m(kSize), v(kSize), master(kSize);
  Buffer<bf16> weight(kSize);
  std::mt19937_64 random(1);
  for (int64_t& g : gradient.span()) g = static_cast<int64_t>(random()) >> 24;
  const AdamwArgs args{.gradient = gradient.data(),
                       .m = m.data(),
                       .v = v.data(),
                       .master = master.data(),
                       .weight = weight.data(),
                       .size = kSize,
                       .step = {.lr = 1e-6f,
                                .beta1 = 0.9f,
                                .beta2 = 0.99f,
                                .eps = 1e-8f,
                                .weight_decay = 0.1f,
                                .m_correction = 1,
                                .v_correction = 1,
                                .gradient_scale = 1e-3f}};
  const std::string shape = fmt::format("{} weights", kSize);
  bench_line(context, {.what = "adamw", .shape = shape, .bytes = 34.0 * kSize},
             [&] { adamw(context.queue, args); });
  bench_line(context, {.what = "grad_square_sum", .shape = shape, .bytes = 8.0 * kSize},
             [&] { grad_square_sum(context.queue, gradient.span()); });
}

void bench_attention(const BenchContext& context) {
  const Heads smol{.heads = 9, .kv_heads = 3, .head_dim = 64};
  const Heads large{.heads = 32, .kv_heads = 8, .head_dim = 128};
  for (int64_t tokens : {128, 512, 2048}) bench_prefill(context, smol, tokens);
  bench_prefill(context, large, 1024);
  for (int64_t length : {128, 1024, 8192}) bench_decode(context, smol, 1, length);
  bench_decode(context, smol, 16, 1024);
  bench_decode(context, large, 1, 8192);
}

}  // namespace invar
