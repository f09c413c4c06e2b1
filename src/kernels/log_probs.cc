#include "kernels/log_probs.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/cpu/log_probs.h"
#include "kernels/tiers.h"
#include "numerics/log_sum.h"

namespace invar {

namespace ref {
void log_probs(const LogProbsArgs& args, RowRange rows);
}

namespace {

// Pieces of V that are handed to threads where rows are too few to go round.
constexpr int64_t kPiece = 4096;

float row_temperature(const LogProbsArgs& args, int64_t r) {
  return args.temperature == nullptr ? 1.0f : args.temperature[r];
}

cpu::LogitPiece row_piece(const LogProbsArgs& args, int64_t r, int64_t begin, int64_t count) {
  return {args.logits + r * args.logits_stride + begin, count, row_temperature(args, r)};
}

// max z from the largest logit: a rounded division keeps the order. A zero is +0.
float max_z(const LogProbsArgs& args, int64_t r, float max_logit) {
  return max_logit / row_temperature(args, r) + 0.0f;
}

// What the masses of a piece are needed for decides which loop sums them.
cpu::MassSums mass_sums(const LogProbsArgs& args, const cpu::LogProbsKernels& kernels, cpu::LogitPiece piece,
                        float max) {
  return args.entropy == nullptr ? cpu::MassSums{kernels.mass_sum(piece, max), 0}
                                 : kernels.mass_sums(piece, max);
}

void finish_row(const LogProbsArgs& args, int64_t r, float max, const cpu::MassSums& total) {
  const float sum = log_sum(total.mass);
  if (args.entropy != nullptr) args.entropy[r] = row_entropy(total.mass, total.entropy_mass, sum);
  if (args.log_sum != nullptr) args.log_sum[r] = {max, sum};
  if (args.log_prob != nullptr) {
    const float z = args.logits[r * args.logits_stride + args.tokens[r]] / row_temperature(args, r);
    args.log_prob[r] = log_prob(z, max, sum);
  }
}

void whole_rows(const LogProbsArgs& args, const cpu::LogProbsKernels& kernels, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const cpu::LogitPiece row = row_piece(args, r, 0, args.vocab);
    const float max = max_z(args, r, kernels.max(row));
    finish_row(args, r, max, mass_sums(args, kernels, row, max));
  }
}

struct PieceResult {
  cpu::MassSums sums;
  float max_logit;
};

// Rows cut into pieces: all maxima, then all masses, then the merge of a row's integers.
void pieces_of_rows(Queue& queue, const LogProbsArgs& args, const cpu::LogProbsKernels& kernels) {
  const int64_t pieces = (args.vocab + kPiece - 1) / kPiece;
  auto* results = reinterpret_cast<PieceResult*>(
      queue.scratch(static_cast<std::size_t>(args.rows * pieces) * sizeof(PieceResult)));
  const auto piece_of = [&](int64_t item) {
    const int64_t begin = item % pieces * kPiece;
    return row_piece(args, item / pieces, begin, std::min(kPiece, args.vocab - begin));
  };
  const auto row_max = [&](int64_t r) {
    float max_logit = results[r * pieces].max_logit;
    for (int64_t i = 1; i < pieces; ++i) max_logit = std::max(max_logit, results[r * pieces + i].max_logit);
    return max_z(args, r, max_logit);
  };
  queue.pool().parallel_for(args.rows * pieces, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item) results[item].max_logit = kernels.max(piece_of(item));
  });
  queue.pool().parallel_for(args.rows * pieces, [&](int64_t begin, int64_t end, int) {
    for (int64_t item = begin; item < end; ++item)
      results[item].sums = mass_sums(args, kernels, piece_of(item), row_max(item / pieces));
  });
  for (int64_t r = 0; r < args.rows; ++r) {
    cpu::MassSums total{0, 0};
    for (int64_t i = 0; i < pieces; ++i) {
      total.mass += results[r * pieces + i].sums.mass;
      total.entropy_mass += results[r * pieces + i].sums.entropy_mass;
    }
    finish_row(args, r, row_max(r), total);
  }
}

}  // namespace

void log_probs(Queue& queue, const LogProbsArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.vocab > 0 && args.vocab <= (1 << 23), "vocab = {}", args.vocab);
  if (args.rows == 0) return;
  INVAR_CHECK(args.logits != nullptr, "logits are needed");
  INVAR_CHECK(args.logits_stride >= args.vocab || args.rows == 1, "logits_stride = {}, vocab = {}",
              args.logits_stride, args.vocab);
  INVAR_CHECK(args.log_prob == nullptr || args.tokens != nullptr, "log_prob needs tokens");
  for (int64_t r = 0; r < args.rows; ++r) {
    INVAR_CHECK(row_temperature(args, r) > 0, "temperature[{}] = {}", r, row_temperature(args, r));
    if (args.log_prob != nullptr)
      INVAR_CHECK(args.tokens[r] >= 0 && args.tokens[r] < args.vocab, "tokens[{}] = {}, vocab = {}", r,
                  args.tokens[r], args.vocab);
  }
  const Tier tier = queue.tier();
  if (tier == Tier::kRef)
    return parallel_rows(queue, args.rows, args.vocab, [&](RowRange rows) { ref::log_probs(args, rows); });
  const auto& kernels = tier == Tier::kAvx2 ? cpu::kLogProbsAvx2 : cpu::kLogProbsAvx512;
  const bool few_rows = queue.pool().threads() > 1 && args.rows < 4 * queue.pool().threads();
  if (few_rows && args.rows * args.vocab >= kElementsWorthThreads)
    return pieces_of_rows(queue, args, kernels);
  parallel_rows(queue, args.rows, args.vocab, [&](RowRange rows) { whole_rows(args, kernels, rows); });
}

}  // namespace invar
