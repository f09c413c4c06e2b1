#include "kernel_bits.h"

#include <numeric>
#include <vector>

#include "base/split_mix.h"
#include "io/hash.h"
#include "kernels/attention.h"
#include "kernels/linear.h"
#include "kernels/log_probs.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/sample.h"
#include "kernels/swiglu.h"

namespace invar {
namespace {

template <class T>
std::string hash(const std::vector<T>& values) {
  return sha256_hex(std::as_bytes(std::span<const T>(values)));
}

// Every input below is a function of integers, so it is the same with every library and compiler.
class Inputs {
 public:
  explicit Inputs(uint64_t seed) : random_(seed) {}

  // A multiple of 2^-20 in [-scale, scale).
  float number(float scale) {
    return scale * (static_cast<float>(static_cast<int64_t>(next() >> 43) - (1 << 20)) * 0x1p-20f);
  }
  std::vector<float> floats(int64_t count, float scale) {
    std::vector<float> out(static_cast<std::size_t>(count));
    for (float& value : out) value = number(scale);
    return out;
  }
  std::vector<bf16> bf16s(int64_t count, float scale) {
    std::vector<bf16> out(static_cast<std::size_t>(count));
    for (bf16& value : out) value = to_bf16(number(scale));
    return out;
  }
  uint64_t next() { return random_.next(); }

