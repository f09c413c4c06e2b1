#include "rl/run_diff.h"

#include <algorithm>
#include <bit>
#include <set>

#include "rl/ledger_hashes.h"
#include "rl/run_text.h"

namespace invar {
namespace {

std::string exact(double value) { return fmt::format("{} ({:016x})", value, std::bit_cast<uint64_t>(value)); }
std::string exact(float value) { return fmt::format("{} ({:08x})", value, std::bit_cast<uint32_t>(value)); }

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

// A hash of all hashed fields of one sample.
std::string identity(const RolloutRecord& rollout) {
  return hash_rollouts({&rollout, 1}) + hash_rewards({&rollout, 1});
}

void add_if_different(std::vector<Sides>& sides, std::string name, std::string a, std::string b) {
  if (a != b) sides.push_back({std::move(name), std::move(a), std::move(b)});
}

// "12 tokens, first different at 3: 17"
std::string prompt_at(const std::vector<int32_t>& prompt, std::size_t at) {
  if (at >= prompt.size()) return fmt::format("{} tokens", prompt.size());
  return fmt::format("token {} of {}: {}", at, prompt.size(), prompt[at]);
}

std::vector<Sides> field_differences(const RolloutRecord& a, const RolloutRecord& b) {
  std::vector<Sides> sides;
  add_if_different(sides, "prompt id", std::to_string(a.prompt_id), std::to_string(b.prompt_id));
  add_if_different(sides, "sample of prompt", std::to_string(a.sample), std::to_string(b.sample));
  add_if_different(sides, "seed", std::to_string(a.seed), std::to_string(b.seed));
  if (a.prompt != b.prompt) {
    const auto [at, ignored] =
        std::mismatch(a.prompt.begin(), a.prompt.end(), b.prompt.begin(), b.prompt.end());
    const auto position = static_cast<std::size_t>(at - a.prompt.begin());
    sides.push_back({"prompt", prompt_at(a.prompt, position), prompt_at(b.prompt, position)});
  }
  add_if_different(sides, "finish", printable(a.finish), printable(b.finish));
  add_if_different(sides, "reward", exact(a.reward), exact(b.reward));
  add_if_different(sides, "advantage", exact(a.advantage), exact(b.advantage));
  add_if_different(sides, "kept", a.kept ? "yes" : "no", b.kept ? "yes" : "no");
  return sides;
}

std::optional<TokenDifference> token_difference(const RolloutRecord& a, const RolloutRecord& b) {
  const auto side = [](const RolloutRecord& rollout, std::size_t t) -> std::optional<TokenDifference::Side> {
    if (t >= rollout.tokens.size()) return std::nullopt;
    return TokenDifference::Side{rollout.tokens[t], rollout.log_probs[t],
                                 std::string(token_text(rollout, t))};
  };
  for (std::size_t t = 0; t < std::max(a.tokens.size(), b.tokens.size()); ++t) {
    const auto in_a = side(a, t), in_b = side(b, t);
    if (in_a && in_b && in_a->token == in_b->token && same_bits(in_a->log_prob, in_b->log_prob)) continue;
    return TokenDifference{.position = static_cast<int64_t>(t), .a = in_a, .b = in_b};
  }
  return std::nullopt;
}

std::optional<SampleDifference> sample_difference(const std::vector<RolloutRecord>& a,
                                                  const std::vector<RolloutRecord>& b) {
  std::optional<SampleDifference> found;
  int64_t differing = 0;
  const std::size_t samples = std::max(a.size(), b.size());
  for (std::size_t i = 0; i < samples; ++i) {
    if (i < a.size() && i < b.size() && identity(a[i]) == identity(b[i])) continue;
    ++differing;
    if (found) continue;
    found = SampleDifference{.index = static_cast<int64_t>(i), .samples = static_cast<int64_t>(samples)};
    if (i < a.size()) found->a = a[i];
    if (i < b.size()) found->b = b[i];
    if (found->a && found->b) {
      found->fields = field_differences(a[i], b[i]);
      found->token = token_difference(a[i], b[i]);
    }
    if (!found->a) continue;
    for (std::size_t j = 0; j < b.size(); ++j) {
      if (identity(a[i]) == identity(b[j])) found->moved_to = static_cast<int64_t>(j);
    }
  }
  if (found) found->samples_differing = differing;
  return found;
}

// Values by name, those of one run only included.
std::vector<Sides> value_differences(const NamedValues& a, const NamedValues& b) {
  std::map<std::string, std::pair<std::string, std::string>> by_name;
  for (const auto& [name, value] : a) by_name[name].first = exact(value);
  for (const auto& [name, value] : b) by_name[name].second = exact(value);
  std::vector<Sides> sides;
  for (const auto& [name, both] : by_name)
    add_if_different(sides, name, both.first.empty() ? "none" : both.first,
                     both.second.empty() ? "none" : both.second);
  return sides;
}

std::vector<Sides> hash_sides(const StepHashes& a, const StepHashes& b) {
  return {{"rollouts", a.rollouts, b.rollouts},
          {"rewards", a.rewards, b.rewards},
          {"gradients", a.gradients, b.gradients},
          {"weights", a.weights, b.weights},
          {"optimizer", a.optimizer, b.optimizer}};
}

struct Side {
  const Ledger& ledger;
  std::vector<StepSummary> steps;
  std::vector<StepEval> evals;

