#include "kernels/sample.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/check.h"
#include "kernels/cpu/sample.h"
#include "kernels/tiers.h"
#include "numerics/log_sum.h"
#include "numerics/philox.h"

namespace invar {

namespace ref {
void sample(const SampleArgs& args, RowRange rows);
}

namespace {

using cpu::LogitPiece;
using cpu::TokenList;

// A token in the order of the filters: key ascending is z descending, then id ascending. Keys of a
// row differ.
struct Entry {
  uint64_t key;
  uint64_t mass;
};

uint32_t descending_bits(float z) {
  const uint32_t bits = num::as_int(z + 0.0f);  // of -0 those of +0: they are equal values
  return ~(bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u));
}
float from_descending_bits(uint32_t order) {
  const uint32_t bits = ~order;
  return num::as_float(bits ^ ((bits >> 31) != 0 ? 0x80000000u : 0xffffffffu));
}

uint64_t mass_share(float share, uint64_t mass) {
  return static_cast<uint64_t>(std::ceil(static_cast<double>(share) * static_cast<double>(mass)));
}

// One row being filtered, in the scratch memory of one thread.
class FilteredRow {
 public:
  static std::size_t scratch_bytes(int64_t vocab) {
    return static_cast<std::size_t>(padded(vocab)) *
           (sizeof(Entry) + sizeof(uint64_t) + sizeof(float) + sizeof(int32_t));
  }

  FilteredRow(const cpu::LogProbsKernels& sums, const cpu::SampleKernels& kernels, LogitPiece row,
              float max_z, std::byte* scratch)
      : sums_(sums), kernels_(kernels), row_(row), max_z_(max_z) {
    const int64_t n = padded(row.count);
    entries_ = reinterpret_cast<Entry*>(scratch);
    masses_ = reinterpret_cast<uint64_t*>(entries_ + n);
    list_ = {reinterpret_cast<float*>(masses_ + n), reinterpret_cast<int32_t*>(masses_ + n) + n, 0};
  }

  void top_k(int64_t k);  // 0 < k < V; before the others
  void top_p(float p);    // 0 < p < 1
  void min_p(float p);    // 0 < p <= 1; after the others
  const TokenList& kept() const { return list_; }

 private:
  static int64_t padded(int64_t vocab) { return (vocab + 2 * cpu::kListSlack + 63) / 64 * 64; }

  void collect_from(float z_min);
  uint64_t weigh() { return kernels_.masses(list_, max_z_, masses_); }
  void fill_entries();
  void keep_entries(int64_t count);

  const cpu::LogProbsKernels& sums_;
  const cpu::SampleKernels& kernels_;
  LogitPiece row_;
  float max_z_;
  Entry* entries_;    // also the room of strided_max
  uint64_t* masses_;  // [list_.count]
  TokenList list_;
  bool narrowed_ = false;  // list_ is what is left; before that everything is
};

// z >= z_min implies logit >= z_min * T less the roundings of the division: 2^-24 of it, and T
// 2^-150 where z is subnormal. A bound that is a little too low costs a few divisions.
void FilteredRow::collect_from(float z_min) {
  const double product = static_cast<double>(z_min) * row_.temperature;
  const double slack = std::abs(product) * 0x1p-20 + row_.temperature * 0x1p-130 + 0x1p-140;
  kernels_.collect(row_, {.logit_min = static_cast<float>(product - slack), .z_min = z_min}, &list_);
  narrowed_ = true;
}

void FilteredRow::fill_entries() {
  for (int64_t i = 0; i < list_.count; ++i)
    entries_[i] = {
        static_cast<uint64_t>(descending_bits(list_.z[i])) << 32 | static_cast<uint32_t>(list_.ids[i]),
        masses_[i]};
}

void FilteredRow::keep_entries(int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    list_.z[i] = from_descending_bits(static_cast<uint32_t>(entries_[i].key >> 32));
    list_.ids[i] = static_cast<int32_t>(entries_[i].key);
  }
  list_.count = count;
}

// V is cut into some 8 k or more sets of equal size; the k-th largest of their maxima has k tokens
// at or above it, so the k largest are among the tokens at or above it, and as a rule these are not
// many more.
void FilteredRow::top_k(int64_t k) {
  const int64_t width = std::clamp<int64_t>(row_.count / (8 * k), 1, 64);
  auto* maxima = reinterpret_cast<float*>(entries_);
  kernels_.strided_max(row_, width, maxima);
  const int64_t sets = (row_.count + 16 * width - 1) / (16 * width) * 16;
  std::nth_element(maxima, maxima + k - 1, maxima + sets, std::greater<>());
  collect_from(maxima[k - 1] / row_.temperature);
  fill_entries();
  std::nth_element(entries_, entries_ + k - 1, entries_ + list_.count,
                   [](const Entry& a, const Entry& b) { return a.key < b.key; });
  keep_entries(k);
}

void FilteredRow::top_p(float p) {
  uint64_t target;
  if (narrowed_) {
    target = mass_share(p, weigh());
  } else {
    // The tokens within c of the largest, c growing until they hold enough: any c that does gives
    // the same prefix.
    target = mass_share(p, sums_.mass_sum(row_, max_z_));
    for (float c = 1.0f;; c *= 2.0f) {
      collect_from(c > 32.0f ? -num::kInfinity : max_z_ - c);
      if (weigh() >= target || c > 32.0f) break;
    }
  }
  fill_entries();
  // The shortest prefix with mass >= target ends in (low, high]; [0, low) has `before` < target.
  int64_t low = 0, high = list_.count;
  for (uint64_t before = 0; high - low > 1;) {
    const int64_t middle = (low + high) / 2;
    std::nth_element(entries_ + low, entries_ + middle, entries_ + high,
                     [](const Entry& a, const Entry& b) { return a.key < b.key; });
    uint64_t sum = before;
    for (int64_t i = low; i < middle; ++i) sum += entries_[i].mass;
    if (sum >= target) {
      high = middle;
    } else {
      low = middle;
      before = sum;
    }
  }
  keep_entries(high);
}

