// Generator: runs a list of requests to their end in one simple batch loop.
//
// Requests are admitted in order while pages and batch places last; every step packs one row of each running decode and
// chunks of prompts. What shares a step with what changes no bit of any result.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kv/kv_memory.h"
#include "kv/page_pool.h"
#include "model/decoder.h"
#include "sampling/sampling_params.h"

namespace invar {

struct GenerateRequest {
  std::vector<int32_t> prompt;  // at least one token
  SamplingParams sampling;      // n is ignored: a request is one sample
  uint64_t sample = 0;          // which sample of this prompt and sampling.seed
  bool prompt_log_probs = false;
};

enum class FinishReason { kStop, kLength, kAborted };

struct GenerateResult {
  std::vector<int32_t> tokens;  // without the prompt; a stop token is included
  std::vector<float>
      log_probs;  // of `tokens`: after penalties and temperature (1 when greedy), before truncation
  std::vector<float> prompt_log_probs;  // of prompt[1..] at temperature 1, where asked for
  FinishReason finish = FinishReason::kAborted;
};

struct GenerateOptions {
  int64_t step_rows = 256;  // most rows of one forward step: the prefill chunk
  int64_t batch_max = 64;   // most running requests
  int64_t page_size = 64;   // tokens: 16, 32, 64 or 128
  int64_t kv_bytes_max = int64_t{4} << 30;
  std::vector<int32_t> eos_ids;
  // Asked before each step; true ends the run as abort() does. For a signal's flag.
  std::function<bool()> interrupted;
};

// A token of request `index` was drawn. Return false to end that request with kStop.
using TokenCallback = std::function<bool(std::size_t index, int32_t token, float log_prob)>;

struct GenerateStats {
  int64_t prompt_tokens = 0;  // computed, not taken from the cache
  int64_t reused_tokens = 0;  // taken from the cache
  int64_t output_tokens = 0;
  double prompt_s = 0;        // steps that held prompt rows
  double decode_s = 0;        // steps that held decode rows only
  int64_t decode_tokens = 0;  // drawn in steps that held decode rows only
};

class Generator {
 public:
  Generator(const DecoderModel& model, Queue& queue, GenerateOptions options);
  ~Generator();

  // Runs all requests. Errors: an empty prompt, an unknown token id, bad sampling parameters, prompt and output
  // longer than the context, or more cache than kv_bytes_max for one request: nothing runs when any request is
  // refused. Later: logits that are infinite or no number, which ends the run.
  Result<std::vector<GenerateResult>> run(std::span<const GenerateRequest> requests,
                                          const TokenCallback& on_token = {});

  // Of the last run().
  const GenerateStats& stats() const { return stats_; }

  // Ends the run after the current step; requests that still run finish with kAborted. For a TokenCallback.
  void abort() { aborted_ = true; }

 private:
  struct Running;
  struct Step;
  struct LogitRow;
  struct Scratch;

  Status check(const GenerateRequest& request, std::size_t index) const;
  int64_t pages_for(const GenerateRequest& request) const;
  Status prepare(std::span<const GenerateRequest> requests);
  bool admit(const GenerateRequest& request, std::size_t index);
  void build_step(Step& step);
  void run_step(Step& step);
  Status draw(const Step& step, std::span<const GenerateRequest> requests,
              std::vector<GenerateResult>& results, const TokenCallback& on_token);
  Status score(std::span<const LogitRow> wanted, std::span<const GenerateRequest> requests,
               std::vector<GenerateResult>& results, const TokenCallback& on_token);
  Status check_logits(std::span<const LogitRow> wanted) const;
  void process_logits(Running& running, const GenerateRequest& request, std::span<float> logits) const;
  void take(Running& running, const GenerateRequest& request, GenerateResult& result, int32_t token,
            float log_prob, const TokenCallback& on_token);
  bool is_stop(const SamplingParams& sampling, int32_t token) const;
  void retire();
  void forget();

  const DecoderModel& model_;
  Queue& queue_;
  GenerateOptions options_;
  std::vector<KvView> views_;
  std::unique_ptr<PagePool> pool_;
  std::unique_ptr<KvMemory> memory_;
  int64_t pool_pages_ = 0;
  std::unique_ptr<Activations> activations_;
  Buffer<float> logits_;   // [kLogitRows, V]
  Buffer<bf16> gathered_;  // [kLogitRows, C]
  std::unique_ptr<Step> step_;
  std::unique_ptr<Scratch> scratch_;
  std::vector<Running> running_;
  // The last finished sequence keeps its pages, so that the next turn of a conversation computes only what is new.
  std::vector<int32_t> kept_tokens_;
  std::vector<int32_t> kept_pages_;
  GenerateStats stats_;
  bool aborted_ = false;
};

}  // namespace invar
