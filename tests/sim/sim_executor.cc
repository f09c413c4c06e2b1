#include "sim_executor.h"

#include <algorithm>
#include <limits>

namespace invar {

void SimModel::logits(uint64_t hash, std::span<float> logits) const {
  uint64_t state = mix(hash);
  for (float& x : logits) {
    state = state * 0x5851f42d4c957f2du + 0x14057b7ef767814fu;
    x = static_cast<float>(static_cast<int32_t>(state >> 40) - (1 << 23)) * (1.0f / (1 << 20));  // [-8, 8)
  }
  if (broken_one_in == 0 || mix(hash ^ 0xb0) % broken_one_in != 0) return;
  logits[hash % logits.size()] =
      (hash & 64) != 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
}

SimExecutor::SimExecutor(const Limits& limits, const SimModel& model)
    : limits_(limits),
      model_(model),
      weights_{.version = 0, .fingerprint = fingerprint(0)},
      slots_(static_cast<std::size_t>(limits.pages * limits.page_size)),
      written_(static_cast<std::size_t>(limits.pages), -1),
      writer_(static_cast<std::size_t>(limits.pages)),
      hashes_(static_cast<std::size_t>(limits.rows_max)),
      logits_(static_cast<std::size_t>(limits.logits_max * limits.vocab)) {}

void SimExecutor::change_weights() {
  ++weights_.version;
  weights_.fingerprint = fingerprint(weights_.version);
}

bool SimExecutor::valid_chunk(const Batch& batch, std::size_t c, int64_t row) {
  const SequenceChunk& chunk = batch.chunks[c];
  if (chunk.row_begin != row || chunk.rows < 1 || row + chunk.rows > batch.rows()) {
    fail("chunk {} has rows {} to {} of {}; expected from {} on", c, chunk.row_begin,
         chunk.row_begin + chunk.rows, batch.rows(), row);
    return false;
  }
  if (chunk.position_begin < 0 || chunk.position_begin + chunk.rows > limits_.context) {
    fail("chunk {} has positions {} to {}", c, chunk.position_begin, chunk.position_begin + chunk.rows);
    return false;
  }
  return true;
}

void SimExecutor::write(const Batch& batch, std::size_t c) {
  const SequenceChunk& chunk = batch.chunks[c];
  for (int64_t i = 0; i < chunk.rows; ++i) {
    const auto row = static_cast<std::size_t>(chunk.row_begin + i);
    const int64_t position = chunk.position_begin + i;
    const int32_t token = batch.tokens[row];
    if (batch.positions[row] != position)
      fail("row {} has position {}, its chunk says {}", row, batch.positions[row], position);
    if (token < 0 || token >= limits_.vocab) fail("row {} has token {}", row, token);
    const int32_t page = page_of(chunk, position);
    if (written_[page] == forwards_ && writer_[page] != c)
      fail("page {} is written by two sequences, chunks {} and {}", page, writer_[page], c);
    written_[page] = forwards_;
    writer_[page] = c;
    slots_[page * limits_.page_size + position % limits_.page_size] = {
        .token = token, .position = static_cast<int32_t>(position), .version = weights_.version};
  }
}

// Reads every position up to each row, as attention does. All rows of the step have been written before.
void SimExecutor::read(const Batch& batch, std::size_t c) {
  const SequenceChunk& chunk = batch.chunks[c];
  const int64_t end = chunk.position_begin + chunk.rows;
  uint64_t hash = SimModel::begin(weights_.version);
  for (int64_t begin = 0; begin < end; begin += limits_.page_size) {
    const int32_t page = page_of(chunk, begin);
    if (written_[page] == forwards_ && writer_[page] != c)
      fail("page {} is written by chunk {} and read by chunk {}", page, writer_[page], c);
    const Slot* slots = slots_.data() + page * limits_.page_size - begin;
    for (int64_t p = begin; p < std::min(end, begin + limits_.page_size); ++p) {
      const Slot& slot = slots[p];
      if (slot.position != p)
        fail("page {} holds position {} where a sequence reads {}", page, slot.position, p);
      if (slot.version != weights_.version)
        fail("position {} in page {} is of weights {}, now are {}", p, page, slot.version, weights_.version);
      hash = SimModel::extend(hash, slot.token);
      if (p >= chunk.position_begin) hashes_[chunk.row_begin + p - chunk.position_begin] = hash;
    }
  }
}

void SimExecutor::forward(const Batch& batch) {
  ++forwards_;
  rows_ += batch.rows();
  rows_of_forward_ = batch.rows();
  if (batch.rows() < 1 || batch.rows() > limits_.rows_max) return fail("{} rows", batch.rows());
  int64_t row = 0, prefill_rows = 0;
  for (std::size_t c = 0; c < batch.chunks.size(); ++c) {
    if (!valid_chunk(batch, c, row)) return;
    row += batch.chunks[c].rows;
    if (batch.chunks[c].rows > 1) prefill_rows += batch.chunks[c].rows;
  }
  if (row != batch.rows()) return fail("the chunks have {} of {} rows", row, batch.rows());
  prefill_rows_max_ = std::max(prefill_rows_max_, prefill_rows);
  chunks_max_ = std::max(chunks_max_, static_cast<int64_t>(batch.chunks.size()));
  for (std::size_t c = 0; c < batch.chunks.size(); ++c) write(batch, c);
  for (std::size_t c = 0; c < batch.chunks.size(); ++c) read(batch, c);
}

std::span<float> SimExecutor::logits(std::span<const int32_t> rows) {
  const auto vocab = static_cast<std::size_t>(limits_.vocab);
  if (static_cast<int64_t>(rows.size()) > limits_.logits_max) fail("logits of {} rows", rows.size());
  const std::size_t count = std::min(rows.size(), static_cast<std::size_t>(limits_.logits_max));
  for (std::size_t i = 0; i < count; ++i) {
    if (rows[i] < 0 || rows[i] >= rows_of_forward_) fail("logits of row {} of {}", rows[i], rows_of_forward_);
    model_.logits(hashes_[rows[i]], std::span(logits_).subspan(i * vocab, vocab));
  }
  return std::span(logits_).first(count * vocab);
}

void SimExecutor::copy_page(int32_t from, int32_t to) {
  ++copies_;
  if (from < 0 || from >= limits_.pages || to < 0 || to >= limits_.pages || from == to)
    return fail("page {} is copied to {}", from, to);
  std::copy_n(slots_.begin() + from * limits_.page_size, limits_.page_size,
              slots_.begin() + to * limits_.page_size);
}

}  // namespace invar
