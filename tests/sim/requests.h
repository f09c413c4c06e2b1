// Random requests whose prompts share prefixes of every length.
#pragma once

#include <vector>

#include "world.h"

namespace invar {

class RequestSource {
 public:
  RequestSource(const WorldSettings& settings, uint64_t seed);

  Request next();
  // One that submit() must refuse.
  Request wrong();
  // A text that later prompts may begin with: a conversation goes on.
  void remember(std::vector<int32_t> text);

 private:
  std::vector<int32_t> prompt();
  SamplingParams sampling();
  std::string stop_string();
  int32_t token() { return static_cast<int32_t>(random_.below(settings_.limits.vocab)); }

  const WorldSettings& settings_;
  Random random_;
  std::vector<std::vector<int32_t>> texts_;
};

}  // namespace invar
