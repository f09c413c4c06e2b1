#include "requests.h"

#include <algorithm>
#include <limits>

namespace invar {
namespace {

constexpr std::size_t kTextsMax = 24;

}  // namespace

RequestSource::RequestSource(const WorldSettings& settings, uint64_t seed)
    : settings_(settings), random_(seed) {
  texts_.push_back({});
}

void RequestSource::remember(std::vector<int32_t> text) {
  if (texts_.size() == kTextsMax) texts_.erase(texts_.begin() + random_.between(1, kTextsMax - 1));
  texts_.push_back(std::move(text));
}

// A prefix of a text that was seen, and something new.
std::vector<int32_t> RequestSource::prompt() {
  const std::vector<int32_t>& text = texts_[static_cast<std::size_t>(random_.below(std::ssize(texts_)))];
  const int64_t size = std::min(std::ssize(text), settings_.prompt_max);
  const int64_t kept = random_.one_in(2) ? size : random_.between(0, size);
  std::vector<int32_t> prompt(text.begin(), text.begin() + kept);
  const int64_t room = settings_.prompt_max - kept;
  const int64_t more =
      random_.one_in(3) ? 0 : random_.between(0, random_.one_in(2) ? std::min<int64_t>(room, 5) : room);
  for (int64_t i = 0; i < more; ++i) prompt.push_back(token());
  if (prompt.empty()) prompt.push_back(token());
  if (random_.one_in(3)) remember(prompt);
  return prompt;
}

SamplingParams RequestSource::sampling() {
  SamplingParams sampling;
  sampling.temperature = random_.pick({0.0f, 0.7f, 1.0f, 1.5f});
  if (random_.one_in(4))
    sampling.top_k = static_cast<int32_t>(random_.between(-1, settings_.limits.vocab + 1));
  if (random_.one_in(4)) sampling.top_p = static_cast<float>(random_.between(1, 100)) / 100;
  if (random_.one_in(6)) sampling.min_p = static_cast<float>(random_.between(0, 100)) / 100;
  if (random_.one_in(5)) sampling.repetition_penalty = random_.pick({0.5f, 1.3f, 10.0f});
  if (random_.one_in(5)) sampling.presence_penalty = random_.pick({-2.0f, 0.5f, 2.0f});
  if (random_.one_in(5)) sampling.frequency_penalty = random_.pick({-1.0f, 0.25f, 2.0f});
  if (random_.one_in(6))
    sampling.logit_bias.push_back({.token = token(), .bias = random_.pick({-100.0f, 3.0f})});
  sampling.seed = static_cast<uint64_t>(random_.below(3));
  sampling.n = random_.one_in(4) ? random_.between(1, 5) : 1;
  sampling.max_tokens = random_.one_in(8) ? random_.below(2) : random_.between(0, settings_.output_max);
  if (random_.one_in(4)) sampling.min_tokens = random_.between(0, sampling.max_tokens);
  for (int64_t i = random_.one_in(3) ? random_.between(1, 3) : 0; i > 0; --i)
    sampling.stop_token_ids.push_back(token());
  sampling.ignore_eos = random_.one_in(3);
  if (settings_.has_text && random_.one_in(2)) {
    sampling.min_tokens = 0;  // the text of tokens before it is not searched
    for (int64_t i = random_.between(1, 3); i > 0; --i) sampling.stop.push_back(stop_string());
  }
  return sampling;
}

std::string RequestSource::stop_string() {
  std::string stop;
  for (int64_t i = random_.between(1, 4); i > 0; --i) {
    constexpr const char* kCharacters[] = {"a", "b", "c", "d", "e", "é"};
    stop += kCharacters[random_.below(std::ssize(kCharacters))];
  }
  return stop;
}

Request RequestSource::next() {
  Request request;
  request.prompt = prompt();
  request.sampling = sampling();
  if (random_.one_in(4)) request.first_sample = static_cast<uint64_t>(random_.below(5));
  if (random_.one_in(3)) {
    const auto most = static_cast<int32_t>(random_.pick<int64_t>({1, 3, 1000}));
    request.priority = static_cast<int32_t>(random_.between(-most, most));
  }
  request.prompt_log_probs = random_.one_in(5);
  if (random_.one_in(4)) request.top_log_probs = static_cast<int32_t>(random_.between(0, 4));
  return request;
}

Request RequestSource::wrong() {
  Request request = next();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Executor::Limits& limits = settings_.limits;
  switch (random_.below(10)) {
    case 0: request.prompt.clear(); break;
    case 1: request.prompt.back() = static_cast<int32_t>(limits.vocab); break;
    case 2: request.prompt.front() = -1; break;
    case 3: request.sampling.temperature = nan; break;
    case 4: request.sampling.max_tokens = limits.context; break;
    case 5: request.sampling.max_tokens = std::numeric_limits<int64_t>::max(); break;
    case 6: request.sampling.n = 0; break;
    case 7: request.priority = 1001; break;
    case 8: request.top_log_probs = static_cast<int32_t>(limits.vocab) + 1; break;
    default:
      if (settings_.has_text) {
        request.sampling.n = -1;
      } else {
        request.sampling.stop = {"text"};
      }
      break;
  }
  return request;
}

}  // namespace invar
