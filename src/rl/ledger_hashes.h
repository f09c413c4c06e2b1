// The canonical bytes behind a ledger's hashes, so that any other program can compute them again.
//
// All numbers are little endian; i64, u64, i32 are integers, f32 and f64 the bits of the float. A list is its length
// (u64), then its items; a text is its length in bytes (u64), then its bytes. SHA-256 of the whole.
//
//   rollouts  list of: prompt_id i64, sample i64, seed u64, prompt list of i32, tokens list of i32,
//             log_probs list of f32, finish text
//   rewards   list of: reward f64, advantage f32 widened to u64, kept u64 (0 or 1)
//
// text, label and prompt_text follow from these and the data, and are in no hash.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "rl/ledger_record.h"

namespace invar {

std::string hash_rollouts(std::span<const RolloutRecord> rollouts);
std::string hash_rewards(std::span<const RolloutRecord> rollouts);

// The chain hash before the first step: 64 zeros, whatever the run, so that runs that differ in nothing but speed
// options have one chain.
std::string chain_start();

// The chain hash of a step: SHA-256 of these eight lines, each ended by a line feed:
//   invar ledger 2
//   previous <chain hash of the step before>
//   step <decimal>
//   weights <hash>
//   optimizer <hash>
//   rollouts <hash>
//   rewards <hash>
//   gradients <hash>
std::string chain_hash(const std::string& previous, int64_t step, const StepHashes& hashes);

}  // namespace invar
