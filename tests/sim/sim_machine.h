// An engine on a simulated executor, for tests that set the scene by hand.
#pragma once

#include <memory>
#include <utility>

#include "engine/engine.h"
#include "sim_executor.h"

namespace invar {

struct SimMachineOptions {
  int64_t pages = 100;
  int64_t page_size = 16;
  int64_t max_running = 8;
  int64_t prefill_rows = 64;
  int64_t context = 1000;
  uint64_t broken_one_in = 0;
};

struct SimMachine {
  explicit SimMachine(const SimMachineOptions& options = {})
      : executor({.vocab = 32,
                  .context = options.context,
                  .page_size = options.page_size,
                  .pages = options.pages,
                  .rows_max = options.prefill_rows + options.max_running,
                  .logits_max = 64},
                 {.vocab = 32, .broken_one_in = options.broken_one_in}) {
    auto created = Engine::create(executor, queue,
                                  {.prefill_rows = options.prefill_rows, .max_running = options.max_running});
    INVAR_CHECK(created.ok(), "{}", created.message());
    engine = std::move(*created);
  }

  RequestId submit(Request request) {
    auto id = engine->submit(std::move(request));
    INVAR_CHECK(id.ok(), "{}", id.message());
    return *id;
  }
  // Steps until the request is done, at most `most`.
  int64_t steps_until_done(RequestId id, int64_t most) {
    int64_t steps = 0;
    for (; !engine->done(id) && steps < most; ++steps) engine->step();
    return steps;
  }

  SimExecutor executor;
  ThreadPool pool{1};
  Queue queue{pool, Profile::kFma32};
  std::unique_ptr<Engine> engine;
};

// Different texts for different `text`s, from the first token on for text < 32.
inline Request sim_request(int64_t prompt, int64_t output, int32_t text = 0) {
  Request request;
  for (int64_t i = 0; i < prompt; ++i) {
    request.prompt.push_back(static_cast<int32_t>((text + i * (i % 7 + text / 32)) % 32));
  }
  request.sampling.max_tokens = output;
  request.sampling.seed = static_cast<uint64_t>(text);
  return request;
}

}  // namespace invar
