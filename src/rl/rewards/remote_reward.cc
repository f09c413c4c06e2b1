#include "rl/rewards/remote_reward.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <thread>
#include <utility>

#include "io/quote.h"

namespace invar {
namespace {

// true and false are the 1 and 0 that a checker in Python returns.
std::optional<double> number_of(const Json& json) {
  if (json.is_boolean()) return json.get<bool>() ? 1.0 : 0.0;
  if (json.is_number()) return json.get<double>();
  return std::nullopt;
}

Result<float> parse_reply(const std::string& body, const std::string& key) {
  const std::string expected =
      key.empty() ? "expected a number"
                  : fmt::format("expected a number, or an object with one under {}", quote(key));
  const Result<Json> json = parse_json(body, "reply");
  if (!json.ok()) return error("{}, found {}", expected, quote(body));
  const Json* value = &*json;
  if (value->is_object() && !key.empty()) {
    const auto found = value->find(key);
    if (found == value->end()) return error("{}, found {}", expected, quote(body));
    value = &*found;
  }
  const std::optional<double> number = number_of(*value);
  if (!number || !std::isfinite(static_cast<float>(*number)))
    return error("{}, found {}", expected, quote(body));
  return static_cast<float>(*number);
}

// False: interrupted.
bool pause(int64_t milliseconds, const Interrupted& interrupted) {
  for (int64_t left = milliseconds; left > 0; left -= kInterruptedEveryMs) {
    if (is_interrupted(interrupted)) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min<int64_t>(left, kInterruptedEveryMs)));
  }
  return true;
}

bool again(const Result<HttpReply>& reply) {
  return !reply.ok() || reply->status == 429 || reply->status >= 500;
}

Status check(const RemoteReward::Options& options) {
  struct Range {
    const char* name;
    int64_t value, low, high;
  };
  for (const Range& range :
       {Range{"connections", options.connections, 1, 256}, Range{"timeout_s", options.timeout_s, 1, 86400},
        Range{"attempts_max", options.attempts_max, 1, 100},
        Range{"backoff_ms", options.backoff_ms, 0, 60000}})
    if (range.value < range.low || range.value > range.high)
      return error("remote reward: {}: expected {} to {}, found {}", range.name, range.low, range.high,
                   range.value);
  return Ok{};
}

}  // namespace

Result<RemoteReward> RemoteReward::make(const Options& options) {
  INVAR_RETURN_IF_ERROR(check(options));
  INVAR_TRY(HttpUrl url, parse_http_url(options.url, "reward url"));
  return RemoteReward(options,
                      HttpClient(std::move(url), {.seconds = options.timeout_s, .option = "timeout_s"}));
}

Result<float> RemoteReward::score_one(const RewardInput& input, const Interrupted& interrupted) const {
  const Json request = {
      {"prompt", input.prompt_text}, {"response", input.response}, {"label", input.prompt->label}};
  const std::string body = one_line(request);
  int64_t pause_ms = options_.backoff_ms;
  for (int64_t attempt = 1;; ++attempt) {
    const Result<HttpReply> reply = client_.request("", body, interrupted);
    if (is_interrupted(interrupted)) return error("interrupted");
    if (!again(reply) && reply->status == 200) return parse_reply(reply->body, options_.reward_key);
    if (!again(reply) || attempt == options_.attempts_max) {
      if (!reply.ok()) return error("{} ({} attempts)", reply.message(), attempt);
      return error("expected status 200, found {} with {} ({} attempts)", reply->status, quote(reply->body),
                   attempt);
    }
    if (!pause(pause_ms, interrupted)) return error("interrupted");
    pause_ms = std::min<int64_t>(pause_ms * 2, 30000);
  }
}

Result<std::vector<float>> RemoteReward::score(std::span<const RewardInput> inputs,
                                               const Interrupted& interrupted) const {
  std::vector<std::optional<Result<float>>> results(inputs.size());
  const std::size_t share = std::min(static_cast<std::size_t>(options_.connections), inputs.size());
  const auto run = [&](std::size_t first) {
    for (std::size_t i = first; i < inputs.size(); i += share) {
      results[i] = score_one(inputs[i], interrupted);
      if (!results[i]->ok()) return;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t first = 1; first < share; ++first) threads.emplace_back(run, first);
  if (share > 0) run(0);
  for (std::thread& thread : threads) thread.join();
  if (is_interrupted(interrupted)) return error("interrupted");
  std::vector<float> rewards;
  for (std::size_t i = 0; i < results.size(); ++i) {
    INVAR_CHECK(results[i].has_value(), "input {} was left out without an error before it", i);
    if (!results[i]->ok())
      return error("reward of {}: sample {}: {}", client_.address(), i, results[i]->message());
    rewards.push_back(results[i]->value());
  }
  return rewards;
}

}  // namespace invar
