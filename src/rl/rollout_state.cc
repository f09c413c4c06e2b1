#include "rl/rollout_state.h"

#include <bit>
#include <limits>

#include "rl/sample_text.h"

namespace invar {
namespace {

constexpr const char* kFinishes[] = {"", "stop", "length"};  // "": not at its end

const char* finish_text(FinishReason reason) {
  if (reason == FinishReason::kStop) return kFinishes[1];
  return reason == FinishReason::kLength ? kFinishes[2] : kFinishes[0];
}

Json bits_of(std::span<const float> values) {
  Json bits = Json::array();
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

Status read_finish(const JsonObject& object, RlSample& sample) {
  INVAR_TRY(const std::string finish, object.require_string("finish"));
  if (finish == kFinishes[1]) {
    sample.finish = FinishReason::kStop;
  } else if (finish == kFinishes[2]) {
    sample.finish = FinishReason::kLength;
  } else if (!finish.empty()) {
    return object.mismatch("finish", "stop, length or \"\"");
  }
  return Ok{};
}

Status read_sample(const Json& json, const std::string& where, const Tokenizer& tokenizer,
                   const RolloutStateOptions& options, RlSample& sample) {
  constexpr int64_t kBits = std::numeric_limits<uint32_t>::max();
  INVAR_TRY(const JsonObject object, JsonObject::from(json, where));
  INVAR_TRY(const std::vector<int64_t> tokens, object.get_ints("tokens", 0, std::numeric_limits<int32_t>::max()));
  INVAR_TRY(const std::vector<int64_t> log_probs, object.get_ints("log_probs", 0, kBits));
  INVAR_TRY(const int64_t reward, object.require_int("reward", 0, kBits));
  if (tokens.size() != log_probs.size() || std::ssize(tokens) > options.max_tokens)
    return error("{}: expected at most {} tokens and as many log-probs, found {} and {}", where,
                 options.max_tokens, tokens.size(), log_probs.size());
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    sample.tokens.push_back(static_cast<int32_t>(tokens[t]));
    sample.log_probs.push_back(std::bit_cast<float>(static_cast<uint32_t>(log_probs[t])));
  }
  sample.reward = std::bit_cast<float>(static_cast<uint32_t>(reward));
  INVAR_RETURN_IF_ERROR(read_finish(object, sample));
  const bool at_length = std::ssize(tokens) == options.max_tokens;
  if (sample.done() ? tokens.empty() || (sample.finish == FinishReason::kLength && !at_length) : at_length)
    return error("{}: found {} of at most {} tokens and finish \"{}\"; they do not go together", where, tokens.size(),
                 options.max_tokens, finish_text(sample.finish));
  if (!sample.done()) return Ok{};
  SampleText text = sample_text(tokenizer, sample.response(), options.stop);
  sample.text = std::move(text.text);
  sample.token_ends = std::move(text.token_ends);
  return Ok{};
}

}  // namespace

Json rollout_state(std::span<const RolloutGroup> groups) {
  Json list = Json::array();
  for (const RolloutGroup& group : groups) {
    Json samples = Json::array();
    for (const RlSample& sample : group.samples) {
      samples.push_back({{"tokens", Json(std::vector<int32_t>(sample.response().begin(), sample.response().end()))},
                         {"log_probs", bits_of(sample.log_probs)},
                         {"finish", finish_text(sample.finish)},
                         {"reward", std::bit_cast<uint32_t>(sample.reward)}});
    }
    list.push_back({{"ordinal", group.ordinal},
                    {"step", group.step},
                    {"scored", group.scored},
                    {"samples", std::move(samples)}});
  }
  return list;
}

Result<std::vector<RolloutGroup>> read_rollout_state(const Json& state, const Tokenizer& tokenizer,
                                                     const RolloutStateOptions& options, const MakeGroup& make) {
  if (!state.is_array()) return error("carried groups: expected a list, found {}", state.type_name());
  std::vector<RolloutGroup> groups;
  for (std::size_t g = 0; g < state.size(); ++g) {
    const std::string where = fmt::format("carried group {}", g);
    INVAR_TRY(const JsonObject object, JsonObject::from(state[g], where));
    INVAR_TRY(const int64_t ordinal, object.require_int("ordinal", 0, INT64_MAX));
    INVAR_TRY(const int64_t step, object.require_int("step", 0, INT64_MAX));
    if (!groups.empty() && ordinal <= groups.back().ordinal)
      return error("{}: ordinal: expected more than that of the group before, {}, found {}", where,
                   groups.back().ordinal, ordinal);
    INVAR_TRY(RolloutGroup group, make(ordinal, step));
    INVAR_TRY(group.scored, object.get_bool("scored", false));
    const Json* samples = object.find("samples");
    if (samples == nullptr || !samples->is_array() || samples->size() != group.samples.size())
      return error("{}: expected {} samples, as rollout.samples says, found {}", where, group.samples.size(),
                   samples == nullptr ? 0 : samples->size());
    for (std::size_t i = 0; i < group.samples.size(); ++i)
      INVAR_RETURN_IF_ERROR(read_sample((*samples)[i], fmt::format("{}: sample {}", where, i), tokenizer, options,
                                        group.samples[i]));
    if (group.scored && !group.done()) return error("{}: scored, and not drawn to its end", where);
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace invar
