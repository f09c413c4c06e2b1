// Rewards from a server, in the form that slime's remote_rm speaks: POST {"prompt", "response", "label"} as JSON, one
// sample a request; the reply is the reward, or an object that has it under reward_key.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/interrupted.h"
#include "base/result.h"
#include "io/http_client.h"
#include "rl/rewards/reward_input.h"

namespace invar {

class RemoteReward {
 public:
  struct Options {
    std::string url;            // http://HOST[:PORT][/PATH]
    std::string reward_key;     // of replies that are objects; empty: replies are numbers
    int64_t connections = 8;    // at once; 1 .. 256
    int64_t timeout_s = 120;    // of one reply; 1 .. 86400
    int64_t attempts_max = 5;   // 1 .. 100; again after no reply, 429 and 5xx
    int64_t backoff_ms = 1000;  // before the second attempt, doubled up to 30 s. No jitter: 0 .. 60000
  };

  // Errors: options out of range, a URL that is none. Does not connect.
  static Result<RemoteReward> make(const Options& options);

  // The reward of every input, by index; which request came back first has no part in it. Errors, of the first input
  // that has any and with its index: no reply after all attempts, another status than 200, a reply without a finite
  // number. "interrupted".
  Result<std::vector<float>> score(std::span<const RewardInput> inputs, const Interrupted& interrupted = {}) const;

 private:
  RemoteReward(Options options, HttpClient client)
      : options_(std::move(options)), client_(std::move(client)) {}
  Result<float> score_one(const RewardInput& input, const Interrupted& interrupted) const;

  Options options_;
  HttpClient client_;
};

}  // namespace invar
