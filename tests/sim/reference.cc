#include "reference.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/log_probs.h"
#include "kernels/sample.h"

namespace invar {
namespace {

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

bool same(std::span<const TokenLogProb> a, std::span<const TokenLogProb> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const TokenLogProb& x, const TokenLogProb& y) {
    return x.token == y.token && same_bits(x.log_prob, y.log_prob);
  });
}

struct Scored {
  bool usable = true;
  int32_t token = -1;
  float log_prob = 0;
  std::vector<TokenLogProb> top;
};

class Reference {
 public:
  Reference(const ReferenceOptions& options, const Request& request) : options_(options), request_(request) {}

  // The token at position text.size(), drawn by sample `sample`; forced: given, and scored by the model alone.
  Scored score(int64_t version, std::span<const int32_t> text, int64_t sample, const int32_t* forced) {
    std::vector<float> logits(static_cast<std::size_t>(options_.model.vocab));
    options_.model.logits(hash(version, text), logits);
    if (forced == nullptr) process(text, logits);
    bool any_finite = false;
    for (float x : logits) {
      if (std::isnan(x) || x == INFINITY) return {.usable = false};
      any_finite |= std::isfinite(x);
    }
    if (!any_finite) return {.usable = false};
    const SampleRule rule =
        sample_rule(request_.sampling, request_.first_sample + static_cast<uint64_t>(sample),
                    static_cast<int64_t>(text.size()));
    const float temperature = forced != nullptr || rule.temperature == 0 ? 1.0f : rule.temperature;
    Scored scored;
    RowLogSum sum;
    if (forced != nullptr) scored.token = *forced;
    const int64_t vocab = options_.model.vocab;
    if (forced == nullptr) {
      invar::sample(queue_, {.logits = logits.data(),
                             .logits_stride = vocab,
                             .rules = &rule,
                             .tokens = &scored.token,
                             .rows = 1,
                             .vocab = vocab});
    }
    log_probs(queue_, {.logits = logits.data(),
                       .logits_stride = vocab,
                       .temperature = &temperature,
                       .tokens = &scored.token,
                       .log_prob = &scored.log_prob,
                       .log_sum = &sum,
                       .rows = 1,
                       .vocab = vocab});
    scored.top.resize(static_cast<std::size_t>(request_.top_log_probs));
    top_log_probs(logits, temperature, sum, scored.top);
    return scored;
  }

  bool ends(int32_t token) const {
    const auto has = [token](const std::vector<int32_t>& ids) {
      return std::count(ids.begin(), ids.end(), token) > 0;
    };
    return has(request_.sampling.stop_token_ids) || (!request_.sampling.ignore_eos && has(options_.eos_ids));
  }

 private:
  // Of a text that grows by a token a call, the hash goes on from the last call's.
  uint64_t hash(int64_t version, std::span<const int32_t> text) {
    if (version != version_ || text.size() < hashed_.size() ||
        !std::equal(hashed_.begin(), hashed_.end(), text.begin())) {
      hashed_.clear();
      version_ = version;
      hash_ = SimModel::begin(version);
    }
    for (std::size_t i = hashed_.size(); i < text.size(); ++i) {
      hash_ = SimModel::extend(hash_, text[i]);
      hashed_.push_back(text[i]);
    }
    return hash_;
  }

  void process(std::span<const int32_t> text, std::span<float> logits) const {
    const SamplingParams& sampling = request_.sampling;
    const std::size_t prompt = request_.prompt.size();
    if (!sampling.penalties().none()) {
      std::vector<TokenCount> counts;
      for (int32_t token = 0; token < options_.model.vocab; ++token) {
        const auto begin = text.begin(), middle = begin + static_cast<std::ptrdiff_t>(prompt);
        const TokenCount count{.token = token,
                               .prompt = static_cast<int32_t>(std::count(begin, middle, token)),
                               .output = static_cast<int32_t>(std::count(middle, text.end(), token))};
        if (count.prompt + count.output > 0) counts.push_back(count);
      }
      apply_penalties(logits, counts, sampling.penalties());
    }
    apply_logit_bias(logits, sampling.logit_bias);
    if (static_cast<int64_t>(text.size() - prompt) < sampling.min_tokens) {
      ban_tokens(logits, sampling.stop_token_ids);
      if (!sampling.ignore_eos) ban_tokens(logits, options_.eos_ids);
    }
  }

  const ReferenceOptions& options_;
  const Request& request_;
  ThreadPool pool_{1};
  Queue queue_{pool_, Profile::kFma32};
  int64_t version_ = -1;
  uint64_t hash_ = 0;
  std::vector<int32_t> hashed_;
};