void FilteredRow::min_p(float p) {
  const uint64_t least = mass_share(p, uint64_t{1} << 40);  // the largest token has exp(0) = 1
  if (!narrowed_) {
    // mass >= p 2^40 and >= 1 means NUM-EXP(z - max) >= max(p, 2^-40) / 2; the slack is far more
    // than all roundings.
    const float slack = 0.01f + std::abs(max_z_) * 0x1p-20f;
    collect_from(max_z_ + num::log(0.5f * std::max(p, 0x1p-40f)) - slack);
  }
  weigh();
  int64_t count = 0;
  for (int64_t i = 0; i < list_.count; ++i) {
    if (masses_[i] < least) continue;
    list_.z[count] = list_.z[i];
    list_.ids[count++] = list_.ids[i];
  }
  list_.count = count;
}

struct Kernels {
  const cpu::LogProbsKernels& sums;
  const cpu::SampleKernels& loops;
};

bool filters(const SampleRule& rule, int64_t vocab) {
  return rule.temperature != 0 &&
         ((rule.top_k > 0 && rule.top_k < vocab) || rule.top_p < 1 || rule.min_p > 0);
}

int32_t draw(const Kernels& kernels, LogitPiece row, const SampleRule& rule, std::byte* scratch) {
  const float max_logit = kernels.sums.max(row);
  if (rule.temperature == 0) return static_cast<int32_t>(kernels.loops.first_equal(row, max_logit));
  const cpu::NoiseKey key{rule.seed, rule.position};
  const float max_z = max_logit / rule.temperature + 0.0f;
  if (!filters(rule, row.count)) {
    // The likeliest token first: a high score to beat from the start spares most of the others
    // their noise.
    const int64_t first = kernels.loops.first_equal(row, max_logit);
    const float score = max_z + gumbel_noise(rule.seed, rule.position, static_cast<uint32_t>(first));
    return kernels.loops.draw_row(row, key, {score, static_cast<int32_t>(first)}).token;
  }
  FilteredRow filtered(kernels.sums, kernels.loops, row, max_z, scratch);
  if (rule.top_k > 0 && rule.top_k < row.count) filtered.top_k(rule.top_k);
  if (rule.top_p < 1) filtered.top_p(rule.top_p);
  if (rule.min_p > 0) filtered.min_p(rule.min_p);
  return kernels.loops.draw_list(filtered.kept(), key, {-num::kInfinity, 0x7fffffff}).token;
}

void check_rule(const SampleRule& rule, int64_t r) {
  INVAR_CHECK(rule.temperature >= 0 && rule.temperature < num::kInfinity, "rules[{}].temperature = {}", r,
              rule.temperature);
  INVAR_CHECK(rule.top_k >= 0, "rules[{}].top_k = {}", r, rule.top_k);
  INVAR_CHECK(rule.top_p > 0 && rule.top_p <= 1, "rules[{}].top_p = {}", r, rule.top_p);
  INVAR_CHECK(rule.min_p >= 0 && rule.min_p <= 1, "rules[{}].min_p = {}", r, rule.min_p);
  INVAR_CHECK(rule.position >= 0, "rules[{}].position = {}", r, rule.position);
}

}  // namespace

void sample(Queue& queue, const SampleArgs& args) {
  INVAR_CHECK(args.rows >= 0, "rows = {}", args.rows);
  INVAR_CHECK(args.vocab > 0 && args.vocab <= (1 << 23), "vocab = {}", args.vocab);
  if (args.rows == 0) return;
  INVAR_CHECK(args.logits != nullptr && args.rules != nullptr && args.tokens != nullptr,
              "logits, rules and tokens are needed");
  INVAR_CHECK(args.logits_stride >= args.vocab || args.rows == 1, "logits_stride = {}, vocab = {}",
              args.logits_stride, args.vocab);
  bool any_filter = false;
  for (int64_t r = 0; r < args.rows; ++r) {
    check_rule(args.rules[r], r);
    any_filter = any_filter || filters(args.rules[r], args.vocab);
  }
  const Tier tier = queue.tier();
  if (tier == Tier::kRef)
    return parallel_rows(queue, args.rows, args.vocab, [&](RowRange rows) { ref::sample(args, rows); });

  const bool avx2 = tier == Tier::kAvx2;
  const Kernels kernels{avx2 ? cpu::kLogProbsAvx2 : cpu::kLogProbsAvx512,
                        avx2 ? cpu::kSampleAvx2 : cpu::kSampleAvx512};
  const std::size_t scratch_bytes = any_filter ? FilteredRow::scratch_bytes(args.vocab) : 0;
  std::byte* scratch = queue.scratch(scratch_bytes * static_cast<std::size_t>(queue.pool().threads()));
  queue.pool().parallel_for(args.rows, [&](int64_t begin, int64_t end, int share) {
    for (int64_t r = begin; r < end; ++r) {
      const SampleRule& rule = args.rules[r];
      const LogitPiece row{args.logits + r * args.logits_stride, args.vocab, rule.temperature};
      args.tokens[r] = draw(kernels, row, rule, scratch + scratch_bytes * static_cast<std::size_t>(share));
    }
  });
}

}  // namespace invar
