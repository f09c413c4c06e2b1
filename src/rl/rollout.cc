#include "rl/rollout.h"

#include <algorithm>
#include <memory>

#include "engine/text_stream.h"
#include "numerics/philox.h"
#include "rl/sample_text.h"

namespace invar {
namespace {

// A sample that is not at its end.
struct Open {
  const RolloutGroup* group;
  RlSample* sample;
  std::unique_ptr<TextStream> stops;  // null without stop strings
};

// Stop strings are looked for here and not by the engine: one may begin in tokens of an earlier call.
std::unique_ptr<TextStream> stops_of(const Tokenizer& tokenizer, const RlSample& sample,
                                     const RolloutOptions& options) {
  if (options.stop.empty()) return nullptr;
  auto stream = std::make_unique<TextStream>(tokenizer, options.stop);
  for (const int32_t token : sample.response()) stream->push(token);
  return stream;
}

Request request_of(const Open& open, const RolloutOptions& options, int64_t max_tokens) {
  Request request{.prompt = open.sample->tokens};
  request.sampling = {.temperature = options.temperature,
                      .top_k = options.top_k,
                      .top_p = options.top_p,
                      .seed = open.group->seed,
                      .max_tokens = max_tokens,
                      .ignore_eos = options.ignore_eos};
  request.first_sample = static_cast<uint64_t>(open.sample->index);
  if (open.stops) {
    request.on_token = [stream = open.stops.get()](const TokenEvent& event) {
      stream->push(event.token);
      return !stream->stopped();
    };
  }
  return request;
}

void take(Open& open, SampleResult& drawn, const Tokenizer& tokenizer, const RolloutOptions& options) {
  RlSample& sample = *open.sample;
  sample.tokens.insert(sample.tokens.end(), drawn.tokens.begin(), drawn.tokens.end());
  sample.log_probs.insert(sample.log_probs.end(), drawn.log_probs.begin(), drawn.log_probs.end());
  const bool stopped = open.stops && open.stops->stopped();
  if (drawn.finish == FinishReason::kStop || stopped) {
    sample.finish = FinishReason::kStop;
  } else if (std::ssize(sample.log_probs) >= options.max_tokens) {
    sample.finish = FinishReason::kLength;
  }
  if (!sample.done()) return;
  SampleText text = sample_text(tokenizer, sample.response(), options.stop);
  sample.text = std::move(text.text);
  sample.token_ends = std::move(text.token_ends);
}

}  // namespace

bool RolloutGroup::done() const {
  return std::all_of(samples.begin(), samples.end(), [](const RlSample& sample) { return sample.done(); });
}

RolloutGroup empty_group(int64_t ordinal, int64_t step, uint64_t seed, Prompt prompt, EncodedPrompt encoded,
                         int64_t samples) {
  RolloutGroup group{
      .ordinal = ordinal, .step = step, .seed = seed, .prompt = std::move(prompt), .samples = {}};
  for (int64_t i = 0; i < samples; ++i) {
    group.samples.push_back({.prompt = ordinal,
                             .index = i,
                             .seed = derive_seed(seed, static_cast<uint64_t>(i)),
                             .tokens = encoded.ids,
                             .prompt_tokens = std::ssize(encoded.ids),
                             .log_probs = {},
                             .prompt_text = encoded.text,
                             .label = label_text(group.prompt.label)});
  }
  return group;
}

Result<int64_t> draw(Engine& engine, const Tokenizer& tokenizer, std::span<RolloutGroup> groups,
                     const RolloutOptions& options, const RlHooks& hooks, const char* what) {
  std::vector<Open> open;
  int64_t wanted = 0;
  for (RolloutGroup& group : groups) {
    for (RlSample& sample : group.samples) {
      if (sample.done()) continue;
      wanted += options.max_tokens - std::ssize(sample.log_probs);
      open.push_back(
          {.group = &group, .sample = &sample, .stops = stops_of(tokenizer, sample, options)});
    }
  }
  const bool in_part = options.token_budget > 0;
  if (in_part) wanted = std::min(wanted, options.token_budget);
  const int64_t before = engine.stats().output_tokens;
  int64_t tokens = 0;
  bool stopped = false;
  const auto ask = [&] {
    stopped = is_interrupted(hooks.interrupted);
    const auto drawn = static_cast<double>(engine.stats().output_tokens - before);
    if (hooks.progress) hooks.progress(what, drawn / static_cast<double>(wanted));
    return stopped;
  };
  while (!open.empty()) {
    const int64_t each = in_part ? (options.token_budget - tokens) / std::ssize(open) : options.max_tokens;
    if (each == 0) break;
    std::vector<Request> requests;
    for (const Open& one : open)
      requests.push_back(
          request_of(one, options, std::min(each, options.max_tokens - std::ssize(one.sample->log_probs))));
    INVAR_TRY(std::vector<RequestResult> results, engine.run(std::move(requests), ask));
    if (stopped) return error("interrupted");
    for (std::size_t i = 0; i < results.size(); ++i) {
      SampleResult& drawn = results[i].samples.front();
      if (drawn.finish == FinishReason::kError)
        return error("prompt {}, sample {}: {}", open[i].sample->prompt, open[i].sample->index, drawn.message);
      tokens += std::ssize(drawn.tokens);
      take(open[i], drawn, tokenizer, options);
    }
    std::erase_if(open, [](const Open& one) { return one.sample->done(); });
  }
  return tokens;
}

Status score(Reward& reward, std::span<RolloutGroup* const> groups, const Interrupted& interrupted) {
  std::vector<RewardInput> inputs;
  for (const RolloutGroup* group : groups) {
    for (const RlSample& sample : group->samples) {
      inputs.push_back({.prompt = &group->prompt,
                        .prompt_text = sample.prompt_text,
                        .response = sample.text,
                        .tokens = std::ssize(sample.log_probs)});
    }
  }
  INVAR_TRY(const std::vector<float> rewards, reward.score(inputs, interrupted));
  std::size_t at = 0;
  for (RolloutGroup* group : groups) {
    for (RlSample& sample : group->samples) sample.reward = rewards[at++];
    group->scored = true;
  }
  return Ok{};
}

}  // namespace invar
