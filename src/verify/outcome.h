// Outcome: what a target gave for each case of a run, and when two of them are the same bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace invar {

struct Output {
  std::vector<int32_t> tokens;           // drawn
  std::vector<double> log_probs;         // of them; an fp32's value exactly
  std::vector<double> prompt_log_probs;  // where asked for
  std::string text;                      // where a server answers with text
};

// How often what a run is meant to provoke has happened.
struct Evidence {
  int64_t preemptions = 0;
  int64_t evicted_pages = 0;
  int64_t cached_tokens = 0;

  Evidence& operator+=(const Evidence& other);
};

struct Outcome {
  std::vector<Output> outputs;  // one a case, in their order
  Evidence evidence;
};

// All of an output as bytes: equal bytes, equal bits.
std::string identity(const Output& output);

// "" when equal in every bit; otherwise the first difference: "token 3: 17 alone, 25 here".
std::string first_difference(const Output& alone, const Output& here);

}  // namespace invar
