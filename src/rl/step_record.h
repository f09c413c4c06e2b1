// A step of reinforcement learning as its row in the ledger.
#pragma once

#include "rl/ledger_record.h"
#include "rl/rl_step.h"

namespace invar {

// The ledger's step 0 is the model before training; step n holds the rollouts of the nth step and what it led to: the
// score and the digests of weights and optimizer after it (64 hex digits). An eval of no prompts is none.
StepRecord start_record(const RlEval& eval, std::string weights, std::string optimizer);
StepRecord step_record(const RlStepResult& result, const RlEval& eval, std::string weights,
                       std::string optimizer);

}  // namespace invar
