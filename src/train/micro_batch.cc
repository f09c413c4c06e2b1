#include "train/micro_batch.h"

#include <algorithm>
#include <utility>

#include "kernels/log_probs_backward.h"
#include "kernels/pack_transposed.h"

namespace invar {
namespace {

BackwardScratch::Shape backward_shape(const DecoderModel& model, int64_t rows_max) {
  const SelfAttention& attention = model.blocks.front().attention;
  return {.activations = model.activation_shape(rows_max),
          .qk_dim = (attention.heads + attention.kv_heads) * attention.head_dim,
          .qk_norm = attention.q_norm.has_value()};
}

// Matrices in one memory begin at cache lines.
int64_t padded(int64_t elements) { return (elements + 31) / 32 * 32; }

// The old memory goes first: both together would be the peak. An eighth more than the size, up to `most`: those of
// micro-batches differ a little, and all pages of new memory have to be made first.
template <class T>
void grow(Buffer<T>& buffer, int64_t size, int64_t most = 0) {
  if (buffer.size() >= size) return;
  buffer = Buffer<T>();
  buffer = Buffer<T>(std::max(size, std::min(size + size / 8, most)));
}

// out[r] = in[rows[r]], each of `width` elements.
template <class T>
void copy_rows(ThreadPool& pool, std::span<const int32_t> rows, int64_t width, Rows<const T> in, Rows<T> out) {
  pool.parallel_for(std::ssize(rows), [&](int64_t begin, int64_t end, int) {
    for (int64_t r = begin; r < end; ++r)
      std::copy_n(in.row(rows[static_cast<std::size_t>(r)]), width, out.row(r));
  });
}

PackedWeight transposed_shape(const PackedWeight& weight) { return packed_zeros(weight.k, weight.n); }

}  // namespace

TransposedWeights::TransposedWeights(const DecoderModel& model, ThreadPool& pool) {
  for (const DecoderBlock& block : model.blocks) {
    blocks_.push_back({.attention = {.qkv = transposed_shape(block.attention.qkv.weight),
                                     .o = transposed_shape(block.attention.o.weight)},
                       .mlp = {.gate_up = transposed_shape(block.mlp.gate_up.weight),
                               .down = transposed_shape(block.mlp.down.weight)}});
  }
  lm_head_ = transposed_shape(model.lm_head.weight);
  update(model, pool);
}

void TransposedWeights::update(const DecoderModel& model, ThreadPool& pool) {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const DecoderBlock& block = model.blocks[i];
    pack_transposed(block.attention.qkv.weight, blocks_[i].attention.qkv, pool);
    pack_transposed(block.attention.o.weight, blocks_[i].attention.o, pool);
    pack_transposed(block.mlp.gate_up.weight, blocks_[i].mlp.gate_up, pool);
    pack_transposed(block.mlp.down.weight, blocks_[i].mlp.down, pool);
  }
  pack_transposed(model.lm_head.weight, lm_head_, pool);
}

MicroBatch::MicroBatch(const DecoderModel& model, Queue& queue, int64_t rows_max, int64_t kept_bytes)
    : model_(model),
      queue_(queue),
      rows_max_(rows_max),
      kept_bytes_(kept_bytes),
      activations_(model.activation_shape(rows_max)),
      scratch_(backward_shape(model, rows_max)),
      d_residual_(rows_max * model.config.hidden_size) {}

Status MicroBatch::check(const TrainSequence& sequence) const {
  const int64_t length = std::ssize(sequence.tokens);
  if (length < 2 || sequence.scored_begin < 1 || sequence.scored_begin >= length)
    return error("expected at least one token behind the first to score, found {} tokens, scored from {}",
                 length, sequence.scored_begin);
  if (length > model_.config.max_position)
    return error("{} tokens exceed this model's context of {}", length, model_.config.max_position);
  for (int32_t token : sequence.tokens) {
    if (token < 0 || token >= model_.config.vocab_size)
      return error("unknown token id {}; this model's ids are 0 to {}", token, model_.config.vocab_size - 1);
  }
  if (length - 1 > rows_max_)
    return error("{} rows in a micro-batch, expected at most {}", length - 1, rows_max_);
  return Ok{};
}

