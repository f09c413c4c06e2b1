#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "sim_tokenizer.h"
#include "world.h"

namespace invar {

WorldSettings::WorldSettings(uint64_t seed) {
  Random random(SimModel::mix(seed));
  const int64_t page_size = random.pick<int64_t>({1, 2, 3, 4, 5, 8, 16, 16, 32, 64, 128});
  prompt_max = random.pick<int64_t>({3, 10, 30, 60, 150});
  output_max = random.pick<int64_t>({1, 4, 12, 30, 60});
  const int64_t context =
      random.one_in(3) ? prompt_max + output_max : prompt_max + random.between(1, output_max + 9);
  const int64_t for_one = (prompt_max + output_max + page_size - 1) / page_size;
  const int64_t times = random.pick<int64_t>({1, 1, 1, 2, 3, 10});
  const int64_t pages = std::min<int64_t>(240, std::max<int64_t>(1, times * for_one + random.between(-1, 2)));
  engine.max_running = random.pick<int64_t>({1, 2, 3, 5, 8, 16, 64, 300});
  engine.prefill_rows = random.pick<int64_t>({1, 3, 7, 16, 17, 64, 128, 512});
  engine.prefix_cache = !random.one_in(5);
  limits = {.vocab = random.pick<int64_t>({16, 17, 32, 64}),
            .context = context,
            .page_size = page_size,
            .pages = pages,
            .rows_max = engine.prefill_rows + engine.max_running + random.between(0, 3),
            .logits_max = random.pick<int64_t>({1, 3, 8, 64})};
  for (int64_t i = random.below(3); i > 0; --i) {
    engine.eos_ids.push_back(static_cast<int32_t>(random.below(limits.vocab)));
  }
  model = {.vocab = limits.vocab, .broken_one_in = random.one_in(3) ? 200u : 0u};
  threads = random.one_in(8) ? 2 : 1;
  requests = random.between(10, 150);
  burst_max = random.pick<int64_t>({1, 3, 20, 100});
  submits_one_in = random.pick<int64_t>({1, 2, 5, 20});
  const auto rate = [&](int64_t one_in) { return random.one_in(2) ? 0 : one_in * random.between(1, 4); };
  aborts_one_in = rate(8);
  preempts_one_in = rate(40);
  flushes_one_in = rate(30);
  weights_one_in = rate(60);
  abort_alls_one_in = rate(200);
  allocations_fail = random.one_in(2);
  step_failures_one_in = rate(10);
  has_text = random.one_in(2);
  if (has_text) engine.tokenizer = &sim_tokenizer();
}

std::string WorldSettings::text() const {
  return fmt::format(
      "page_size {} pages {} context {} vocab {} logits_max {} max_running {} prefill_rows {} prefix_cache "
      "{} eos {} "
      "threads {} broken 1/{} prompt_max {} output_max {} requests {}; one in so many steps: submit {} (up "
      "to {}), "
      "abort {}, preempt_all {}, flush_cache {}, weights_changed {}, abort_all {}, failing allocation {}; "
      "allocations_fail {} text {}",
      limits.page_size, limits.pages, limits.context, limits.vocab, limits.logits_max, engine.max_running,
      engine.prefill_rows, engine.prefix_cache, engine.eos_ids, threads, model.broken_one_in, prompt_max,
      output_max, requests, submits_one_in, burst_max, aborts_one_in, preempts_one_in, flushes_one_in,
      weights_one_in, abort_alls_one_in, step_failures_one_in, allocations_fail, has_text);
}

}  // namespace invar
