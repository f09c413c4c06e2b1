// engine.h: all that a server, an RL loop or a command sees of the inference engine.
//
//   auto engine = Engine::create(executor, queue, {.eos_ids = {0}});
//   auto id = (*engine)->submit({.prompt = {1, 2, 3}, .sampling = {.temperature = 0, .max_tokens = 8}});
//   while ((*engine)->step()) {}
//   RequestResult result = (*engine)->take(*id);
//
// (src/engine/engine_example_test.cc is this example in full, compiled and run.) A request's tokens and log-prob bits
// are a function of the request, the model and the profile alone: not of what else runs, the order of arrival,
// chunking, page size, what the prefix cache holds, preemption, threads or instruction set. `invar verify` proves it on
// a machine.
//
// An Engine is used by one thread at a time. It reads no clock: scheduling follows logical time, the order of calls.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/executor.h"
#include "kernels/queue.h"
#include "sampling/sampling_params.h"
#include "sampling/top_log_probs.h"
#include "text/tokenizer.h"

namespace invar {

using RequestId = uint64_t;  // 1, 2, ... in order of submission

enum class FinishReason {
  kStop,     // an end-of-sequence or stop token, a stop string, or on_token said so
  kLength,   // max_tokens
  kAborted,  // abort()
  kError,    // SampleResult::message says why
};

struct TokenEvent {
  RequestId request;
  int64_t sample;  // 0 .. n - 1
  int32_t token;
  float log_prob;
  std::string_view
      text;  // what became final with this token; "" without a tokenizer, or where it is incomplete
};

struct Request {
  std::vector<int32_t> prompt;  // at least one token
  SamplingParams sampling;
  // Samples are numbered from here. Sample i is drawn by sample_seed(sampling.seed, first_sample + i): each of
  // n > 1 is its own draw, and is the same bits when it is asked for alone. The default seed is 0, for every request:
  // who wants different answers to equal prompts gives different seeds.
  uint64_t first_sample = 0;
  // A unit is worth a head start of Engine::kArrivalsOfPriority arrivals: priorities order, nobody starves.
  int32_t priority = 0;  // -1000 .. 1000
  // Of the distribution after penalties, bias and temperature (1 where temperature is 0), before truncation by top-k,
  // top-p and min-p. Prompt tokens are scored by the model's own distribution: no penalties, temperature 1.
  bool prompt_log_probs = false;
  int32_t top_log_probs = 0;  // so many likeliest tokens beside every log-prob, 0 .. kTopLogProbsMax
  // Called inside step() for each drawn token; false ends this sample with kStop. May call abort(), nothing else.
  std::function<bool(const TokenEvent&)> on_token;
};

// Which weights drew tokens [begin, ...) of a sample, until the next span.
struct WeightSpan {
  int64_t begin;  // index among the sample's tokens
  int64_t version;
  std::string fingerprint;  // NUM-DIGEST: numerics version, profile, configuration, weights
};

struct SampleResult {
  std::vector<int32_t> tokens;    // without the prompt; a stop token is included
  std::vector<float> log_probs;   // [tokens.size()]
  std::vector<TokenLogProb> top;  // [tokens.size(), top_log_probs], likeliest first
  FinishReason finish = FinishReason::kAborted;
  int32_t stop_token = -1;  // that ended it, or -1
  std::string stop_string;  // that ended it, or ""
  std::string text;         // with a tokenizer: without special tokens, and cut before the stop string
  std::string message;      // of kError
  std::vector<WeightSpan> weights;
};

struct RequestResult {
  RequestId id = 0;
  std::vector<float> prompt_log_probs;   // of prompt[1..], where asked for
  std::vector<TokenLogProb> prompt_top;  // [prompt.size() - 1, top_log_probs]
  std::vector<SampleResult> samples;     // [n]
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of all samples' prompts, taken from the prefix cache when first admitted
  int64_t preemptions = 0;
};

struct EngineOptions {
  int64_t prefill_rows = 512;  // most rows of prompts in a step, the chunk; decode rows come on top
  int64_t max_running = 64;    // most samples in a batch; with prefill_rows at most the executor's rows_max
  bool prefix_cache = true;
  std::vector<int32_t> eos_ids;
  const Tokenizer* tokenizer = nullptr;  // for text and stop strings; must outlive the engine
};

// Counts since the engine began; all from logical time.
struct EngineStats {
  int64_t steps = 0;
  int64_t prefill_rows = 0;  // rows computed to extend a prompt, again after a preemption too
  int64_t decode_rows = 0;
  int64_t cached_tokens = 0;  // rows not computed, because the prefix cache had them
  int64_t output_tokens = 0;
  int64_t preemptions = 0;
  int64_t evicted_pages = 0;
  int64_t copied_pages = 0;                             // copy-on-write
  int64_t waiting = 0, running = 0;                     // samples, now
  int64_t pages = 0, free_pages = 0, cached_pages = 0;  // now
};

class Engine {
 public:
  static constexpr int32_t kTopLogProbsMax = 64;
  static constexpr int64_t kArrivalsOfPriority = 64;

  // The executor and queue must outlive the engine. Errors: options that make no sense.
  static Result<std::unique_ptr<Engine>> create(Executor& executor, Queue& queue, EngineOptions options);
  ~Engine();

  // Errors, for this request alone: an empty prompt, an unknown token id, sampling parameters out of range, prompt and
  // output longer than the context or than the whole cache, stop strings without a tokenizer, no memory for it.
  Result<RequestId> submit(Request request);

  // One forward over decode rows and prefill chunks. False, and nothing done, when no sample waits or runs. Throws
  // std::bad_alloc, and what on_token throws: every request stays, and a later step() goes on to the same bits. A
  // sample that alone has no memory ends with kError.
  bool step();

  // Ends what is left of a request with kAborted. False: unknown, or done already.
  bool abort(RequestId id);
  void abort_all();

  bool done(RequestId id) const;
  // Hands out the result of a request that is done and forgets it. Calling it for another one is a bug.
  RequestResult take(RequestId id);

  // Submits all, steps until they are done, and returns their results in order. Errors: those of submit(), and no
  // memory for a step; then nothing of them is left. `interrupted` is asked before each step; true aborts what is left.
  Result<std::vector<RequestResult>> run(std::vector<Request> requests,
                                         const std::function<bool()>& interrupted = {});

  // Between steps, after the executor's weights have changed: forgets the prefix cache, and computes again, with the
  // new weights, the keys and values of every sample that runs or was preempted. Tokens drawn so far stay; the result's
  // WeightSpans say which weights drew which. A prompt that is scored in part is scored again: the log-probs of a
  // prompt are all of the same weights.
  void weights_changed();

  // Forgets every cached prefix that no running sample holds.
  void flush_cache();

  // Puts every running sample back into the queue: a pause that keeps no page, or a test of preemption.
  void preempt_all();

  EngineStats stats() const;

  // Every invariant of pages, references and queues; for tests. "" when all hold.
  std::string check() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace invar
