#include "matrix.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <random>

namespace invar {
namespace {

void shuffle(std::vector<std::size_t>& order, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
}

std::string difference(const char* what, std::size_t request, const std::vector<float>& a,
                       const std::vector<float>& b) {
  if (a.size() != b.size())
    return fmt::format("request {}: {} {}s against {}", request, a.size(), what, b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i]))
      return fmt::format("request {}, {} {}: {:08x} against {:08x}", request, what, i,
                         std::bit_cast<uint32_t>(a[i]), std::bit_cast<uint32_t>(b[i]));
  }
  return {};
}

}  // namespace

std::string describe(const MatrixSetting& s) {
  return fmt::format("tier {}, threads {}, chunk {}, page {}, batch {}, order {}", tier_name(s.tier),
                     s.threads, s.step_rows, s.page_size, s.batch_max, s.order);
}

MatrixOutcome run(const DecoderModel& model, Profile profile, const std::vector<Request>& requests,
                  const MatrixSetting& setting) {
  ThreadPool pool(setting.threads);
  Queue queue(pool, profile, setting.tier);
  auto executor = ModelExecutor::create(model, queue,
                                        {.rows_max = setting.step_rows + setting.batch_max,
                                         .page_size = setting.page_size,
                                         .kv_bytes = int64_t{1} << 30,
                                         .running = setting.batch_max},
                                        "");
  INVAR_CHECK(executor.ok(), "{}", executor.message());
  auto engine = Engine::create(**executor, queue,
                               {.prefill_rows = setting.step_rows, .max_running = setting.batch_max});
  INVAR_CHECK(engine.ok(), "{}", engine.message());
  std::vector<std::size_t> order(requests.size());
  std::iota(order.begin(), order.end(), 0);
  if (setting.order != 0) shuffle(order, setting.order);
  std::vector<Request> ordered;
  for (std::size_t i : order) ordered.push_back(requests[i]);
  auto results = (*engine)->run(std::move(ordered));
  INVAR_CHECK(results.ok(), "{}", results.message());
  MatrixOutcome outcome;
  outcome.results.resize(requests.size());
  for (std::size_t i = 0; i < order.size(); ++i) outcome.results[order[i]] = std::move((*results)[i]);
  return outcome;
}

std::string first_difference(const MatrixOutcome& expected, const MatrixOutcome& found) {
  for (std::size_t i = 0; i < expected.results.size(); ++i) {
    const std::string prompt = difference("prompt log-prob", i, expected.results[i].prompt_log_probs,
                                          found.results[i].prompt_log_probs);
    if (!prompt.empty()) return prompt;
    const SampleResult& a = expected.results[i].samples.front();
    const SampleResult& b = found.results[i].samples.front();
    const std::string output = difference("log-prob", i, a.log_probs, b.log_probs);
    if (!output.empty()) return output;
    if (a.tokens != b.tokens) return fmt::format("request {}: other tokens with equal log-probs", i);
  }
  return {};
}

namespace {

// Puts axis after axis of `failing` back to `base` while a difference stays; returns the names of those left.
std::string axes_of(const DecoderModel& model, Profile profile, const std::vector<Request>& requests,
                    const MatrixSetting& base, const MatrixOutcome& expected, MatrixSetting& failing) {
  std::string axes;
  const auto reduce = [&](const char* name, auto member) {
    if (failing.*member == base.*member) return;
    MatrixSetting tried = failing;
    tried.*member = base.*member;
    if (!first_difference(expected, run(model, profile, requests, tried)).empty()) {
      failing = tried;
    } else {
      axes += axes.empty() ? name : fmt::format(" x {}", name);
    }
  };
  reduce("order", &MatrixSetting::order);
  reduce("page", &MatrixSetting::page_size);
  reduce("threads", &MatrixSetting::threads);
  reduce("batch", &MatrixSetting::batch_max);
  reduce("chunk", &MatrixSetting::step_rows);
  reduce("tier", &MatrixSetting::tier);
  return axes;
}

}  // namespace

std::string name_axes(const DecoderModel& model, Profile profile, const std::vector<Request>& requests,
                      const MatrixSetting& base, const MatrixOutcome& expected,
                      const MatrixSetting& failing) {
  MatrixSetting smallest = failing;
  std::string named =
      fmt::format("axis: {}; smallest failing setting: {}",
                  axes_of(model, profile, requests, base, expected, smallest), describe(smallest));
  if (failing.tier == base.tier) return named;
  MatrixSetting tier_base = base;
  tier_base.tier = failing.tier;
  const MatrixOutcome of_tier = run(model, profile, requests, tier_base);
  smallest = failing;
  if (first_difference(of_tier, run(model, profile, requests, failing)).empty())
    return named + "\nwithin the tier: no axis, all of it differs from ref";
  return named + fmt::format("\nwithin the tier: axis: {}; smallest failing setting: {}",
                             axes_of(model, profile, requests, tier_base, of_tier, smallest),
                             describe(smallest));
}

std::vector<Request> mixed_requests(int64_t vocab, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Request> requests;
  for (int64_t length : {1, 2, 15, 16, 17, 60, 128, 129, 300}) {
    Request request;
    for (int64_t i = 0; i < length; ++i) request.prompt.push_back(static_cast<int32_t>(random() % vocab));
    request.sampling.seed = random();
    request.prompt_log_probs = true;
    SamplingParams& sampling = request.sampling;
    sampling.max_tokens = 4 + static_cast<int64_t>(random() % 9);
    sampling.ignore_eos = true;
    sampling.temperature = requests.size() % 3 == 0 ? 0.0f : 0.5f + 0.25f * static_cast<float>(random() % 4);
    if (random() % 2 == 0) sampling.top_k = 1 + static_cast<int32_t>(random() % 50);
    if (random() % 2 == 0) sampling.top_p = 0.5f + 0.1f * static_cast<float>(random() % 5);
    if (random() % 3 == 0) sampling.min_p = 0.05f;
    requests.push_back(std::move(request));
  }
  return requests;
}

}  // namespace invar