  const StepSummary& at(int64_t step) const {
    return steps[static_cast<std::size_t>(step - steps.front().step)];
  }
};

// Lines that only one of the configs has, in their order.
std::vector<Sides> config_differences(const std::string& a, const std::string& b) {
  const auto lines = [](const std::string& text) {
    std::vector<std::string> found;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      found.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return found;
  };
  const std::vector<std::string> in_a = lines(a), in_b = lines(b);
  const std::set<std::string> set_a(in_a.begin(), in_a.end()), set_b(in_b.begin(), in_b.end());
  std::vector<Sides> sides;
  for (const std::string& line : in_a) {
    if (!set_b.contains(line)) sides.push_back({"config", line, ""});
  }
  for (const std::string& line : in_b) {
    if (!set_a.contains(line)) sides.push_back({"config", "", line});
  }
  return sides;
}

Result<Side> read_side(const Ledger& ledger) {
  INVAR_TRY(std::vector<StepSummary> steps, ledger.steps());
  INVAR_TRY(std::vector<StepEval> evals, ledger.evals());
  return Side{ledger, std::move(steps), std::move(evals)};
}

}  // namespace

std::string_view token_text(const RolloutRecord& rollout, std::size_t token) {
  if (token >= rollout.token_ends.size()) return {};
  const auto begin = static_cast<std::size_t>(token == 0 ? 0 : rollout.token_ends[token - 1]);
  return std::string_view(rollout.text)
      .substr(begin, static_cast<std::size_t>(rollout.token_ends[token]) - begin);
}

std::string score_name(const EvalResult& eval) {
  return fmt::format("score on {} of {} prompts", eval.name, eval.prompts);
}

Result<StepContents> read_step(const Ledger& ledger, const StepSummary& summary,
                               const std::vector<StepEval>& evals) {
  StepContents contents{.hashes = summary.hashes, .rollouts = {}, .values = {}};
  INVAR_TRY(contents.rollouts, ledger.rollouts(summary.step));
  INVAR_TRY(contents.values, ledger.metrics(summary.step));
  for (const StepEval& eval : evals) {
    if (eval.step == summary.step) contents.values.emplace_back(score_name(eval.result), eval.result.score);
  }
  return contents;
}

std::optional<StepDifference> diff_steps(int64_t step, const StepContents& a, const StepContents& b) {
  const auto altered = [](const StepContents& side) {
    return hash_rollouts(side.rollouts) != side.hashes.rollouts ||
           hash_rewards(side.rollouts) != side.hashes.rewards;
  };
  StepDifference difference{.step = step,
                            .hashes = hash_sides(a.hashes, b.hashes),
                            .a_altered = altered(a),
                            .b_altered = altered(b),
                            .sample = {},
                            .values = value_differences(a.values, b.values),
                            .tensor = {}};
  if (a.hashes == b.hashes && !difference.a_altered && !difference.b_altered && difference.values.empty())
    return std::nullopt;
  difference.sample = sample_difference(a.rollouts, b.rollouts);
  return difference;
}

Result<RunDiff> diff_runs(const Ledger& a, const Ledger& b) {
  INVAR_TRY(const RunInfo info_a, a.run_info());
  INVAR_TRY(const RunInfo info_b, b.run_info());
  INVAR_TRY(const Side side_a, read_side(a));
  INVAR_TRY(const Side side_b, read_side(b));
  RunDiff diff;
  add_if_different(diff.settings, "model", info_a.fingerprint, info_b.fingerprint);
  add_if_different(diff.settings, "numerics version", std::to_string(info_a.numerics_version),
                   std::to_string(info_b.numerics_version));
  add_if_different(diff.settings, "profile", info_a.profile, info_b.profile);
  add_if_different(diff.settings, "seed", std::to_string(info_a.seed), std::to_string(info_b.seed));
  diff.config = config_differences(info_a.config, info_b.config);
  for (const auto* side : {&side_a, &side_b}) {
    if (side->steps.empty())
      return error("{}: expected steps to compare, found none yet", side->ledger.path());
  }
  diff.a_last = side_a.steps.back().step;
  diff.b_last = side_b.steps.back().step;
  diff.first = std::max(side_a.steps.front().step, side_b.steps.front().step);
  diff.last = std::min(diff.a_last, diff.b_last);
  if (diff.first > diff.last)
    return error("expected a step that both runs have, found {} to {} in {} and {} to {} in {}",
                 side_a.steps.front().step, diff.a_last, a.path(), side_b.steps.front().step, diff.b_last,
                 b.path());
  for (int64_t step = diff.first; step <= diff.last && !diff.difference; ++step) {
    INVAR_TRY(const StepContents in_a, read_step(a, side_a.at(step), side_a.evals));
    INVAR_TRY(const StepContents in_b, read_step(b, side_b.at(step), side_b.evals));
    diff.difference = diff_steps(step, in_a, in_b);
  }
  return diff;
}

}  // namespace invar
