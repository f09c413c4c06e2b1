// For tests: an engine over a tiny golden model, and requests for it.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/model_executor.h"
#include "model/golden_testing.h"

namespace invar {

inline constexpr int64_t kVocab = 199;
inline constexpr int64_t kContext = 2048;

inline const DecoderModel& tiny_model() {
  static const DecoderModel model = load_model(golden_folder("llama"));
  return model;
}

// What a request of one sample gives.
struct Answer {
  std::vector<int32_t> tokens;
  std::vector<float> log_probs;
  std::vector<float> prompt_log_probs;
  FinishReason finish = FinishReason::kAborted;
};

struct MachineOptions {
  int64_t prefill_rows = 256;
  int64_t max_running = 64;
  int64_t page_size = 64;
  int64_t pages = 1000;
  std::vector<int32_t> eos_ids = {};
  std::function<bool()> interrupted = {};
};

using TokenCallback = std::function<bool(std::size_t index, int32_t token)>;

// One thread, so that an engine of each test costs little.
struct Machine {
  explicit Machine(MachineOptions options = {}) : options(std::move(options)) {
    auto made = ModelExecutor::create(
        tiny_model(), queue,
        {.rows_max = this->options.prefill_rows + this->options.max_running,
         .page_size = this->options.page_size,
         .kv_bytes = this->options.pages * ModelExecutor::page_bytes(tiny_model(), this->options.page_size)},
        "weights");
    INVAR_CHECK(made.ok(), "{}", made.message());
    executor = std::move(*made);
    auto created = Engine::create(*executor, queue,
                                  {.prefill_rows = this->options.prefill_rows,
                                   .max_running = this->options.max_running,
                                   .eos_ids = this->options.eos_ids});
    INVAR_CHECK(created.ok(), "{}", created.message());
    engine = std::move(*created);
  }

  std::vector<Answer> run(std::vector<Request> requests, const TokenCallback& on_token = {}) {
    for (std::size_t i = 0; on_token && i < requests.size(); ++i) {
      requests[i].on_token = [i, on_token](const TokenEvent& event) { return on_token(i, event.token); };
    }
    before = engine->stats();
    auto results = engine->run(std::move(requests), options.interrupted);
    INVAR_CHECK(results.ok(), "{}", results.message());
    INVAR_CHECK(engine->check().empty(), "{}", engine->check());
    std::vector<Answer> answers;
    for (RequestResult& result : *results) {
      SampleResult& sample = result.samples.front();
      answers.push_back({.tokens = std::move(sample.tokens),
                         .log_probs = std::move(sample.log_probs),
                         .prompt_log_probs = std::move(result.prompt_log_probs),
                         .finish = sample.finish});
    }
    return answers;
  }
  // Of the last run().
  int64_t cached_tokens() const { return engine->stats().cached_tokens - before.cached_tokens; }
  int64_t prefill_rows() const { return engine->stats().prefill_rows - before.prefill_rows; }
  std::string refusal(const Request& request) {
    const auto results = engine->run({request});
    return results.ok() ? "" : results.message();
  }

  MachineOptions options;
  ThreadPool pool{1};
  Queue queue{pool, Profile::kFma32, best_tier()};
  std::unique_ptr<ModelExecutor> executor;
  std::unique_ptr<Engine> engine;
  EngineStats before;
};

inline Request request_of(int64_t prompt, int64_t output, uint64_t seed = 1, float temperature = 1.0f) {
  Request request;
  for (int64_t i = 0; i < prompt; ++i) {
    request.prompt.push_back(
        static_cast<int32_t>((seed * 31 + static_cast<uint64_t>(i * i + 7 * i)) % kVocab));
  }
  request.sampling.temperature = temperature;
  request.sampling.max_tokens = output;
  request.sampling.seed = seed;
  return request;
}

inline std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> out;
  for (float value : values) out.push_back(std::bit_cast<uint32_t>(value));
  return out;
}

inline void expect_same(const Answer& a, const Answer& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(bits(a.log_probs), bits(b.log_probs));
  EXPECT_EQ(bits(a.prompt_log_probs), bits(b.prompt_log_probs));
  EXPECT_EQ(a.finish, b.finish);
}

inline std::vector<Answer> each_alone(const std::vector<Request>& requests) {
  std::vector<Answer> results;
  for (const Request& request : requests) results.push_back(std::move(Machine().run({request}).front()));
  return results;
}

}  // namespace invar
