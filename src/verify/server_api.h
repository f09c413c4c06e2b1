// ServerApi: how a batch of cases is asked for, and what its answer says, in SGLang's and in OpenAI's words.
#pragma once

#include <string>
#include <string_view>

#include "io/json.h"
#include "verify/target.h"

namespace invar {

enum class ServerApi {
  kSglang,  // POST /generate
  kOpenai,  // POST /v1/completions
};

// The body of one request for all the cases. OpenAI's has one set of sampling parameters, those of the first case.
Json sglang_request(std::span<const Case> cases);
Json openai_request(std::span<const Case> cases, const std::string& model);

// The answer's outputs, in the order of the cases. Errors: a field that is missing or of another type, another number
// of outputs. `where` begins the message.
Result<std::vector<Output>> parse_sglang(const Json& reply, std::size_t cases, const std::string& where);
Result<std::vector<Output>> parse_openai(const Json& reply, std::size_t cases, const std::string& where);

// SGLang's [[log-prob, token id, text], ...] of one output: "output_token_logprobs" or "input_token_logprobs". The
// log-prob of a prompt's first token is null, and reads as 0.
struct TokenList {
  std::vector<int32_t> tokens;
  std::vector<double> log_probs;
};
Result<TokenList> parse_token_list(const Json& output, const char* field, const std::string& where);

}  // namespace invar
