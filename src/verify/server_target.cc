#include "verify/server_target.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <thread>

#include "io/quote.h"
#include "verify/draw.h"

namespace invar {
namespace {

constexpr JsonLimits kReplyLimits{.bytes_max = int64_t{256} << 20, .depth_max = 32};

Result<Json> parse_reply(const HttpReply& reply, const std::string& where) {
  if (reply.status != 200)
    return error("{}: expected status 200, found {}: {}", where, reply.status, quote(reply.body));
  return parse_json(reply.body, where, kReplyLimits);
}

Result<std::string> first_model(const HttpClient& client) {
  const std::string where = client.address() + "/v1/models";
  INVAR_TRY(const HttpReply reply, client.request("/v1/models", ""));
  INVAR_TRY(const Json json, parse_reply(reply, where));
  INVAR_TRY(const JsonObject object, JsonObject::from(json, where));
  const Json* data = object.find("data");
  if (data == nullptr || !data->is_array() || data->empty())
    return object.mismatch("data", "a list of models");
  INVAR_TRY(const JsonObject model, JsonObject::from(data->front(), where + ": data"));
  return model.require_string("id");
}

bool same_sampling(const Case& a, const Case& b) {
  const SamplingParams &x = a.sampling, &y = b.sampling;
  return x.seed == y.seed && x.temperature == y.temperature && x.top_k == y.top_k && x.top_p == y.top_p &&
         x.min_p == y.min_p && x.frequency_penalty == y.frequency_penalty &&
         x.presence_penalty == y.presence_penalty && x.max_tokens == y.max_tokens;
}

}  // namespace

ServerTarget::ServerTarget(HttpClient client, ServerApi api, std::string model, int64_t batch_max)
    : client_(std::move(client)), api_(api), model_(std::move(model)), axes_(server_axes(batch_max)) {}

Result<std::unique_ptr<ServerTarget>> ServerTarget::open(const Options& options) {
  INVAR_TRY(HttpUrl url, parse_http_url(options.url, "--url"));
  HttpClient client(std::move(url), {.seconds = options.timeout_s, .option = "--timeout"});
  ServerApi api = options.api == "openai" ? ServerApi::kOpenai : ServerApi::kSglang;
  std::string model;
  if (options.api == "auto") {
    const Case probe{.text = "a", .sampling = {.temperature = 0, .max_tokens = 1}};
    INVAR_TRY(const HttpReply reply, client.request("/generate", sglang_request({&probe, 1}).dump()));
    if (reply.status != 200) api = ServerApi::kOpenai;
  } else if (options.api != "sglang" && options.api != "openai") {
    return error("--api: expected auto, sglang or openai, found {}", quote(options.api));
  }
  if (api == ServerApi::kOpenai) {
    INVAR_TRY(model, first_model(client));
  }
  return std::unique_ptr<ServerTarget>(
      new ServerTarget(std::move(client), api, std::move(model), options.batch_max));
}

std::string ServerTarget::name() const {
  return fmt::format("{} at {}", api_ == ServerApi::kSglang ? "SGLang's API" : "OpenAI's API",
                     client_.address());
}

Result<Json> ServerTarget::post(std::string_view target, const Json& body) const {
  INVAR_TRY(const HttpReply reply, client_.request(target, body.dump()));
  return parse_reply(reply, client_.address() + std::string(target));
}

// One request for each way to sample, all at once: their prompts meet in the server's batches.
Result<std::vector<Output>> ServerTarget::ask_openai(std::span<const Case> cases) const {
  std::vector<std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& members) {
      return same_sampling(cases[members.front()], cases[i]);
    });
    group == groups.end() ? groups.push_back({i}) : group->push_back(i);
  }
  std::vector<std::optional<Result<std::vector<Output>>>> answers(groups.size());
  const auto ask_group = [&](std::size_t g) -> Result<std::vector<Output>> {
    std::vector<Case> members;
    for (std::size_t i : groups[g]) members.push_back(cases[i]);
    INVAR_TRY(const Json reply, post("/v1/completions", openai_request(members, model_)));
    return parse_openai(reply, members.size(), client_.address() + "/v1/completions");
  };
  std::vector<std::thread> threads;
  for (std::size_t g = 0; g < groups.size(); ++g)
    threads.emplace_back([&, g] { answers[g].emplace(ask_group(g)); });
  for (std::thread& thread : threads) thread.join();
  std::vector<Output> outputs(cases.size());
  for (std::size_t g = 0; g < groups.size(); ++g) {
    INVAR_TRY(std::vector<Output> answered, std::move(*answers[g]));
    for (std::size_t i = 0; i < groups[g].size(); ++i) outputs[groups[g][i]] = std::move(answered[i]);
  }
  return outputs;
}

Result<std::vector<Output>> ServerTarget::ask(std::span<const Case> cases) const {
  if (api_ == ServerApi::kOpenai) return ask_openai(cases);
  INVAR_TRY(const Json reply, post("/generate", sglang_request(cases)));
  return parse_sglang(reply, cases.size(), client_.address() + "/generate");
}

Result<Outcome> ServerTarget::run(std::span<const Case> cases, const Setting& setting) {
  std::vector<std::size_t> order(cases.size());
  std::iota(order.begin(), order.end(), 0);
  Draw draw(static_cast<uint64_t>(setting[kOrder]));
  if (setting[kOrder] != 0) draw.shuffle(order);
  Outcome outcome;
  outcome.outputs.resize(cases.size());
  const auto batch_max = static_cast<std::size_t>(setting[kBatch]);
  for (std::size_t begin = 0; begin < order.size(); begin += batch_max) {
    const std::size_t end = std::min(order.size(), begin + batch_max);
    std::vector<Case> batch;
    for (std::size_t i = begin; i < end; ++i) batch.push_back(cases[order[i]]);
    INVAR_TRY(std::vector<Output> outputs, ask(batch));
    for (std::size_t i = begin; i < end; ++i) outcome.outputs[order[i]] = std::move(outputs[i - begin]);
  }
  return outcome;
}

std::string ServerTarget::cannot_score() const {
  return api_ == ServerApi::kSglang ? "" : "this API gives no log-probs of a prompt's token ids";
}

Result<std::vector<double>> ServerTarget::score(const Case& drawn, const Output& output, const Setting&) {
  const std::string where = client_.address() + "/generate";
  Json body = {{"text", drawn.text},
               {"sampling_params", {{"temperature", 1}, {"max_new_tokens", 1}}},
               {"return_logprob", true},
               {"logprob_start_len", 0},
               {"stream", false}};
  INVAR_TRY(const Json prompt_reply, post("/generate", body));
  INVAR_TRY(TokenList prompt, parse_token_list(prompt_reply, "input_token_logprobs", where));
  prompt.tokens.insert(prompt.tokens.end(), output.tokens.begin(), output.tokens.end());
  body.erase("text");
  body["input_ids"] = prompt.tokens;
  INVAR_TRY(const Json scored_reply, post("/generate", body));
  INVAR_TRY(const TokenList scored, parse_token_list(scored_reply, "input_token_logprobs", where));
  if (scored.tokens != prompt.tokens)
    return error("{}: input_token_logprobs: expected the {} token ids that were sent, found {} others", where,
                 prompt.tokens.size(), scored.tokens.size());
  return std::vector<double>(scored.log_probs.end() - static_cast<std::ptrdiff_t>(output.tokens.size()),
                             scored.log_probs.end());
}

}  // namespace invar