 private:
  SplitMix64 random_;
};

std::string linear_bits(Queue& queue) {
  constexpr int64_t kRows = 21, kIn = 333, kOut = 71;
  Inputs inputs(1);
  const auto x = inputs.bf16s(kRows * kIn, 2.0f), w = inputs.bf16s(kOut * kIn, 0.25f);
  const auto bias = inputs.floats(kOut, 1.0f);
  const WeightRows block = {w.data(), kOut};
  const PackedWeight weight = pack_weight({&block, 1}, kIn);
  std::vector<float> out(kRows * kOut);
  linear(queue, {.x = x.data(),
                 .x_stride = kIn,
                 .weight = &weight,
                 .bias = bias.data(),
                 .out_bf16 = nullptr,
                 .out_f32 = out.data(),
                 .out_stride = kOut,
                 .rows = kRows});
  return hash(out);
}

std::string attention_bits(Queue& queue) {
  constexpr int64_t kTokens = 600, kHeads = 4, kKvHeads = 2, kDim = 32;  // three splits
  Inputs inputs(2);
  const auto q = inputs.bf16s(kTokens * kHeads * kDim, 4.0f);
  const auto k = inputs.bf16s(kTokens * kKvHeads * kDim, 4.0f),
             v = inputs.bf16s(kTokens * kKvHeads * kDim, 2.0f);
  const KvLayout layout = {.kv_heads = kKvHeads, .head_dim = kDim, .page_size = 64};
  std::vector<int32_t> pages((kTokens + 63) / 64);
  std::iota(pages.rbegin(), pages.rend(), 0);
  const int64_t cache = static_cast<int64_t>(pages.size()) * layout.page_elements();
  Buffer<bf16> k_pages(cache), v_pages(cache);
  const SequenceChunk chunk = {.row_begin = 0, .rows = kTokens, .position_begin = 0, .pages = pages.data()};
  kv_write(queue, {.k = k.data(),
                   .v = v.data(),
                   .k_stride = kKvHeads * kDim,
                   .v_stride = kKvHeads * kDim,
                   .k_pages = k_pages.data(),
                   .v_pages = v_pages.data(),
                   .layout = layout,
                   .chunks = {&chunk, 1}});
  std::vector<bf16> out(kTokens * kHeads * kDim);
  attention(queue, {.q = q.data(),
                    .out = out.data(),
                    .q_stride = kHeads * kDim,
                    .out_stride = kHeads * kDim,
                    .k_pages = k_pages.data(),
                    .v_pages = v_pages.data(),
                    .layout = layout,
                    .heads = kHeads,
                    .scale = 0.17677669f,
                    .chunks = {&chunk, 1}});
  return hash(out);
}

std::string rms_norm_bits(Queue& queue) {
  constexpr int64_t kRows = 5, kDim = 2600;  // more than the 2048 lanes
  Inputs inputs(3);
  const auto x = inputs.bf16s(kRows * kDim, 3.0f), weight = inputs.bf16s(kDim, 1.5f);
  auto residual = inputs.bf16s(kRows * kDim, 8.0f);
  std::vector<bf16> out(kRows * kDim);
  rms_norm(queue, {.x = x.data(),
                   .residual = residual.data(),
                   .weight = weight.data(),
                   .out = out.data(),
                   .x_stride = kDim,
                   .out_stride = kDim,
                   .rows = kRows,
                   .dim = kDim,
                   .eps = 1e-5f});
  return hash(out) + hash(residual).substr(0, 16);
}

std::string rope_bits(Queue& queue) {
  constexpr int64_t kRows = 40, kHeads = 3, kDim = 48;
  Inputs inputs(4);
  auto x = inputs.bf16s(kRows * kHeads * kDim, 3.0f);
  const auto table = inputs.floats(kRows * kDim, 1.0f);  // any numbers: the rotation is what is hashed
  std::vector<int32_t> positions(kRows);
  std::iota(positions.rbegin(), positions.rend(), 0);
  rope(queue, {.x = x.data(),
               .x_stride = kHeads * kDim,
               .positions = positions.data(),
               .cos_sin = table.data(),
               .rows = kRows,
               .heads = kHeads,
               .head_dim = kDim});
  return hash(x);
}

std::string swiglu_bits(Queue& queue) {
  constexpr int64_t kRows = 7, kFfn = 1003;
  Inputs inputs(5);
  const auto gate_up = inputs.bf16s(kRows * 2 * kFfn, 12.0f);
  std::vector<bf16> out(kRows * kFfn);
  swiglu(queue, {.gate_up = gate_up.data(),
                 .out = out.data(),
                 .in_stride = 2 * kFfn,
                 .out_stride = kFfn,
                 .rows = kRows,
                 .ffn_dim = kFfn});
  return hash(out);
}

constexpr int64_t kLogitRows = 64, kVocab = 1999;

std::string log_probs_bits(Queue& queue) {
  Inputs inputs(6);
  const auto logits = inputs.floats(kLogitRows * kVocab, 16.0f);
  std::vector<float> temperature, out(kLogitRows);
  std::vector<int32_t> tokens;
  for (int64_t r = 0; r < kLogitRows; ++r) {
    temperature.push_back(0.25f * static_cast<float>(1 + r % 7));
    tokens.push_back(static_cast<int32_t>(inputs.next() % kVocab));
  }
  log_probs(queue, {.logits = logits.data(),
                    .logits_stride = kVocab,
                    .temperature = temperature.data(),
                    .tokens = tokens.data(),
                    .log_prob = out.data(),
                    .log_sum = nullptr,
                    .rows = kLogitRows,
                    .vocab = kVocab});
  return hash(out);
}

std::string sample_bits(Queue& queue) {
  Inputs inputs(7);
  const auto logits = inputs.floats(kLogitRows * kVocab, 3.0f);
  std::vector<SampleRule> rules;
  for (int64_t r = 0; r < kLogitRows; ++r) {
    rules.push_back({.temperature = 0.25f * static_cast<float>(r % 8),
                     .top_k = r % 3 == 0 ? 40 : 0,
                     .top_p = r % 2 == 0 ? 1.0f : 0.75f,
                     .min_p = r % 5 == 0 ? 0.03125f : 0.0f,
                     .seed = inputs.next(),
                     .position = 17 * r});
  }
  std::vector<int32_t> tokens(kLogitRows);
  sample(queue, {.logits = logits.data(),
                 .logits_stride = kVocab,
                 .rules = rules.data(),
                 .tokens = tokens.data(),
                 .rows = kLogitRows,
                 .vocab = kVocab});
  return hash(tokens);
}

}  // namespace

std::map<std::string, std::string> kernel_bits(Queue& queue) {
  return {{"attention", attention_bits(queue)}, {"linear", linear_bits(queue)},
          {"log_probs", log_probs_bits(queue)}, {"rms_norm", rms_norm_bits(queue)},
          {"rope", rope_bits(queue)},           {"sample", sample_bits(queue)},
          {"swiglu", swiglu_bits(queue)}};
}

}  // namespace invar
