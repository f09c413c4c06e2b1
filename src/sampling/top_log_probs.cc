#include "sampling/top_log_probs.h"

#include <algorithm>

#include "base/check.h"
#include "numerics/log_sum.h"

namespace invar {
namespace {

// The order of the result; as the comparison of a heap it puts the worst kept entry in front.
bool likelier(const TokenLogProb& a, const TokenLogProb& b) {
  return a.log_prob != b.log_prob ? a.log_prob > b.log_prob : a.token < b.token;
}

}  // namespace

void top_log_probs(std::span<const float> logits, float temperature, const RowLogSum& sum,
                   std::span<TokenLogProb> out) {
  INVAR_CHECK(out.size() <= logits.size(), "{} of {} tokens", out.size(), logits.size());
  if (out.empty()) return;
  // `out` is the heap of the best so far, by logit: dividing by the temperature could make equals of different ones.
  const std::size_t k = out.size();
  for (std::size_t v = 0; v < k; ++v) out[v] = {static_cast<int32_t>(v), logits[v]};
  std::make_heap(out.begin(), out.end(), likelier);
  for (std::size_t v = k; v < logits.size(); ++v) {
    if (!(logits[v] > out.front().log_prob)) continue;  // an equal logit has a higher id
    std::pop_heap(out.begin(), out.end(), likelier);
    out.back() = {static_cast<int32_t>(v), logits[v]};
    std::push_heap(out.begin(), out.end(), likelier);
  }
  std::sort_heap(out.begin(), out.end(), likelier);
  for (TokenLogProb& entry : out) {
    entry.log_prob = log_prob(entry.log_prob / temperature, sum.max, sum.log_sum);
  }
}

}  // namespace invar