Status MicroBatch::check(std::span<const TrainSequence> sequences) const {
  int64_t rows = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const Status status = check(sequences[s]);
    if (!status.ok()) return error("sequence {}: {}", s, status.message());
    rows += std::ssize(sequences[s].tokens) - 1;
  }
  if (rows > rows_max_) return error("{} rows in a micro-batch, expected at most {}", rows, rows_max_);
  return Ok{};
}

void MicroBatch::prepare_cache() {
  const KvLayout layout = model_.kv_layout(PackedSequences::kPageSize);
  const int64_t elements = packed_.pages() * layout.page_elements();
  grow(k_pages_, elements);
  grow(v_pages_, elements);
  kv_ = {.k_pages = k_pages_.data(), .v_pages = v_pages_.data(), .layout = layout};
  kv_views_.assign(model_.blocks.size(), kv_);
}

// Blocks come first: a byte of theirs saves twice the work that a byte of logits does.
int64_t MicroBatch::plan_kept() {
  const auto layers = std::ssize(model_.blocks);
  const int64_t rows = packed_.batch().rows(), heads = model_.config.heads;
  const Activations::Shape shape = model_.activation_shape(rows);
  const int64_t stream = padded(rows * shape.dim), qkv = padded(rows * shape.qkv_dim),
                out = padded(rows * shape.heads_dim), gate_up = padded(rows * 2 * shape.ffn_dim);
  const int64_t rest = stream + qkv + out + gate_up;
  const int64_t bytes = (stream + rest) * static_cast<int64_t>(sizeof(bf16)) +
                        rows * heads * static_cast<int64_t>(sizeof(AttentionRowSum));
  const int64_t whole = std::min(layers, kept_bytes_ / bytes);
  grow(kept_memory_, layers * stream + whole * rest, kept_bytes_ / static_cast<int64_t>(sizeof(bf16)));
  grow(row_sums_, std::max<int64_t>(whole * rows, rows_max_) * heads);
  // Also the first kept block's: what is computed again is so behind the backward of every kept block.
  activations_.attention.row_sums = row_sums_.data();
  kept_.assign(model_.blocks.size(), {});
  bf16* next = kept_memory_.data();
  AttentionRowSum* row_sums = row_sums_.data();
  for (int64_t i = 0; i < layers; ++i) {
    BlockActivations& block = kept_[static_cast<std::size_t>(i)];
    block.input = std::exchange(next, next + stream);
    if (i < layers - whole) continue;
    block.residual = std::exchange(next, next + stream);
    block.attention = {.qkv = {std::exchange(next, next + qkv), shape.qkv_dim},
                       .heads = {std::exchange(next, next + out), shape.heads_dim},
                       .row_sums = std::exchange(row_sums, row_sums + rows * heads)};
    block.gate_up = {std::exchange(next, next + gate_up), 2 * shape.ffn_dim};
  }
  const int64_t row_bytes = model_.config.vocab_size * static_cast<int64_t>(sizeof(float));
  return std::max(kHeadLeaf, (kept_bytes_ - whole * bytes) / row_bytes);
}

void MicroBatch::plan_head(std::span<const TrainSequence> sequences, int64_t rows_max) {
  scored_rows_.clear();
  computed_rows_.clear();
  scored_tokens_.clear();
  temperatures_.clear();
  scored_begin_ = {0};
  head_chunks_.clear();
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const TrainSequence& sequence = sequences[s];
    const int64_t length = std::ssize(sequence.tokens);
    for (int64_t begin = sequence.scored_begin; begin < length; begin += kHeadLeaf) {
      const int64_t rows = std::min(kHeadLeaf, length - begin);
      if (head_chunks_.empty() || head_chunks_.back().rows + rows > rows_max)
        head_chunks_.push_back({.begin = std::ssize(scored_rows_), .rows = 0, .leaves = {}});
      HeadChunk& chunk = head_chunks_.back();
      chunk.leaves.push_back({.row_begin = chunk.rows, .rows = rows});
      chunk.rows += rows;
      for (int64_t i = begin; i < begin + rows; ++i) {
        const auto row = packed_.sequences()[s].row_begin + i - 1;
        scored_rows_.push_back(static_cast<int32_t>(row));
        computed_rows_.push_back(packed_.rows()[static_cast<std::size_t>(row)]);
        scored_tokens_.push_back(sequence.tokens[static_cast<std::size_t>(i)]);
        temperatures_.push_back(sequence.temperature == 0 ? 1.0f : sequence.temperature);
      }
    }
    scored_begin_.push_back(std::ssize(scored_rows_));
  }
  log_probs_.resize(scored_rows_.size());
  entropies_.resize(scored_rows_.size());
  log_sums_.resize(scored_rows_.size());
  int64_t rows = 0;
  for (const HeadChunk& chunk : head_chunks_) rows = std::max(rows, chunk.rows);
  grow(logits_, rows * model_.config.vocab_size, rows_max * model_.config.vocab_size);
  grow(gathered_, rows * model_.config.hidden_size);
  grow(d_gathered_, rows * model_.config.hidden_size);
}

