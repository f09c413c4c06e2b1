#include "verify/server_api.h"

#include <limits>

namespace invar {
namespace {

// What both call the same; fields at their defaults are left out, for servers that do not know them.
Json common_sampling(const SamplingParams& sampling) {
  Json json = {{"temperature", sampling.temperature}, {"ignore_eos", true}};
  // As the decimals that a person would write: 0.9, not 0.8999999762.
  const auto put = [&json](const char* name, float value, float otherwise) {
    if (value != otherwise) json[name] = std::stod(fmt::format("{}", value));
  };
  if (sampling.top_k > 0) json["top_k"] = sampling.top_k;
  put("top_p", sampling.top_p, 1);
  put("min_p", sampling.min_p, 0);
  put("frequency_penalty", sampling.frequency_penalty, 0);
  put("presence_penalty", sampling.presence_penalty, 0);
  return json;
}

Json texts(std::span<const Case> cases) {
  Json list = Json::array();
  for (const Case& c : cases) list.push_back(c.text);
  return list;
}

}  // namespace

Json sglang_request(std::span<const Case> cases) {
  Json sampling = Json::array();
  for (const Case& c : cases) {
    Json one = common_sampling(c.sampling);
    one["max_new_tokens"] = c.sampling.max_tokens;
    one["sampling_seed"] = c.sampling.seed;
    sampling.push_back(std::move(one));
  }
  return {{"text", texts(cases)},
          {"sampling_params", std::move(sampling)},
          {"return_logprob", true},
          {"stream", false}};
}

Json openai_request(std::span<const Case> cases, const std::string& model) {
  const SamplingParams& sampling = cases.front().sampling;
  Json body = common_sampling(sampling);
  body["model"] = model;
  body["prompt"] = texts(cases);
  body["max_tokens"] = sampling.max_tokens;
  body["seed"] = sampling.seed;
  body["logprobs"] = 1;
  body["stream"] = false;
  return body;
}

Result<TokenList> parse_token_list(const Json& output, const char* field, const std::string& where) {
  INVAR_TRY(const JsonObject object, JsonObject::from(output, where));
  INVAR_TRY(const JsonObject meta, object.require_object("meta_info"));
  const Json* list = meta.find(field);
  if (list == nullptr || !list->is_array())
    return meta.mismatch(field, "a list of [log-prob, token id, text]");
  TokenList tokens;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Json& item = (*list)[i];
    const bool first_of_prompt = i == 0 && item.is_array() && !item.empty() && item[0].is_null();
    if (!item.is_array() || item.size() < 2 || (!item[0].is_number() && !first_of_prompt) ||
        !item[1].is_number_integer())
      return meta.mismatch(field, "a list of [log-prob, token id, text]");
    const int64_t id = item[1].get<int64_t>();
    if (id < 0 || id > std::numeric_limits<int32_t>::max()) return meta.mismatch(field, "token ids");
    tokens.tokens.push_back(static_cast<int32_t>(id));
    tokens.log_probs.push_back(first_of_prompt ? 0 : item[0].get<double>());
  }
  return tokens;
}

Result<std::vector<Output>> parse_sglang(const Json& reply, std::size_t cases, const std::string& where) {
  const Json list = reply.is_array() ? reply : Json::array({reply});
  if (list.size() != cases) return error("{}: expected {} outputs, found {}", where, cases, list.size());
  std::vector<Output> outputs;
  for (const Json& item : list) {
    INVAR_TRY(const JsonObject object, JsonObject::from(item, where));
    Output output;
    INVAR_TRY(output.text, object.require_string("text"));
    INVAR_TRY(TokenList tokens, parse_token_list(item, "output_token_logprobs", where));
    output.tokens = std::move(tokens.tokens);
    output.log_probs = std::move(tokens.log_probs);
    outputs.push_back(std::move(output));
  }
  return outputs;
}

Result<std::vector<Output>> parse_openai(const Json& reply, std::size_t cases, const std::string& where) {
  INVAR_TRY(const JsonObject object, JsonObject::from(reply, where));
  const Json* choices = object.find("choices");
  if (choices == nullptr || !choices->is_array()) return object.mismatch("choices", "a list");
  if (choices->size() != cases)
    return error("{}: expected {} choices, found {}", where, cases, choices->size());
  std::vector<Output> outputs(cases);
  std::vector<bool> seen(cases, false);
  for (const Json& item : *choices) {
    INVAR_TRY(const JsonObject choice, JsonObject::from(item, where + ": choices"));
    INVAR_TRY(const int64_t index, choice.require_int("index", 0, static_cast<int64_t>(cases) - 1));
    if (seen[static_cast<std::size_t>(index)]) return choice.mismatch("index", "each index once");
    seen[static_cast<std::size_t>(index)] = true;
    Output& output = outputs[static_cast<std::size_t>(index)];
    INVAR_TRY(output.text, choice.require_string("text"));
    INVAR_TRY(const JsonObject log_probs, choice.require_object("logprobs"));
    const Json* values = log_probs.find("token_logprobs");
    if (values == nullptr || !values->is_array())
      return log_probs.mismatch("token_logprobs", "a list of numbers");
    for (const Json& value : *values) {
      if (!value.is_number()) return log_probs.mismatch("token_logprobs", "a list of numbers");
      output.log_probs.push_back(value.get<double>());
    }
  }
  return outputs;
}

}  // namespace invar
