#include "cli/rates.h"

#include <algorithm>

#include "base/clock.h"
#include "cli/terminal.h"

namespace invar {

std::string Rates::describe() const {
  std::string text = fmt::format("{} prompt tokens, {:.0f} tokens/s", prompt_tokens,
                                 static_cast<double>(prompt_tokens) / std::max(prompt_s, 1e-9));
  if (cached_tokens > 0) text += fmt::format(", {} more from the cache", cached_tokens);
  text += fmt::format("; {} output tokens", output_tokens);
  if (decode_tokens > 0)
    text += fmt::format(", {:.1f} tokens/s", static_cast<double>(decode_tokens) / std::max(decode_s, 1e-9));
  return text;
}

Result<std::vector<RequestResult>> run_timed(Session& session, std::vector<Request> requests, Rates& rates) {
  rates = {};
  Engine& engine = *session.engine;
  const EngineStats first = engine.stats();
  EngineStats before = first;
  double begin_s = monotonic_seconds();
  const auto account = [&] {
    const EngineStats after = engine.stats();
    const double now_s = monotonic_seconds();
    if (after.prefill_rows > before.prefill_rows) {
      rates.prompt_s += now_s - begin_s;
    } else {
      rates.decode_s += now_s - begin_s;
      rates.decode_tokens += after.output_tokens - before.output_tokens;
    }
    before = after;
    begin_s = now_s;
  };
  bool begun = false;
  // Asked before each step: what lies between two questions is a step.
  auto results = engine.run(std::move(requests), [&] {
    if (begun) account();
    begun = true;
    return Interrupt::raised();
  });
  if (!results.ok()) return results;
  account();
  rates.prompt_tokens = before.prefill_rows - first.prefill_rows;
  rates.cached_tokens = before.cached_tokens - first.cached_tokens;
  rates.output_tokens = before.output_tokens - first.output_tokens;
  return results;
}

}  // namespace invar
