// DecoderModel: a decoder-only transformer as data, and its one forward. The sampler and the trainer both call it.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "model/config.h"
#include "nn/decoder_block.h"
#include "nn/embedding.h"

namespace invar {

struct DecoderModel {
  ModelConfig config;
  Embedding embedding;  // [V, C]
  std::vector<DecoderBlock> blocks;
  RmsNorm final_norm;
  Linear lm_head;         // [V, C]; its own packing of the embedding where they are tied
  Buffer<float> cos_sin;  // [max_position, 2, D / 2]

  Activations::Shape activation_shape(int64_t rows_max) const;
  KvLayout kv_layout(int64_t page_size) const;
};

// The softmax scale, 1 / sqrt(D), rounded once from binary64.
float attention_scale(const ModelConfig& config);

// The cache of every layer: kv[layer].
using KvViews = std::span<const KvView>;

// Runs the rows of a batch through all blocks: extends the cache, and leaves the last block's normalised output in
// activations.normed ([T, C], the LM head's input), and what it was the norm of in activations.residual().
// kept: of each block, for a backward pass (nn/decoder_block.h); or none.
void forward(Queue& queue, const DecoderModel& model, const Batch& batch, KvViews kv,
             Activations& activations, std::span<const BlockActivations> kept = {});

// logits[i] = lm_head(activations.normed[rows[i]]) in fp32, [rows.size(), V], rows V apart. A row's logits do
// not depend on which other rows are asked for. gathered: scratch, [rows.size(), C].
void logits(Queue& queue, const DecoderModel& model, const Activations& activations,
            std::span<const int32_t> rows, bf16* gathered, float* out);

}  // namespace invar