int64_t MicroBatch::blocks_to_recompute() const {
  return std::count_if(kept_.begin(), kept_.end(), [](const BlockActivations& b) { return b.residual == nullptr; });
}

int64_t MicroBatch::logits_to_recompute() const { return head_chunks_.empty() ? 0 : head_chunks_.back().begin; }

void MicroBatch::head_logits(const HeadChunk& chunk) {
  logits(queue_, model_, activations_,
         std::span(computed_rows_)
             .subspan(static_cast<std::size_t>(chunk.begin), static_cast<std::size_t>(chunk.rows)),
         gathered_.data(), logits_.data());
}

void MicroBatch::forward(std::span<const TrainSequence> sequences) {
  std::vector<std::span<const int32_t>> tokens;
  for (const TrainSequence& sequence : sequences) tokens.push_back(sequence.tokens);
  packed_.pack(tokens);
  prepare_cache();
  plan_head(sequences, plan_kept());
  invar::forward(queue_, model_, packed_.batch(), kv_views_, activations_, kept_);
  for (const HeadChunk& chunk : head_chunks_) {
    head_logits(chunk);
    const int64_t vocab = model_.config.vocab_size;
    invar::log_probs(queue_, {.logits = logits_.data(),
                              .logits_stride = vocab,
                              .temperature = temperatures_.data() + chunk.begin,
                              .tokens = scored_tokens_.data() + chunk.begin,
                              .log_prob = log_probs_.data() + chunk.begin,
                              .log_sum = log_sums_.data() + chunk.begin,
                              .entropy = entropies_.data() + chunk.begin,
                              .rows = chunk.rows,
                              .vocab = vocab});
  }
}

// Leaves the gradient of the final norm's output in scratch_.d_normed. The last chunk's logits are still there.
void MicroBatch::head_backward(const TransposedWeights& transposed, std::span<const float> d_log_prob,
                               std::span<const float> d_entropy, Gradients& gradients) {
  const int64_t vocab = model_.config.vocab_size;
  const int64_t dim = model_.config.hidden_size;
  bool& overflow = gradients.overflow(model_.blocks.size());
  std::fill_n(scratch_.d_normed.data, std::ssize(packed_.tokens()) * dim, 0.0f);
  for (std::size_t c = head_chunks_.size(); c-- > 0;) {
    const HeadChunk& chunk = head_chunks_[c];
    if (c + 1 < head_chunks_.size()) head_logits(chunk);
    // Row over row in the logits' own memory.
    const Rows<bf16> d_logits = {reinterpret_cast<bf16*>(logits_.data()), 2 * vocab};
    log_probs_backward(queue_, {.logits = logits_.data(),
                                .logits_stride = vocab,
                                .temperature = temperatures_.data() + chunk.begin,
                                .tokens = scored_tokens_.data() + chunk.begin,
                                .log_sum = log_sums_.data() + chunk.begin,
                                .d_log_prob = d_log_prob.data() + chunk.begin,
                                .d_entropy = d_entropy.empty() ? nullptr : d_entropy.data() + chunk.begin,
                                .entropy = entropies_.data() + chunk.begin,
                                .d_logits = d_logits.data,
                                .d_logits_stride = d_logits.stride,
                                .rows = chunk.rows,
                                .vocab = vocab});
    backward_weight(queue_, model_.lm_head, chunk.leaves, d_logits, Rows<const bf16>{gathered_.data(), dim},
                    gradients.lm_head(), overflow);
    const Rows<float> d_gathered = {d_gathered_.data(), dim};
    backward_input(queue_, transposed.lm_head(), chunk.rows, d_logits, d_gathered);
    for (int64_t r = 0; r < chunk.rows; ++r) {
      std::copy_n(d_gathered.row(r), dim,
                  scratch_.d_normed.row(scored_rows_[static_cast<std::size_t>(chunk.begin + r)]));
    }
  }
}

