#include "train/advantage.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "train/named.h"

namespace invar {
namespace {

Status check_rewards(std::span<const float> rewards) {
  for (std::size_t s = 0; s < rewards.size(); ++s) {
    if (!std::isfinite(rewards[s]))
      return error(
          "reward of sample {}: expected a finite number, found {}; no step is made from such a batch", s,
          rewards[s]);
  }
  return Ok{};
}

Status check_groups(const GroupRewards& group) {
  if (group.group_size < 2)
    return error("group size: expected at least 2 samples a prompt, found {}; their mean is the baseline",
                 group.group_size);
  if (group.rewards.size() % static_cast<std::size_t>(group.group_size) != 0)
    return error("expected whole groups of {} samples, found {} rewards", group.group_size,
                 group.rewards.size());
  return check_rewards(group.rewards);
}

Status check_tokens(const TokenRewards& batch) {
  if (batch.tokens.size() != batch.rewards.size())
    return error("expected a length for each of {} rewards, found {}", batch.rewards.size(),
                 batch.tokens.size());
  int64_t total = 0;
  for (std::size_t s = 0; s < batch.tokens.size(); ++s) {
    if (batch.tokens[s] < 0 || batch.tokens[s] > std::numeric_limits<int32_t>::max())
      return error("length of sample {}: expected 0 to 2^31 - 1 tokens, found {}", s, batch.tokens[s]);
    total += batch.tokens[s];
  }
  if (!batch.kl.empty() && static_cast<int64_t>(batch.kl.size()) != total)
    return error("expected a KL for each of {} tokens, found {}", total, batch.kl.size());
  for (std::size_t t = 0; t < batch.kl.size(); ++t) {
    if (!std::isfinite(batch.kl[t]))
      return error("KL of response token {} of the batch: expected a finite number, found {}", t,
                   batch.kl[t]);
  }
  if (!std::isfinite(batch.kl_coefficient) || batch.kl_coefficient < 0)
    return error("KL coefficient: expected a number of at least 0, found {}", batch.kl_coefficient);
  if (!(batch.discount >= 0 && batch.discount <= 1))
    return error("discount: expected 0 to 1, found {}", batch.discount);
  return check_rewards(batch.rewards);
}

// Around the first value, so that equal values have exactly that mean.
template <class T>
double mean(std::span<const T> values) {
  if (values.empty()) return 0;
  const double first = values[0];
  double sum = 0;
  for (const T value : values) sum += static_cast<double>(value) - first;
  return first + sum / static_cast<double>(values.size());
}

double sum_of_squares(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return sum;
}

Result<std::vector<float>> rounded(std::span<const double> values, const char* what) {
  std::vector<float> out(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    out[i] = static_cast<float>(values[i]);
    if (!std::isfinite(out[i]))
      return error("advantage of {} {}: {} does not fit in fp32; expected smaller rewards", what, i,
                   values[i]);
  }
  return out;
}

// r - mean of its group, [S].
std::vector<double> deviations(const GroupRewards& group) {
  const auto size = static_cast<std::size_t>(group.group_size);
  std::vector<double> out(group.rewards.size());
  for (std::size_t begin = 0; begin < out.size(); begin += size) {
    const double center = mean(group.rewards.subspan(begin, size));
    for (std::size_t i = begin; i < begin + size; ++i)
      out[i] = static_cast<double>(group.rewards[i]) - center;
  }
  return out;
}

// In place: (x - mean) / sqrt(max(variance, 1e-8)).
void whiten(std::span<double> values) {
  if (values.empty()) return;
  const double center = mean(std::span<const double>(values));
  for (double& value : values) value -= center;
  const double variance = sum_of_squares(values) / static_cast<double>(values.size());
  const double deviation = std::sqrt(std::max(variance, 1e-8));
  for (double& value : values) value /= deviation;
}

double penalty(const TokenRewards& batch, std::size_t token) {
  if (batch.kl.empty()) return 0;
  return static_cast<double>(batch.kl_coefficient) * static_cast<double>(batch.kl[token]);
}

std::size_t total_tokens(const TokenRewards& batch) {
  return static_cast<std::size_t>(std::accumulate(batch.tokens.begin(), batch.tokens.end(), int64_t{0}));
}

}  // namespace

Result<std::vector<float>> grpo_advantages(const GroupRewards& group, float eps) {
  INVAR_RETURN_IF_ERROR(check_groups(group));
  if (!(eps > 0) || !std::isfinite(eps))
    return error("eps of GRPO: expected a number above 0, found {}", eps);
  std::vector<double> values = deviations(group);
  const auto size = static_cast<std::size_t>(group.group_size);
  for (std::size_t begin = 0; begin < values.size(); begin += size) {
    const std::span<double> one(values.data() + begin, size);
    const double deviation = std::sqrt(sum_of_squares(one) / static_cast<double>(size - 1));
    for (double& value : one) value /= deviation + static_cast<double>(eps);
  }
  return rounded(values, "sample");
}

Result<std::vector<float>> dr_grpo_advantages(const GroupRewards& group) {
  INVAR_RETURN_IF_ERROR(check_groups(group));
  return rounded(deviations(group), "sample");
}

Result<std::vector<float>> rloo_advantages(const GroupRewards& group) {
  INVAR_RETURN_IF_ERROR(check_groups(group));
  // r - (n mean - r) / (n - 1) = (r - mean) n / (n - 1).
  std::vector<double> values = deviations(group);
  const auto size = static_cast<double>(group.group_size);
  for (double& value : values) value = value * size / (size - 1);
  return rounded(values, "sample");
}

Result<std::vector<float>> reinforce_plus_plus_advantages(const TokenRewards& batch) {
  INVAR_RETURN_IF_ERROR(check_tokens(batch));
  std::vector<double> returns(total_tokens(batch));
  std::size_t begin = 0;
  for (std::size_t s = 0; s < batch.rewards.size(); ++s) {
    const std::size_t end = begin + static_cast<std::size_t>(batch.tokens[s]);
    double value = batch.rewards[s];
    for (std::size_t t = end; t-- > begin;) {
      if (t + 1 < end) value = static_cast<double>(batch.discount) * value;
      value = value - penalty(batch, t);
      returns[t] = value;
    }
    begin = end;
  }
  whiten(returns);
  return rounded(returns, "response token");
}

Result<std::vector<float>> reinforce_plus_plus_baseline_advantages(const TokenRewards& batch,
                                                                   int64_t group_size) {
  INVAR_RETURN_IF_ERROR(check_tokens(batch));
  const GroupRewards group{.rewards = batch.rewards, .group_size = group_size};
  INVAR_RETURN_IF_ERROR(check_groups(group));
  const std::vector<double> centered = deviations(group);
  std::vector<double> values(total_tokens(batch));
  std::size_t t = 0;
  for (std::size_t s = 0; s < centered.size(); ++s) {
    for (int64_t i = 0; i < batch.tokens[s]; ++i, ++t) values[t] = centered[s] - penalty(batch, t);
  }
  whiten(values);
  return rounded(values, "response token");
}

Result<std::vector<float>> kl_penalised_rewards(const TokenRewards& batch) {
  INVAR_RETURN_IF_ERROR(check_tokens(batch));
  std::vector<double> values(batch.rewards.begin(), batch.rewards.end());
  std::size_t t = 0;
  for (std::size_t s = 0; s < values.size(); ++s) {
    double sum = 0;
    for (int64_t i = 0; i < batch.tokens[s]; ++i, ++t) sum += penalty(batch, t);
    values[s] -= sum;
  }
  return rounded(values, "sample");
}

Result<AdvantageKind> parse_advantage_kind(std::string_view name) {
  constexpr Named<AdvantageKind> kNames[] = {
      {"reinforce", AdvantageKind::kReinforce},
      {"grpo", AdvantageKind::kGrpo},
      {"gspo", AdvantageKind::kGrpo},
      {"cispo", AdvantageKind::kGrpo},
      {"dr_grpo", AdvantageKind::kDrGrpo},
      {"rloo", AdvantageKind::kRloo},
      {"reinforce_plus_plus", AdvantageKind::kReinforcePlusPlus},
      {"reinforce_plus_plus_baseline", AdvantageKind::kReinforcePlusPlusBaseline},
  };
  return find_named(kNames, "advantage estimator", name);
}

Result<std::vector<float>> token_advantages(const AdvantageArgs& args) {
  INVAR_RETURN_IF_ERROR(check_tokens(args.batch));
  if (args.kind == AdvantageKind::kReinforcePlusPlus) return reinforce_plus_plus_advantages(args.batch);
  if (args.kind == AdvantageKind::kReinforcePlusPlusBaseline)
    return reinforce_plus_plus_baseline_advantages(args.batch, args.group_size);
  INVAR_TRY(const std::vector<float> rewards, kl_penalised_rewards(args.batch));
  const GroupRewards group{.rewards = rewards, .group_size = args.group_size};
  Result<std::vector<float>> samples = rewards;
  if (args.kind == AdvantageKind::kGrpo) samples = grpo_advantages(group, args.eps);
  if (args.kind == AdvantageKind::kDrGrpo) samples = dr_grpo_advantages(group);
  if (args.kind == AdvantageKind::kRloo) samples = rloo_advantages(group);
  if (!samples.ok()) return std::move(samples).take_error();
  std::vector<float> out;
  out.reserve(total_tokens(args.batch));
  for (std::size_t s = 0; s < rewards.size(); ++s)
    out.insert(out.end(), static_cast<std::size_t>(args.batch.tokens[s]), (*samples)[s]);
  return out;
}

}  // namespace invar
