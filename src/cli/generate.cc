// invar generate: prompts in, text out.
#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>

#include "cli/rates.h"
#include "cli/session.h"
#include "cli/terminal.h"
#include "numerics/version.h"

namespace invar {
namespace {

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
    case FinishReason::kError: return "error";
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
      const Status status = ids.ok() ? check_length(*ids) : std::move(ids).take_error();
      if (!status.ok()) return fail(fmt::format("prompt {}: {}", i, status.message()));
      add_request(std::move(*ids));
    }
    Interrupt interrupt;
    auto results = run_timed(session_, requests_, rates_);
    if (!results.ok()) return fail(results.message());
    const Status status = finish(*results);
    if (!status.ok()) return fail(status.message());
    return Interrupt::raised() ? 130 : 0;
  }

 private:
  // Text goes out as it comes only when there is one sample; more would interleave.
  bool streams() const {
    return command_.stream && !command_.json && requests_.size() == 1 && sampling_.n == 1;
  }

  Result<std::vector<int32_t>> encode(const std::string& prompt) const {
    if (!command_.chat_template) return session_.tokenizer.encode(prompt);
    nlohmann::ordered_json messages = nlohmann::ordered_json::array();
    if (!command_.system.empty()) messages.push_back({{"role", "system"}, {"content", command_.system}});
    messages.push_back({{"role", "user"}, {"content", prompt}});
    return session_.encode_chat(messages);
  }

  Status check_length(const std::vector<int32_t>& ids) const {
    const int64_t tokens = static_cast<int64_t>(ids.size());
    const int64_t context = session_.model.config.max_position;
    if (tokens == 0) return error("expected text, found nothing that is a token");
    if (tokens >= context)
      return error("found {} tokens; this model's context is {}, the answer included", tokens, context);
    return Ok{};
  }

  void add_request(std::vector<int32_t> ids) {
    Request request{.prompt = std::move(ids), .sampling = sampling_};
    request.prompt_log_probs = command_.prompt_log_probs;
    // As many tokens as the context has room for, where --max-tokens asks for more than that.
    const int64_t room = session_.model.config.max_position - static_cast<int64_t>(request.prompt.size());
    request.sampling.max_tokens = std::min(request.sampling.max_tokens, room);
    request.sampling.min_tokens = std::min(request.sampling.min_tokens, room);
    request.on_token = [this](const TokenEvent& event) {
      // Nobody reads any more: the end of the program says so.
      if (streams() && !event.text.empty() && !put(event.text)) session_.engine->abort_all();
      return true;
    };
    requests_.push_back(std::move(request));
  }

  // The first error of a sample; the others have been printed.
  Status finish(const std::vector<RequestResult>& results) {
    Status status = Ok{};
    for (std::size_t i = 0; i < results.size(); ++i) {
      for (std::size_t j = 0; j < results[i].samples.size(); ++j) {
        const SampleResult& sample = results[i].samples[j];
        if (sample.finish == FinishReason::kError) {
          if (status.ok()) status = error("prompt {}, sample {}: {}", i, j, sample.message);
        } else if (command_.json) {
          print_json(i, j, results[i]);
        } else {
          const bool last = i + 1 == results.size() && j + 1 == results[i].samples.size();
          print_text(i, j, results[i], last);
        }
      }
    }
    if (put("") && status.ok()) print_rates(results);
    return status;
  }

  void print_text(std::size_t prompt, std::size_t number, const RequestResult& result, bool last) const {
    const SampleResult& sample = result.samples[number];
    const bool several = requests_.size() > 1 || sampling_.n > 1;
    if (several) fmt::print("[prompt {}, sample {}, {}]\n", prompt, number, finish_name(sample.finish));
    if (!streams()) fmt::print("{}", sample.text);
    if (sample.text.empty() || sample.text.back() != '\n') fmt::print("\n");
    if (number == 0 && !result.prompt_log_probs.empty())
      print_log_probs("prompt", requests_[prompt].prompt, 1, result.prompt_log_probs);
    if (command_.log_probs) print_log_probs("output", sample.tokens, 0, sample.log_probs);
    if (several && !last) fmt::print("\n");
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

  void print_json(std::size_t prompt, std::size_t number, const RequestResult& result) const {
    const SampleResult& sample = result.samples[number];
    nlohmann::ordered_json line = {{"prompt", prompt},
                                   {"sample", number},
                                   {"seed", sampling_.seed},
                                   {"text", sample.text},
                                   {"finish_reason", finish_name(sample.finish)},
                                   {"prompt_tokens", result.prompt_tokens},
                                   {"tokens", sample.tokens},
                                   {"numerics_version", kNumericsVersion},
                                   {"profile", profile_name(session_.queue->profile())},
                                   {"fingerprint", session_.executor->weights().fingerprint}};
    if (command_.log_probs) line["log_probs"] = exact_list(sample.log_probs);
    if (command_.prompt_log_probs) line["prompt_log_probs"] = exact_list(result.prompt_log_probs);
    fmt::print("{}\n", line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }

  // "[37 prompt tokens, 120 tokens/s; 8 output tokens, 45.2 tokens/s; loaded in 0.31 s; fma32, avx512, 2 threads]"
  void print_rates(const std::vector<RequestResult>& results) const {
    std::string line = rates_.describe();
    if (results.size() == 1 && results[0].samples.size() == 1 &&
        results[0].samples[0].finish != FinishReason::kStop)
      line += results[0].samples[0].finish == FinishReason::kLength
                  ? "; cut at --max-tokens or the context's end"
                  : "; interrupted";
    note(fmt::format("[{}; loaded in {:.2f} s; {}, {}, {} threads]", line, session_.load_s,
                     profile_name(session_.queue->profile()), tier_name(session_.queue->tier()),
                     session_.pool->threads()));
  }

  const GenerateCommand& command_;
  const SamplingParams& sampling_;
  Session& session_;
  std::vector<Request> requests_;
  Rates rates_;
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
