#include "kernels/sample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/tiers.h"
#include "numerics/log_sum.h"
#include "numerics/philox.h"

namespace invar::ref {
namespace {

struct Candidate {
  float z;
  int32_t id;
  uint64_t mass;
};

// Larger values first; of equal ones (the two zeros are equal) the lower id.
bool comes_first(const Candidate& a, const Candidate& b) { return a.z != b.z ? a.z > b.z : a.id < b.id; }

uint64_t mass_share(float share, uint64_t mass) {
  return static_cast<uint64_t>(std::ceil(static_cast<double>(share) * static_cast<double>(mass)));
}

int32_t arg_max(const float* logits, int64_t vocab) {
  int64_t best = 0;
  for (int64_t v = 1; v < vocab; ++v)
    if (logits[v] > logits[best]) best = v;
  return static_cast<int32_t>(best);
}

// The whole row in order of comes_first, with masses against its largest z.
std::vector<Candidate> sorted_candidates(const float* logits, int64_t vocab, float temperature) {
  std::vector<Candidate> all;
  for (int64_t v = 0; v < vocab; ++v) all.push_back({logits[v] / temperature, static_cast<int32_t>(v), 0});
  std::sort(all.begin(), all.end(), comes_first);
  const float max = all.front().z + 0.0f;
  for (Candidate& c : all) c.mass = lse_mass(num::exp(c.z - max));
  return all;
}

int32_t draw(const float* logits, int64_t vocab, const SampleRule& rule) {
  if (rule.temperature == 0) return arg_max(logits, vocab);
  std::vector<Candidate> kept = sorted_candidates(logits, vocab, rule.temperature);
  if (rule.top_k > 0 && rule.top_k < vocab) kept.resize(static_cast<std::size_t>(rule.top_k));
  if (rule.top_p < 1) {
    uint64_t total = 0;
    for (const Candidate& c : kept) total += c.mass;
    const uint64_t target = mass_share(rule.top_p, total);
    uint64_t sum = 0;
    std::size_t count = 0;
    while (count < kept.size() && sum < target) sum += kept[count++].mass;
    kept.resize(count);
  }
  if (rule.min_p > 0) {
    const uint64_t least = mass_share(rule.min_p, kept.front().mass);
    std::erase_if(kept, [&](const Candidate& c) { return c.mass < least; });
  }
  Candidate best = kept.front();
  float best_score = -num::kInfinity;
  for (const Candidate& c : kept) {
    const float score = c.z + gumbel_noise(rule.seed, rule.position, static_cast<uint32_t>(c.id));
    if (score > best_score || (score == best_score && c.id < best.id)) {
      best = c;
      best_score = score;
    }
  }
  return best.id;
}

}  // namespace

void sample(const SampleArgs& args, RowRange rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r)
    args.tokens[r] = draw(args.logits + r * args.logits_stride, args.vocab, args.rules[r]);
}

}  // namespace invar::ref
