// MicroBatch: forward and backward of a few whole sequences through the model that also samples.
//
// Log-probs are those of the engine bit for bit: the same forward over the same kernels, whatever is packed with what.
// Gradients are sums of integers over tokens: how sequences are divided into micro-batches changes no bit of them.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "kernels/log_probs.h"
#include "model/decoder.h"
#include "train/gradients.h"
#include "train/packed_sequences.h"

namespace invar {

struct TrainSequence {
  std::span<const int32_t> tokens;  // [L], L >= 2, each in [0, V)
  int64_t scored_begin;             // tokens [scored_begin, L) are scored; 1 <= scored_begin < L
  float temperature = 1;            // that they were drawn with; 0 (greedy) scores as 1
};

// The transposed weights that backward passes read. They take as much memory as the model's matrices.
class TransposedWeights {
 public:
  TransposedWeights(const DecoderModel& model, ThreadPool& pool);
  // After the model's weights have changed.
  void update(const DecoderModel& model, ThreadPool& pool);

  const DecoderBlockTransposed& block(std::size_t i) const { return blocks_[i]; }
  const PackedWeight& lm_head() const { return lm_head_; }

 private:
  std::vector<DecoderBlockTransposed> blocks_;
  PackedWeight lm_head_;
};

class MicroBatch {
 public:
  static constexpr int64_t kKeptBytes = int64_t{1} << 30;
  // rows_max: most rows of a micro-batch, a row less than tokens for each sequence; rows that neighbours share count
  // for each of them, though the forward computes them once (train/packed_sequences.h). kept_bytes: most memory for
  // activations and logits that backward() finds as forward() left them; the rest it computes again, to the same bits.
  // The model must outlive this.
  MicroBatch(const DecoderModel& model, Queue& queue, int64_t rows_max, int64_t kept_bytes = kKeptBytes);

  int64_t rows_max() const { return rows_max_; }

  // Why these sequences cannot be one micro-batch, or Ok: a sequence too short or too long, an unknown token.
  Status check(std::span<const TrainSequence> sequences) const;
  // Of one sequence by itself, without a number in front.
  Status check(const TrainSequence& sequence) const;

  // Scores the sequences. check() has passed; their tokens must live until backward().
  void forward(std::span<const TrainSequence> sequences);
  // Of all scored tokens, sequence after sequence; valid until the next forward().
  std::span<const float> log_probs() const { return log_probs_; }
  std::span<const float> entropies() const { return entropies_; }
  // [S + 1]: where each sequence's scored tokens begin.
  std::span<const int64_t> scored_begin() const { return scored_begin_; }

  // How many blocks, and logits of how many scored tokens, backward() will compute again.
  int64_t blocks_to_recompute() const;
  int64_t logits_to_recompute() const;

  // Adds the gradient of sum(d_log_prob * log_prob) + sum(d_entropy * entropy), in the order of log_probs(); d_entropy
  // may be empty. Once for each forward().
  void backward(const TransposedWeights& transposed, std::span<const float> d_log_prob,
                std::span<const float> d_entropy, Gradients& gradients);

 private:
  // Rows of the LM head that are computed together: leaves of kHeadLeaf scored tokens, anchored at each sequence's
  // first scored token, as many as there is memory for. One chunk's logits are all that is ever in memory.
  static constexpr int64_t kHeadLeaf = 256;
  struct HeadChunk {
    int64_t begin, rows;               // among all scored tokens
    std::vector<SequenceRows> leaves;  // among the chunk's rows
  };

  void prepare_cache();
  // Returns most rows of a head chunk.
  int64_t plan_kept();
  void plan_head(std::span<const TrainSequence> sequences, int64_t rows_max);
  void head_logits(const HeadChunk& chunk);
  void head_backward(const TransposedWeights& transposed, std::span<const float> d_log_prob,
                     std::span<const float> d_entropy, Gradients& gradients);
  // What backward passes read: rows of the forward, in the order of whole sequences.
  BlockActivations whole(const BlockActivations& computed);
  Rows<const bf16> whole_residual();

  const DecoderModel& model_;
  Queue& queue_;
  int64_t rows_max_;
  int64_t kept_bytes_;
  Activations activations_;
  BackwardScratch scratch_;
  std::vector<BlockActivations> kept_;  // [layers]: inputs alone, then, from some layer on, everything
  Buffer<bf16> kept_memory_;
  Buffer<bf16> k_pages_, v_pages_;  // of one layer: no other needs them
  KvView kv_;
  std::vector<KvView> kv_views_;      // [layers], all the same
  Buffer<AttentionRowSum> row_sums_;  // [kept layers, rows, H], at least [rows_max, H]
  Buffer<bf16> whole_memory_;         // of whole(), or of whole_residual()
  Buffer<AttentionRowSum> whole_row_sums_;
  Buffer<float> d_residual_;          // [rows_max, C]
  Buffer<float> logits_;              // of a chunk: [rows, V]
  Buffer<bf16> gathered_;             // [rows, C]
  Buffer<float> d_gathered_;          // [rows, C]

  PackedSequences packed_;
  std::vector<HeadChunk> head_chunks_;
  std::vector<int32_t> scored_rows_, scored_tokens_;  // the row before each scored token, and the token
  std::vector<int32_t> computed_rows_;                // the forward's row of each
  std::vector<float> temperatures_;
  std::vector<int64_t> scored_begin_;
  std::vector<float> log_probs_, entropies_;
  std::vector<RowLogSum> log_sums_;
};

}  // namespace invar
