#include "rl/ledger_hashes.h"

#include <fmt/format.h>

#include <bit>

#include "io/hash.h"

namespace invar {
namespace {

static_assert(std::endian::native == std::endian::little,
              "lists of numbers are hashed as they lie in memory");

template <class T>
void add_list(Sha256& hash, const std::vector<T>& values) {
  hash.add_u64(values.size());
  hash.add(std::as_bytes(std::span(values)));
}

std::string finish(Sha256& hash) { return hex(hash.digest()); }

}  // namespace

std::string hash_rollouts(std::span<const RolloutRecord> rollouts) {
  Sha256 hash;
  hash.add_u64(rollouts.size());
  for (const RolloutRecord& rollout : rollouts) {
    hash.add_u64(static_cast<uint64_t>(rollout.prompt_id));
    hash.add_u64(static_cast<uint64_t>(rollout.sample));
    hash.add_u64(rollout.seed);
    add_list(hash, rollout.prompt);
    add_list(hash, rollout.tokens);
    add_list(hash, rollout.log_probs);
    hash.add_u64(rollout.finish.size());
    hash.add(rollout.finish);
  }
  return finish(hash);
}

std::string hash_rewards(std::span<const RolloutRecord> rollouts) {
  Sha256 hash;
  hash.add_u64(rollouts.size());
  for (const RolloutRecord& rollout : rollouts) {
    hash.add_u64(std::bit_cast<uint64_t>(rollout.reward));
    hash.add_u64(std::bit_cast<uint32_t>(rollout.advantage));
    hash.add_u64(rollout.kept ? 1 : 0);
  }
  return finish(hash);
}

std::string chain_start() { return std::string(64, '0'); }

std::string chain_hash(const std::string& previous, int64_t step, const StepHashes& hashes) {
  Sha256 hash;
  hash.add(fmt::format(
      "invar ledger 2\nprevious {}\nstep {}\nweights {}\noptimizer {}\nrollouts {}\nrewards {}\ngradients "
      "{}\n",
      previous, step, hashes.weights, hashes.optimizer, hashes.rollouts, hashes.rewards, hashes.gradients));
  return finish(hash);
}

}  // namespace invar