std::string wrong_spans(const SampleResult& sample, int64_t newest_version) {
  if (sample.weights.empty() != sample.tokens.empty())
    return "spans of weights without tokens, or none with some";
  for (std::size_t i = 0; i < sample.weights.size(); ++i) {
    const WeightSpan& span = sample.weights[i];
    const bool first = i == 0;
    if (first ? span.begin != 0 : span.begin <= sample.weights[i - 1].begin)
      return "spans of weights out of order";
    if (!first && span.version <= sample.weights[i - 1].version) return "weights that go back";
    if (span.begin >= static_cast<int64_t>(sample.tokens.size()))
      return "a span of weights that drew nothing";
    if (span.version > newest_version || span.fingerprint != SimExecutor::fingerprint(span.version))
      return "a fingerprint of other weights";
  }
  return {};
}

// The finish of a sample, as one comparable word.
std::string ending_of(FinishReason reason, int32_t stop_token, const std::string& stop_string = {}) {
  return fmt::format("finish {} stop_token {} stop_string '{}'", static_cast<int>(reason), stop_token,
                     stop_string);
}

bool lacks_memory(const SampleResult& sample, const Ending& ending) {
  return sample.finish == FinishReason::kError && sample.message == "out of memory" && ending.may_lack_memory;
}

// The text of tokens, up to the stop string that is complete first, the longest of those that end together.
struct Text {
  std::string shown, stop;
};
Text text_of(const ReferenceOptions& options, const Request& request, std::span<const int32_t> tokens) {
  if (options.tokenizer == nullptr) return {};
  const std::string all = options.tokenizer->decode(tokens, {.skip_special_tokens = true});
  for (std::size_t end = 1; end <= all.size(); ++end) {
    std::string longest;
    for (const std::string& stop : request.sampling.stop) {
      if (stop.size() > longest.size() && std::string_view(all).substr(0, end).ends_with(stop)) longest = stop;
    }
    if (!longest.empty()) return {.shown = all.substr(0, end - longest.size()), .stop = longest};
  }
  return {.shown = all, .stop = {}};
}

std::string wrong_sample(Reference& reference, const ReferenceOptions& options, const Request& request,
                         const Ending& ending, int64_t number, const SampleResult& sample,
                         bool failed_in_prompt) {
  std::vector<int32_t> text = request.prompt;
  const SamplingParams& sampling = request.sampling;
  if (sample.log_probs.size() != sample.tokens.size() ||
      sample.top.size() != sample.tokens.size() * static_cast<std::size_t>(request.top_log_probs))
    return "log-probs are missing";
  std::string expected;
  if (failed_in_prompt) expected = ending_of(FinishReason::kError, -1);
  if (sampling.max_tokens == 0 && expected.empty()) expected = ending_of(FinishReason::kLength, -1);
  std::size_t span = 0;
  for (std::size_t i = 0; i < sample.tokens.size(); ++i) {
    if (!expected.empty()) return fmt::format("token {} comes after the end", i);
    while (span + 1 < sample.weights.size() && sample.weights[span + 1].begin <= static_cast<int64_t>(i))
      ++span;
    const Scored scored = reference.score(sample.weights[span].version, text, number, nullptr);
    if (!scored.usable) return fmt::format("token {} was drawn from logits that are no numbers", i);
    if (scored.token != sample.tokens[i])
      return fmt::format("token {} is {}, expected {}", i, sample.tokens[i], scored.token);
    if (!same_bits(scored.log_prob, sample.log_probs[i]))
      return fmt::format("log-prob {} is {}, expected {}", i, sample.log_probs[i], scored.log_prob);
    const std::size_t top = scored.top.size();
    if (!same(scored.top, std::span(sample.top).subspan(i * top, top)))
      return fmt::format("top log-probs {}", i);
    text.push_back(scored.token);
    const int64_t count = static_cast<int64_t>(i) + 1;
    const Text shown = text_of(options, request, std::span(sample.tokens).first(i + 1));
    if (reference.ends(scored.token)) {
      expected = ending_of(FinishReason::kStop, scored.token);
    } else if (!shown.stop.empty()) {
      expected = ending_of(FinishReason::kStop, -1, shown.stop);
    } else if (count == sampling.max_tokens) {
      expected = ending_of(FinishReason::kLength, -1);
    } else if (count == ending.stop_after) {
      expected = ending_of(FinishReason::kStop, -1);
    }
  }
  if (lacks_memory(sample, ending)) return {};
  if (const std::string text = text_of(options, request, sample.tokens).shown; text != sample.text)
    return fmt::format("text '{}', expected '{}'", sample.text, text);
  if (sample.finish == FinishReason::kAborted && ending.may_abort) return {};
  const std::string found = ending_of(sample.finish, sample.stop_token, sample.stop_string);
  if (expected.empty() && sample.finish == FinishReason::kError)
    return {};  // first_difference() looks at the logits
  if (found != expected)
    return fmt::format("{}, expected {}", found, expected.empty() ? "more tokens" : expected);
  return {};
}

