// Target: the port between the proof and what it is about: an engine in this process, or a server.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "sampling/sampling_params.h"
#include "verify/axes.h"
#include "verify/outcome.h"

namespace invar {

// One request, of one sample.
struct Case {
  std::string text;             // the prompt
  std::vector<int32_t> prompt;  // its token ids; empty where only a server knows them
  SamplingParams sampling;
  bool prompt_log_probs = false;
};

class Target {
 public:
  virtual ~Target() = default;

  virtual std::string name() const = 0;  // "fma32"
  virtual std::span<const Axis> axes() const = 0;

  // Runs the cases under a setting, from a fresh state. Errors: those of the world; a run that was interrupted.
  virtual Result<Outcome> run(std::span<const Case> cases, const Setting& setting) = 0;

  // Why this target cannot score a text it has not drawn; "" when it can.
  virtual std::string cannot_score() const { return {}; }
  // The log-probs of `output`'s tokens, of a case with temperature 0 or 1, scored as a prompt instead of decoded.
  virtual Result<std::vector<double>> score(const Case& drawn, const Output& output,
                                            const Setting& setting) = 0;
};

}  // namespace invar
