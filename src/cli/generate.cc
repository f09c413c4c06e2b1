// invar generate: prompts in, text out.
#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>

#include "cli/session.h"
#include "cli/terminal.h"
#include "cli/text_stream.h"
#include "numerics/version.h"

namespace invar {
namespace {

// One sample that is asked for, and the text it has so far.
struct Sample {
  std::size_t prompt;  // which prompt it answers
  int64_t index;       // which of its n samples
  TextStream stream;
};

Result<std::string> read_all(const std::string& path) {
  const bool is_stdin = path == "-";
  std::FILE* file = is_stdin ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) return error("--prompt-file: cannot open {}: {}", path, std::strerror(errno));
  std::string text;
  char block[1 << 16];
  std::size_t got;
  bool too_long = false;
  while (!too_long && (got = std::fread(block, 1, sizeof block, file)) > 0) {
    text.append(block, got);
    too_long = text.size() > Tokenizer::kEncodeBytesMax;
  }
  const bool failed = std::ferror(file) != 0;
  if (!is_stdin) std::fclose(file);
  if (failed) return error("--prompt-file: cannot read {}; expected a text file", path);
  if (too_long)
    return error("--prompt-file: {} is longer than {} MiB, the most that a prompt may have", path,
                 Tokenizer::kEncodeBytesMax >> 20);
  return text;
}

Result<std::vector<std::string>> read_prompts(const GenerateCommand& command) {
  std::vector<std::string> prompts = command.prompts;
  if (!command.prompt_file.empty()) {
    INVAR_TRY(std::string text, read_all(command.prompt_file));
    prompts.push_back(std::move(text));
  }
  if (prompts.empty())
    return error("no prompt; give --prompt \"...\" or --prompt-file FILE (- is standard input)");
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty()) return error("prompt {}: expected text, found nothing", i);
  }
  return prompts;
}

// The shortest decimal that reads back as the same fp32.
std::string exact(float x) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, x).ptr};
}

const char* finish_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kAborted: return "aborted";
  }
  return "?";
}

nlohmann::ordered_json exact_list(const std::vector<float>& values) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  // A double holds every float, and the library prints doubles so that they read back.
  for (float value : values) list.push_back(static_cast<double>(value));
  return list;
}

class Generate {
 public:
  Generate(const GenerateCommand& command, const SamplingParams& sampling, Session& session)
      : command_(command), sampling_(sampling), session_(session) {}

