// A step of reinforcement learning as its row in the ledger.
#pragma once

#include "rl/ledger_record.h"
#include "rl/rl_step.h"

namespace invar {

// eval: null where the step had none. weights, optimizer: SHA-256 after the step, 64 hex digits.
StepRecord step_record(const RlStepResult& result, const RlEval* eval, std::string weights, std::string optimizer);

}  // namespace invar