// A sample that ended with an error: some weights that it can have run with must have broken the next token's logits.
std::string wrong_error(Reference& reference, const Request& request, int64_t number,
                        const SampleResult& sample, int64_t newest_version) {
  if (sample.message.find("infinite or no number") == std::string::npos)
    return "an error without its message";
  std::vector<int32_t> text = request.prompt;
  text.insert(text.end(), sample.tokens.begin(), sample.tokens.end());
  const int64_t oldest = sample.weights.empty() ? 0 : sample.weights.back().version;
  for (int64_t version = newest_version; version >= oldest; --version) {
    if (!reference.score(version, text, number, nullptr).usable) return {};
  }
  return "an error, and the logits are numbers";
}

struct PromptScores {
  std::string wrong;
  bool failed = false;  // before the prompt's end
};

// How many prompt log-probs there are from the first on that these weights give.
std::size_t scored_by(Reference& reference, const Request& request, const RequestResult& result,
                      int64_t version) {
  const auto top = static_cast<std::size_t>(request.top_log_probs);
  const std::span<const int32_t> prompt = request.prompt;
  std::size_t i = 0;
  for (; i < result.prompt_log_probs.size(); ++i) {
    const Scored scored = reference.score(version, prompt.first(i + 1), 0, &prompt[i + 1]);
    if (!scored.usable || !same_bits(scored.log_prob, result.prompt_log_probs[i]) ||
        !same(scored.top, std::span(result.prompt_top).subspan(i * top, top)))
      break;
  }
  return i;
}

// All prompt log-probs are of the same weights.
PromptScores wrong_prompt(Reference& reference, const Request& request, const Ending& ending,
                          const RequestResult& result, int64_t newest_version) {
  const auto top = static_cast<std::size_t>(request.top_log_probs);
  const std::size_t found = result.prompt_log_probs.size();
  if (!request.prompt_log_probs) {
    const bool none = found == 0 && result.prompt_top.empty();
    return {.wrong = none ? "" : "prompt log-probs that nobody wanted"};
  }
  if (found >= request.prompt.size() || result.prompt_top.size() != found * top)
    return {.wrong = fmt::format("{} prompt log-probs of {} tokens", found, request.prompt.size())};
  const std::span<const int32_t> prompt = request.prompt;
  const SampleResult& first = result.samples.front();
  const bool whole = found + 1 == prompt.size();
  std::size_t right = 0;
  for (int64_t version = newest_version; version >= 0; --version) {
    right = std::max(right, scored_by(reference, request, result, version));
    if (right < found) continue;
    if (whole || (first.finish == FinishReason::kAborted && ending.may_abort) || lacks_memory(first, ending))
      return {};
    if (first.finish == FinishReason::kError &&
        !reference.score(version, prompt.first(found + 1), 0, &prompt[found + 1]).usable)
      return {.failed = true};
  }
  if (right < found) return {.wrong = fmt::format("prompt log-prob {}", right + 1)};
  return {.wrong = fmt::format("only {} prompt log-probs of {} tokens", found, prompt.size())};
}

}  // namespace

std::string first_difference(const ReferenceOptions& options, const Request& request, const Ending& ending,
                             const RequestResult& result, int64_t newest_version) {
  Reference reference(options, request);
  if (static_cast<int64_t>(result.samples.size()) != request.sampling.n) return "not n samples";
  if (result.prompt_tokens != static_cast<int64_t>(request.prompt.size())) return "prompt_tokens";
  const PromptScores prompt = wrong_prompt(reference, request, ending, result, newest_version);
  if (!prompt.wrong.empty()) return prompt.wrong;
  for (int64_t i = 0; i < request.sampling.n; ++i) {
    const SampleResult& sample = result.samples[static_cast<std::size_t>(i)];
    const bool failed_in_prompt = prompt.failed && i == 0;
    std::string wrong = wrong_spans(sample, newest_version);
    if (wrong.empty()) wrong = wrong_sample(reference, options, request, ending, i, sample, failed_in_prompt);
    if (wrong.empty() && sample.finish == FinishReason::kError && !failed_in_prompt &&
        !lacks_memory(sample, ending))
      wrong = wrong_error(reference, request, i, sample, newest_version);
    if (!wrong.empty()) return fmt::format("sample {}: {}", i, wrong);
  }
  return {};
}

}  // namespace invar
