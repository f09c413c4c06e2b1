// Runs requests on a session's engine and measures it: the engine itself reads no clock.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"

namespace invar {

struct Rates {
  int64_t prompt_tokens = 0;  // computed, not taken from the cache
  int64_t cached_tokens = 0;  // taken from it
  int64_t output_tokens = 0;
  int64_t decode_tokens = 0;  // drawn in steps that held decode rows only
  double prompt_s = 0;        // steps that held prompt rows
  double decode_s = 0;        // steps that held decode rows only

  // "37 prompt tokens, 120 tokens/s; 8 output tokens, 45.2 tokens/s"
  std::string describe() const;
};

// Engine::run with rates; Ctrl-C aborts.
Result<std::vector<RequestResult>> run_timed(Session& session, std::vector<Request> requests, Rates& rates);

}  // namespace invar
