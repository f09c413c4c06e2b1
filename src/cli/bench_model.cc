// invar bench prefill, decode: a whole model, one request at a time and in a batch.
#include <fmt/format.h>

#include <random>
#include <vector>

#include "cli/bench_measure.h"
#include "cli/rates.h"
#include "cli/session.h"
#include "cli/terminal.h"

namespace invar {
namespace {

Request request_of(const Session& session, int64_t prompt, int64_t output, uint64_t seed) {
  Request request;
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < prompt; ++i) {
    request.prompt.push_back(static_cast<int32_t>(random() % session.model.config.vocab_size));
  }
  request.sampling.temperature = 0;
  request.sampling.max_tokens = output;
  request.sampling.ignore_eos = true;
  return request;
}

// Weights that a forward reads for one row: all of them, the embedding once as LM head.
double weight_bytes(const DecoderModel& model) {
  double elements = static_cast<double>(model.lm_head.weight.n * model.lm_head.weight.k);
  for (const DecoderBlock& block : model.blocks) {
    for (const Linear* linear :
         {&block.attention.qkv, &block.attention.o, &block.mlp.gate_up, &block.mlp.down}) {
      elements += static_cast<double>(linear->weight.n * linear->weight.k);
    }
  }
  return 2 * elements;
}

double attention_flop(const DecoderModel& model, int64_t begin, int64_t end) {
  const double pairs =
      static_cast<double>(end) * (end + 1) / 2 - static_cast<double>(begin) * (begin + 1) / 2;
  return 4.0 * model.config.layers * model.config.heads * model.config.head_dim * pairs;
}

// A prompt of `tokens`, one token drawn.
void bench_prompt(const BenchContext& context, Session& session, int64_t tokens) {
  const DecoderModel& model = session.model;
  const double head = 2.0 * model.lm_head.weight.n * model.lm_head.weight.k;
  uint64_t seed = 0;
  bench_line(context,
             {.what = "prefill",
              .shape = fmt::format("{} tokens", tokens),
              .flop = tokens * (weight_bytes(model) - head) + head + attention_flop(model, 0, tokens),
              .tokens = static_cast<double>(tokens)},
             [&] {
               // Another prompt each time, or the cache would know it already.
               const auto results = session.engine->run({request_of(session, tokens, 1, ++seed)});
               INVAR_CHECK(results.ok(), "{}", results.message());
             });
}

// `batch` requests, 128 tokens each after a prompt of 8: the time of one token of all of them.
void bench_tokens(const BenchContext& context, Session& session, int64_t batch) {
  constexpr int64_t kPrompt = 8, kOutput = 128;
  const double rows = static_cast<double>(batch);
  uint64_t seed = 0;
  bench_timed_line(context,
                   {.what = "decode",
                    .shape = fmt::format("batch {}", batch),
                    .flop = rows * weight_bytes(session.model),
                    .bytes = weight_bytes(session.model),
                    .tokens = rows},
                   [&] {
                     std::vector<Request> requests;
                     for (int64_t i = 0; i < batch; ++i)
                       requests.push_back(request_of(session, kPrompt, kOutput, ++seed));
                     Rates rates;
                     const auto results = run_timed(session, std::move(requests), rates);
                     INVAR_CHECK(results.ok(), "{}", results.message());
                     return rates.decode_s * rows / static_cast<double>(rates.decode_tokens);
                   });
}

// Offline throughput: `requests` of 128 tokens in and 128 out, given at once; the time until all are done. Tokens/s
// counts those drawn.
void bench_offline(const BenchContext& context, Session& session, int64_t requests) {
  constexpr int64_t kPrompt = 128, kOutput = 128;
  const DecoderModel& model = session.model;
  const double head = 2.0 * model.lm_head.weight.n * model.lm_head.weight.k;
  const double flop = kPrompt * (weight_bytes(model) - head) + head + (kOutput - 1) * weight_bytes(model) +
                      attention_flop(model, 0, kPrompt + kOutput - 1);
  uint64_t seed = 0;
  bench_line(context,
             {.what = "throughput",
              .shape = fmt::format("{} x 128 in, 128 out", requests),
              .flop = static_cast<double>(requests) * flop,
              .tokens = static_cast<double>(requests * kOutput)},
             [&] {
               std::vector<Request> batch;
               for (int64_t i = 0; i < requests; ++i)
                 batch.push_back(request_of(session, kPrompt, kOutput, ++seed));
               const auto results = session.engine->run(std::move(batch));
               INVAR_CHECK(results.ok(), "{}", results.message());
             });
}

}  // namespace

int bench_model(const BenchContext& context, const ModelSections& sections) {
  auto session = open_session(context.command.model);
  if (!session.ok()) return fail(session.message());
  const int64_t room = (*session)->model.config.max_position;
  if (sections.prefill) {
    for (int64_t tokens : {128, 512, 2048}) {
      if (tokens < room) bench_prompt(context, **session, tokens);
    }
  }
  if (sections.decode) {
    for (int64_t batch : {1, 8, 64}) {
      if (batch <= context.command.model.batch_max) bench_tokens(context, **session, batch);
    }
  }
  if (sections.throughput) {
    for (int64_t requests : {1, 64}) bench_offline(context, **session, requests);
  }
  return 0;
}

}  // namespace invar
