// invar generate: prompts in, text out.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>

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
  if (file == nullptr) return error("--prompt-file: cannot open {}", path);
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
  Generate(const GenerateCommand& command, Session& session) : command_(command), session_(session) {}

  int run() {
    auto prompts = this->prompts();
    if (!prompts.ok()) return fail(prompts.message());
    for (std::size_t i = 0; i < prompts->size(); ++i) {
      auto ids = encode((*prompts)[i]);
      if (!ids.ok()) return fail(ids.message());
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

  Result<std::vector<std::string>> prompts() const {
    std::vector<std::string> prompts = command_.prompts;
    if (!command_.prompt_file.empty()) {
      INVAR_TRY(std::string text, read_all(command_.prompt_file));
      prompts.push_back(std::move(text));
    }
    if (prompts.empty()) return error("no prompt; give --prompt \"...\" or --prompt-file FILE (- is standard input)");
    return prompts;
  }

  Result<std::vector<int32_t>> encode(const std::string& prompt) const {
    if (!command_.chat_template) return session_.tokenizer.encode(prompt);
    nlohmann::ordered_json messages = nlohmann::ordered_json::array();
    if (!command_.system.empty()) messages.push_back({{"role", "system"}, {"content", command_.system}});
    messages.push_back({{"role", "user"}, {"content", prompt}});
    return session_.encode_chat(messages);
  }

  void add_samples(std::size_t prompt, const std::vector<int32_t>& ids) {
    for (int64_t i = 0; i < command_.sampling.n; ++i) {
      GenerateRequest request{.prompt = ids, .sampling = command_.sampling, .sample = static_cast<uint64_t>(i)};
      request.prompt_log_probs = command_.prompt_log_probs;
      // As many tokens as the context has room for, where --max-tokens asks for more than that.
      const int64_t room = session_.model.config.max_position - static_cast<int64_t>(ids.size());
      if (room > 0) request.sampling.max_tokens = std::min(request.sampling.max_tokens, room);
      requests_.push_back(std::move(request));
      samples_.push_back({.prompt = prompt, .index = i, .stream = {session_.tokenizer, command_.sampling.stop}});
    }
  }

  bool take(std::size_t i, int32_t token) {
    if (Interrupt::raised()) session_.generator->abort();
    Sample& sample = samples_[i];
    show(sample.stream.push(token));
    return !sample.stream.stopped();
  }

  void show(const std::string& piece) const {
    if (!streams() || piece.empty()) return;
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  }

  void finish(const std::vector<GenerateResult>& results) {
    for (Sample& sample : samples_) show(sample.stream.finish());
    if (command_.json) {
      for (std::size_t i = 0; i < results.size(); ++i) print_json(samples_[i], requests_[i], results[i]);
    } else {
      if (streams()) std::puts("");
      for (std::size_t i = 0; i < results.size(); ++i) print_text(samples_[i], results[i]);
    }
    std::fflush(stdout);
    print_rates();
  }

  void print_text(const Sample& sample, const GenerateResult& result) const {
    if (!streams()) {
      fmt::print("--- prompt {}, sample {} ({})\n{}\n", sample.prompt, sample.index, finish_name(result.finish),
                 sample.stream.text());
    }
    if (command_.prompt_log_probs) print_log_probs("prompt", requests_[sample_number(sample)].prompt, 1,
                                                   result.prompt_log_probs);
    if (command_.log_probs) print_log_probs("output", result.tokens, 0, result.log_probs);
  }

  std::size_t sample_number(const Sample& sample) const { return static_cast<std::size_t>(&sample - samples_.data()); }

  void print_log_probs(const char* what, const std::vector<int32_t>& tokens, std::size_t first,
                       const std::vector<float>& values) const {
    fmt::print("{} log-probs: token id, log-prob, its fp32 bits, text\n", what);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const int32_t token = tokens[first + i];
      fmt::print("{:>8} {:>14} {:08x}  {}\n", token, exact(values[i]), std::bit_cast<uint32_t>(values[i]),
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

  void print_rates() const {
    const GenerateStats& stats = session_.generator->stats();
    std::string line = fmt::format("{} prompt tokens in {:.2f} s ({:.0f} tokens/s)", stats.prompt_tokens,
                                   stats.prompt_s, stats.prompt_tokens / std::max(stats.prompt_s, 1e-9));
    if (stats.decode_tokens > 0) {
      line += fmt::format(", {} output tokens, {:.1f} tokens/s in decode", stats.output_tokens,
                          stats.decode_tokens / std::max(stats.decode_s, 1e-9));
    }
    note(fmt::format("{}; loaded in {:.2f} s; {}, {}, {} threads", line, session_.load_s,
                     profile_name(session_.queue->profile()), tier_name(session_.queue->tier()),
                     session_.pool->threads()));
  }

  const GenerateCommand& command_;
  Session& session_;
  std::vector<GenerateRequest> requests_;
  std::vector<Sample> samples_;
};

}  // namespace

int run_generate(const GenerateCommand& command) {
  auto session = open_session(command.model);
  if (!session.ok()) return fail(session.message());
  return Generate(command, **session).run();
}

}  // namespace invar
