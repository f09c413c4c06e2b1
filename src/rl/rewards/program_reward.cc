#include "rl/rewards/program_reward.h"

#include <cmath>
#include <optional>
#include <thread>

#include "io/quote.h"
#include "rl/rewards/line_process.h"

namespace invar {
namespace {

using Outcome = LineProcess::Outcome;

Result<float> parse_answer(const std::string& line, int64_t id) {
  const std::string expected = fmt::format("expected one line {{\"id\": {}, \"reward\": NUMBER}}", id);
  const Result<Json> json = parse_json(line, "answer");
  if (!json.ok() || !json->is_object()) return error("{}, found {}", expected, quote(line));
  const auto answered = json->find("id"), reward = json->find("reward");
  if (answered == json->end() || reward == json->end() || !reward->is_number())
    return error("{}, found {}", expected, quote(line));
  if (!answered->is_number_integer() || answered->get<int64_t>() != id)
    return error("{}, found the id {}; a request gets one line, in order", expected, quote(answered->dump()));
  const auto value = static_cast<float>(reward->get<double>());
  if (!std::isfinite(value)) return error("{} within fp32, found {}", expected, quote(line));
  return value;
}

Status check(const ProgramReward::Options& options) {
  const auto within = [](int64_t value, int64_t high) { return value >= 1 && value <= high; };
  if (options.command.empty() || options.command[0].empty())
    return error("reward program: expected a command, found none");
  if (!within(options.workers, 64))
    return error("reward program: expected 1 to 64 workers, found {}", options.workers);
  if (!within(options.timeout_s, 86400))
    return error("reward program: expected a timeout of 1 to 86400 s, found {}", options.timeout_s);
  if (!within(options.attempts_max, 100))
    return error("reward program: expected 1 to 100 attempts, found {}", options.attempts_max);
  if (!within(options.line_bytes_max, int64_t{1} << 30))
    return error("reward program: expected lines of 1 to 2^30 bytes, found {}", options.line_bytes_max);
  return Ok{};
}

}  // namespace

// One copy of the program, used by one thread at a time.
class ProgramReward::Worker {
 public:
  Status start(const Options& options) {
    INVAR_TRY(process_, LineProcess::start(options.command));
    return Ok{};
  }

  void kill_now() { process_.kill_now(); }

  Result<float> score(const Options& options, const RewardInput& input, const Interrupted& interrupted) {
    std::string last = "did not start";
    for (int64_t attempt = 0; attempt < options.attempts_max; ++attempt) {
      if (!process_.running()) INVAR_RETURN_IF_ERROR(start(options));
      const int64_t id = next_id_++;
      Json request = {{"id", id},
                      {"prompt", input.prompt_text},
                      {"response", input.response},
                      {"label", input.prompt->label},
                      {"metadata", input.prompt->metadata}};
      const auto exchange = process_.exchange(one_line(request) + "\n", {.timeout_s = options.timeout_s,
                                                                         .line_bytes_max = options.line_bytes_max,
                                                                         .interrupted = interrupted});
      if (exchange.outcome == Outcome::kInterrupted) {
        process_.kill_now();
        return error("interrupted");
      }
      if (exchange.outcome == Outcome::kLine) {
        Result<float> reward = parse_answer(exchange.line, id);
        if (!reward.ok()) process_.kill();
        return reward;
      }
      const std::string ending = process_.kill();
      if (exchange.outcome == Outcome::kTooLong)
        return error("expected an answer of at most {} bytes, found {}", options.line_bytes_max,
                     quote(exchange.line));
      last = exchange.outcome == Outcome::kSilent
                 ? fmt::format("gave no answer in {} s (reward timeout)", options.timeout_s)
                 : ending;
    }
    return error("no answer in {} attempts; at the last one it {}", options.attempts_max, last);
  }

 private:
  LineProcess process_;
  int64_t next_id_ = 0;
};

ProgramReward::ProgramReward() = default;
ProgramReward::ProgramReward(ProgramReward&&) noexcept = default;
ProgramReward& ProgramReward::operator=(ProgramReward&&) noexcept = default;
ProgramReward::~ProgramReward() = default;

Result<ProgramReward> ProgramReward::start(const Options& options) {
  INVAR_RETURN_IF_ERROR(check(options));
  ProgramReward reward;
  reward.options_ = options;
  for (int64_t i = 0; i < options.workers; ++i) {
    reward.workers_.push_back(std::make_unique<Worker>());
    if (Status started = reward.workers_.back()->start(options); !started.ok())
      return error("reward program: {}", started.message());
  }
  return reward;
}

Result<std::vector<float>> ProgramReward::score(std::span<const RewardInput> inputs,
                                                const Interrupted& interrupted) {
  std::vector<std::optional<Result<float>>> results(inputs.size());
  const std::size_t workers = std::min(workers_.size(), inputs.size());
  // Worker w scores inputs w, w + workers, ...; after an error it stops, and the first one by index is reported.
  const auto share = [&](std::size_t w) {
    for (std::size_t i = w; i < inputs.size(); i += workers) {
      results[i] = workers_[w]->score(options_, inputs[i], interrupted);
      if (!results[i]->ok()) return;
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t w = 1; w < workers; ++w) threads.emplace_back(share, w);
  if (workers > 0) share(0);
  for (std::thread& thread : threads) thread.join();
  if (is_interrupted(interrupted)) {
    for (const std::unique_ptr<Worker>& worker : workers_) worker->kill_now();
    return error("interrupted");
  }
  std::vector<float> rewards;
  for (std::size_t i = 0; i < results.size(); ++i) {
    INVAR_CHECK(results[i].has_value(), "input {} was left out without an error before it", i);
    if (!results[i]->ok())
      return error("reward program {}: sample {}: {}", quote(options_.command[0]), i, results[i]->message());
    rewards.push_back(results[i]->value());
  }
  return rewards;
}

}  // namespace invar