Rows<const bf16> MicroBatch::whole_residual() {
  const int64_t dim = model_.config.hidden_size;
  const Rows<const bf16> computed = {activations_.residual(), dim};
  if (!packed_.shares()) return computed;
  const auto rows = packed_.rows();
  grow(whole_memory_, std::ssize(rows) * dim, rows_max_ * dim);
  const Rows<bf16> out = {whole_memory_.data(), dim};
  copy_rows(queue_.pool(), rows, dim, computed, out);
  return out;
}

BlockActivations MicroBatch::whole(const BlockActivations& computed) {
  const std::span<const int32_t> rows = packed_.rows();
  const auto count = std::ssize(rows);
  const Activations::Shape shape = model_.activation_shape(count);
  const int64_t dim = shape.dim, heads = model_.config.heads;
  const int64_t columns = 2 * dim + shape.qkv_dim + shape.heads_dim + 2 * shape.ffn_dim;
  grow(whole_memory_, count * columns, rows_max_ * columns);
  grow(whole_row_sums_, count * heads, rows_max_ * heads);
  bf16* next = whole_memory_.data();
  const auto copied = [&](Rows<const bf16> from, int64_t width) {
    const Rows<bf16> out = {std::exchange(next, next + count * width), width};
    copy_rows(queue_.pool(), rows, width, from, out);
    return out;
  };
  copy_rows(queue_.pool(), rows, heads, Rows<const AttentionRowSum>{computed.attention.row_sums, heads},
            Rows<AttentionRowSum>{whole_row_sums_.data(), heads});
  return {.input = copied({computed.input, dim}, dim).data,
          .residual = copied({computed.residual, dim}, dim).data,
          .attention = {.qkv = copied(computed.attention.qkv, shape.qkv_dim),
                        .heads = copied(computed.attention.heads, shape.heads_dim),
                        .row_sums = whole_row_sums_.data()},
          .gate_up = copied(computed.gate_up, 2 * shape.ffn_dim)};
}

void MicroBatch::backward(const TransposedWeights& transposed, std::span<const float> d_log_prob,
                          std::span<const float> d_entropy, Gradients& gradients) {
  INVAR_CHECK(d_log_prob.size() == log_probs_.size(), "{} gradients of {} log-probs", d_log_prob.size(),
              log_probs_.size());
  INVAR_CHECK(d_entropy.empty() || d_entropy.size() == log_probs_.size(), "{} gradients of {} entropies",
              d_entropy.size(), log_probs_.size());
  head_backward(transposed, d_log_prob, d_entropy, gradients);
  const int64_t rows = std::ssize(packed_.tokens());
  const int64_t dim = model_.config.hidden_size;
  bool& overflow = gradients.overflow(model_.blocks.size());
  const Rows<float> d_residual = {d_residual_.data(), dim};
  std::fill_n(d_residual.data, rows * dim, 0.0f);
  backward_residual(queue_, model_.final_norm, rows, whole_residual(), scratch_.d_normed, d_residual,
                    gradients.final_norm(), overflow);
  const float* cos_sin = model_.cos_sin.data();
  for (std::size_t i = model_.blocks.size(); i-- > 0;) {
    const DecoderBlock& block = model_.blocks[i];
    BlockActivations saved = kept_[i];
    if (saved.residual == nullptr)
      saved = recompute(queue_, block, packed_.batch(), cos_sin, kv_, saved.input, activations_);
    invar::backward(queue_, block, transposed.block(i), packed_.positions(), packed_.sequences(), cos_sin,
                    packed_.shares() ? whole(saved) : saved, activations_, scratch_, d_residual, gradients.block(i),
                    gradients.overflow(i));
  }
  invar::backward(queue_, model_.embedding, packed_.tokens(), d_residual, gradients.embedding(), overflow);
}

}  // namespace invar
