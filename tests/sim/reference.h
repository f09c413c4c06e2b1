// What a request must give: each sample alone, token by token, from the whole text. No batch, no pages, no cache.
#pragma once

#include <string>

#include "engine/engine.h"
#include "sim_executor.h"

namespace invar {

struct ReferenceOptions {
  SimModel model;
  std::vector<int32_t> eos_ids;
  const Tokenizer* tokenizer = nullptr;
};

// What is asked of on_token and abort(), beside the request.
struct Ending {
  int64_t stop_after = 0;  // on_token returns false at this token of each sample; 0: never
  bool may_abort = false;
  bool may_lack_memory = false;
};

// "" when the result has the bits that the request has alone, the tokens of each sample drawn by the weights that its
// spans name, and otherwise the first difference.
std::string first_difference(const ReferenceOptions& options, const Request& request, const Ending& ending,
                             const RequestResult& result, int64_t newest_version);

}  // namespace invar