  int run(const std::vector<std::string>& prompts) {
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      auto ids = encode(prompts[i]);
      const Status status = ids.ok() ? check_length(*ids, prompts.size()) : std::move(ids).take_error();
      if (!status.ok()) return fail(fmt::format("prompt {}: {}", i, status.message()));
      add_samples(i, *ids);
    }
    Interrupt interrupt;
    const auto on_token = [&](std::size_t i, int32_t token, float) { return take(i, token); };
    auto results = session_.generator->run(requests_, on_token);
    if (!results.ok()) return fail(results.message());
    finish(*results);
    return Interrupt::raised() ? 130 : 0;
  }

 private:
  // Text goes out as it comes only when there is one sample; more would interleave.
  bool streams() const { return command_.stream && !command_.json && samples_.size() == 1; }

  Result<std::vector<int32_t>> encode(const std::string& prompt) const {
    if (!command_.chat_template) return session_.tokenizer.encode(prompt);
    nlohmann::ordered_json messages = nlohmann::ordered_json::array();
    if (!command_.system.empty()) messages.push_back({{"role", "system"}, {"content", command_.system}});
    messages.push_back({{"role", "user"}, {"content", prompt}});
    return session_.encode_chat(messages);
  }

  Status check_length(const std::vector<int32_t>& ids, std::size_t prompts) const {
    const int64_t tokens = static_cast<int64_t>(ids.size());
    const int64_t context = session_.model.config.max_position;
    if (tokens == 0) return error("expected text, found nothing that is a token");
    if (tokens >= context)
      return error("found {} tokens; this model's context is {}, the answer included", tokens, context);
    // Each sample holds a copy of its prompt.
    constexpr int64_t kTokensMax = int64_t{1} << 26;
    const int64_t samples = sampling_.n * static_cast<int64_t>(prompts);
    if (tokens * samples > kTokensMax)
      return error(
          "{} samples of {} prompt tokens are more than one run holds ({} tokens in all); ask for fewer",
          samples, tokens, kTokensMax);
    return Ok{};
  }

  void add_samples(std::size_t prompt, const std::vector<int32_t>& ids) {
    for (int64_t i = 0; i < sampling_.n; ++i) {
      GenerateRequest request{.prompt = ids, .sampling = sampling_, .sample = static_cast<uint64_t>(i)};
      request.prompt_log_probs = command_.prompt_log_probs && (i == 0 || command_.json);
      // As many tokens as the context has room for, where --max-tokens asks for more than that.
      const int64_t room = session_.model.config.max_position - static_cast<int64_t>(ids.size());
      request.sampling.max_tokens = std::min(request.sampling.max_tokens, room);
      request.sampling.min_tokens = std::min(request.sampling.min_tokens, room);
      requests_.push_back(std::move(request));
      samples_.push_back({.prompt = prompt, .index = i, .stream = {session_.tokenizer, sampling_.stop}});
    }
  }

  bool take(std::size_t i, int32_t token) {
    Sample& sample = samples_[i];
    show(sample.stream.push(token));
    return !sample.stream.stopped();
  }

  void show(const std::string& piece) {
    if (!streams() || piece.empty()) return;
    // Nobody reads any more: the end of the program says so.
    if (!put(piece)) session_.generator->abort();
  }

  void finish(const std::vector<GenerateResult>& results) {
    for (Sample& sample : samples_) show(sample.stream.finish());
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (command_.json) {
        print_json(samples_[i], requests_[i], results[i]);
      } else {
        print_text(samples_[i], results[i]);
      }
    }
    if (put("")) print_rates(results);
  }

  void print_text(const Sample& sample, const GenerateResult& result) const {
    const std::string& text = sample.stream.text();
    if (samples_.size() > 1)
      fmt::print("[prompt {}, sample {}, {}]\n", sample.prompt, sample.index, finish_name(result.finish));
    if (!streams()) fmt::print("{}", text);
    if (text.empty() || text.back() != '\n') fmt::print("\n");
    if (!result.prompt_log_probs.empty()) {
      print_log_probs("prompt", requests_[sample_number(sample)].prompt, 1, result.prompt_log_probs);
    }
    if (command_.log_probs) print_log_probs("output", result.tokens, 0, result.log_probs);
    if (samples_.size() > 1 && sample_number(sample) + 1 < samples_.size()) fmt::print("\n");
  }

  std::size_t sample_number(const Sample& sample) const {
    return static_cast<std::size_t>(&sample - samples_.data());
  }

  void print_log_probs(const char* what, const std::vector<int32_t>& tokens, std::size_t first,
                       const std::vector<float>& values) const {
    fmt::print("{:>10}  {:>14}  {:<8}  {} token\n", "id", "log-prob", "bits", what);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const int32_t token = tokens[first + i];
      fmt::print("{:>10}  {:>14}  {:08x}  {}\n", token, exact(values[i]), std::bit_cast<uint32_t>(values[i]),
                 nlohmann::ordered_json(session_.tokenizer.decode({&token, 1})).dump());
    }
  }

  void print_json(const Sample& sample, const GenerateRequest& request, const GenerateResult& result) const {
    nlohmann::ordered_json line = {{"prompt", sample.prompt},
                                   {"sample", sample.index},
                                   {"seed", request.sampling.seed},
                                   {"text", sample.stream.text()},
                                   {"finish_reason", finish_name(result.finish)},
                                   {"prompt_tokens", request.prompt.size()},
                                   {"tokens", result.tokens},
                                   {"numerics_version", kNumericsVersion},
                                   {"profile", profile_name(session_.queue->profile())}};
    if (command_.log_probs) line["log_probs"] = exact_list(result.log_probs);
    if (command_.prompt_log_probs) line["prompt_log_probs"] = exact_list(result.prompt_log_probs);
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }

  // "[37 prompt tokens, 120 tokens/s; 8 output tokens, 45.2 tokens/s; loaded in 0.31 s; fma32, avx512, 2 threads]"
  void print_rates(const std::vector<GenerateResult>& results) const {
    const GenerateStats& stats = session_.generator->stats();
    std::string line = fmt::format("{} prompt tokens, {:.0f} tokens/s; {} output tokens", stats.prompt_tokens,
                                   stats.prompt_tokens / std::max(stats.prompt_s, 1e-9), stats.output_tokens);
    if (stats.decode_tokens > 0)
      line += fmt::format(", {:.1f} tokens/s", stats.decode_tokens / std::max(stats.decode_s, 1e-9));
    if (results.size() == 1 && results[0].finish != FinishReason::kStop)
      line += results[0].finish == FinishReason::kLength ? "; cut at --max-tokens or the context's end"
                                                         : "; interrupted";
    note(fmt::format("[{}; loaded in {:.2f} s; {}, {}, {} threads]", line, session_.load_s,
                     profile_name(session_.queue->profile()), tier_name(session_.queue->tier()),
                     session_.pool->threads()));
  }

  const GenerateCommand& command_;
  const SamplingParams& sampling_;
  Session& session_;
  std::vector<GenerateRequest> requests_;
  std::vector<Sample> samples_;
};

}  // namespace

int run_generate(const GenerateCommand& command) {
  // What can be refused without a model is refused before it is read.
  const auto early = resolve_sampling(command.sampling, {}, std::numeric_limits<int32_t>::max());
  if (!early.ok()) return fail(early.message());
  auto prompts = read_prompts(command);
  if (!prompts.ok()) return fail(prompts.message());
  auto session = open_session(command.model);
  if (!session.ok()) return fail(session.message());
  const ModelConfig& config = (*session)->model.config;
  auto sampling = resolve_sampling(command.sampling, config.generation, config.vocab_size);
  if (!sampling.ok()) return fail(sampling.message());
  return Generate(command, *sampling, **session).run(*prompts);
}

}  // namespace invar
