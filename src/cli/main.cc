// invar: the command line. Options are spelled as users of SGLang, vLLM and OpenAI's API know them.
#include <CLI/CLI.hpp>

#include <charconv>
#include <functional>
#include <limits>
#include <memory>
#include <system_error>
#include <vector>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "io/mapped_file.h"
#include "io/quote.h"
#include "kernels/queue.h"
#include "numerics/version.h"

namespace invar {
namespace {

constexpr const char* kModel = "Model";
constexpr const char* kSampling = "Sampling";
constexpr const char* kOutput = "Output";
constexpr const char* kSpeed = "Speed and memory (none of them changes a bit of any result)";

template <class T>
struct NumberOf {
  using type = T;
};
template <class T>
struct NumberOf<std::optional<T>> {
  using type = T;
};

// CLI11 reads "-1" as 2^64 - 1 and cuts what is too long; here a number is a number of its type or refused.
template <class T>
std::string check_number(const std::string& text) {
  T value;
  const char* end = text.data() + text.size();
  const auto [stopped, code] = std::from_chars(text.data(), end, value);
  if (code == std::errc() && stopped == end) return "";
  if constexpr (std::is_integral_v<T>) {
    return fmt::format("expected a whole number from {} to {}, found {}", std::numeric_limits<T>::min(),
                       std::numeric_limits<T>::max(), quote(text));
  }
  return fmt::format("expected a number, found {}", quote(text));
}

// `member` is a number, whose value is the default, or an optional one.
template <class Member>
CLI::Option* add_number(CLI::App& app, const std::string& names, Member& member, const std::string& help) {
  using T = typename NumberOf<Member>::type;
  CLI::Option* option = app.add_option(names, member, help)->type_name(std::is_integral_v<T> ? "N" : "X");
  if constexpr (std::is_same_v<Member, T>) option->capture_default_str();
  return option->take_last()->check(check_number<T>);  // given again, the last one counts
}

// "ID:BIAS"; nothing where it is something else. What numbers they may be is validate()'s to say.
std::optional<TokenBias> parse_token_bias(const std::string& text) {
  TokenBias bias{};
  const char* end = text.data() + text.size();
  const auto id = std::from_chars(text.data(), end, bias.token);
  if (id.ec != std::errc() || id.ptr == end || *id.ptr != ':') return std::nullopt;
  const auto number = std::from_chars(id.ptr + 1, end, bias.bias);
  if (number.ec != std::errc() || number.ptr != end) return std::nullopt;
  return bias;
}

std::string check_token_bias(const std::string& text) {
  if (parse_token_bias(text)) return "";
  return fmt::format("expected ID:BIAS, a token id and a number such as 42:-100, found {}", quote(text));
}

CLI::Option* add_isa(CLI::App& app, std::string& isa) {
  return app.add_option("--isa", isa, fmt::format("best, {}", tier_names()))->type_name("NAME")->capture_default_str();
}

void add_model_options(CLI::App& app, ModelOptions& model, bool required) {
  app.add_option("-m,--model,--model-path", model.path, "Hugging Face folder, .gguf or .safetensors file")
      ->type_name("PATH")
      ->required(required)
      ->group(kModel);
  app.add_option("--profile", model.profile,
                 "fma32 (fast on every CPU), amx32 (fastest with AMX) or tc16 (the bits of an H100): the one\n"
                 "option here that changes bits")
      ->type_name("NAME")
      ->capture_default_str()
      ->group(kModel);
  add_isa(app, model.isa)->group(kSpeed);
  add_number(app, "-t,--threads", model.threads, "0: one for each core")->group(kSpeed);
  add_number(app, "--chunked-prefill-size", model.step_rows, "most rows of prompts in a step")->group(kSpeed);
  add_number(app, "--max-running-requests", model.batch_max, "most requests in a batch")->group(kSpeed);
  add_number(app, "--page-size", model.page_size, "tokens in a page of the KV cache: 16, 32, 64 or 128")
      ->group(kSpeed);
  add_number(app, "--kv-cache-mib", model.kv_mib, "most memory of the KV cache")->group(kSpeed);
}

void add_sampling_options(CLI::App& app, SamplingOptions& sampling) {
  SamplingParams& rest = sampling.rest;
  app.add_option("--sampling-defaults", sampling.defaults,
                 "of what is not given: greedy, or model (its generation_config.json)")
      ->type_name("NAME")
      ->capture_default_str()
      ->group(kSampling);
  add_number(app, "--temperature", sampling.temperature, "0: always the likeliest token")->group(kSampling);
  add_number(app, "--top-k", sampling.top_k, "draw from the k likeliest; 0: from all")->group(kSampling);
  add_number(app, "--top-p", sampling.top_p, "draw from the likeliest that together have this probability")
      ->group(kSampling);
  add_number(app, "--min-p", sampling.min_p, "drop tokens below this part of the likeliest one's probability")
      ->group(kSampling);
  add_number(app, "--repetition-penalty", sampling.repetition_penalty,
             "divides logits of tokens seen; 1: none")
      ->group(kSampling);
  add_number(app, "--presence-penalty", rest.presence_penalty,
             "taken from logits of tokens generated; 0: none")
      ->group(kSampling);
  add_number(app, "--frequency-penalty", rest.frequency_penalty, "the same, times how often; 0: none")
      ->group(kSampling);
  add_number(app, "--seed", rest.seed, "a draw depends on seed, sample, position and token id alone")
      ->group(kSampling);
  add_number(app, "--max-tokens,--max-new-tokens", rest.max_tokens, "most tokens of an answer")
      ->group(kSampling);
  app.add_option_function<std::vector<std::string>>(
         "--logit-bias",
         [&rest](const std::vector<std::string>& texts) {
           rest.logit_bias.clear();
           for (const std::string& text : texts) rest.logit_bias.push_back(*parse_token_bias(text));
         },
         "added to this token's logit, -100 to 100; may be repeated")
      ->allow_extra_args(false)
      ->check(check_token_bias)
      ->type_name("ID:BIAS")
      ->group(kSampling);
  app.add_option("--stop", rest.stop, "end before this text; may be repeated")
      ->allow_extra_args(false)
      ->type_name("TEXT")
      ->group(kSampling);
}

void add_generate(CLI::App& app, GenerateCommand& command) {
  app.footer(
      "Examples:\n"
      "  invar generate -m MODEL -p \"What is the capital of France?\"\n"
      "  invar generate -m MODEL -p \"A poem\" -n 4 --temperature 0.8 --seed 7 --json\n"
      "  invar generate -m MODEL -f notes.txt --no-chat-template --max-tokens 64 --logprobs");
  app.add_option("-p,--prompt", command.prompts, "may be repeated: the prompts run as one batch")
      ->allow_extra_args(false)
      ->type_name("TEXT")
      ->group(kModel);
  app.add_option("-f,--prompt-file", command.prompt_file, "a text file; - is standard input")
      ->type_name("FILE")
      ->group(kModel);
  app.add_option("--system", command.system, "system message of the chat template")->group(kModel);
  app.add_flag_callback(
         "--no-chat-template", [&command] { command.chat_template = false; },
         "give the model the prompt as it is")
      ->group(kModel);
  add_model_options(app, command.model, true);
  command.sampling.defaults = "greedy";
  SamplingParams& rest = command.sampling.rest;
  rest.max_tokens = 256;
  add_sampling_options(app, command.sampling);
  add_number(app, "-n,--n", rest.n, "samples of each prompt, each with noise of its own")->group(kSampling);
  add_number(app, "--min-tokens,--min-new-tokens", rest.min_tokens, "no end of sequence before these")
      ->group(kSampling);
  app.add_option("--stop-token-ids", rest.stop_token_ids, "end after one of these tokens")
      ->type_name("ID")
      ->group(kSampling);
  app.add_flag("--ignore-eos", rest.ignore_eos, "go on to --max-tokens")->group(kSampling);
  app.add_flag("--logprobs", command.log_probs, "log-probability of every token, with its fp32 bits")
      ->group(kOutput);
  app.add_flag("--prompt-logprobs", command.prompt_log_probs, "the same for the prompt")->group(kOutput);
  app.add_flag("--json", command.json, "one JSON object for each sample, one a line")->group(kOutput);
  app.add_flag_callback(
         "--no-stream", [&command] { command.stream = false; }, "print the text when it is complete")
      ->group(kOutput);
}

void add_chat(CLI::App& app, ChatCommand& command) {
  app.footer(
      "In the conversation /help lists the commands. With standard input from a file or a pipe, each line is "
      "a\n"
      "message and standard output has the answers alone.");
  app.add_option("--system", command.system, "system message")->group(kModel);
  add_model_options(app, command.model, true);
  command.sampling.defaults = "model";
  command.sampling.rest.max_tokens = 1024;
  add_sampling_options(app, command.sampling);
}

void add_inspect(CLI::App& app, InspectCommand& command) {
  app.add_option("-m,--model,--model-path,model", command.path,
                 "Hugging Face folder, .gguf or .safetensors file")
      ->type_name("PATH")
      ->required();
  app.add_flag("--tensors", command.tensors, "list every tensor");
  app.add_flag("--digest", command.digest, "SHA-256 of the weights as they are used (bf16)");
  app.add_flag("--json", command.json, "one JSON object");
}

void add_bench(CLI::App& app, BenchCommand& command) {
  app.footer(
      "Examples:\n"
      "  invar bench linear attention --seconds 0.2\n"
      "  invar bench prefill decode throughput -m MODEL");
  app.add_option("what", command.what,
                 "ceilings linear linear-grad adamw attention scheduler prefill decode throughput train")
      ->type_name("NAME");
  add_number(app, "--seconds", command.seconds, "time spent on each line")->group(kOutput);
  app.add_flag("--json", command.json, "one JSON object a line")->group(kOutput);
  add_model_options(app, command.model, false);
}

// CLI11's message, and which help to read.
void add_verify(CLI::App& app, VerifyCommand& command) {
  app.footer(
      "Examples:\n"
      "  invar verify -m MODEL                      all axes, fma32 and tc16\n"
      "  invar verify -m MODEL --quick --seed 7     fewer values of each, another seed\n"
      "  invar verify -m MODEL --axis chunk --axis page --profile fma32\n"
      "  invar verify --url http://localhost:30000  any server with SGLang's or OpenAI's API\n"
      "Exit codes: 0 every output had the bits it has alone, 1 one had not, or the proof could not run,\n"
      "2 wrong options, 130 interrupted.");
  CLI::Option* model = app.add_option("-m,--model,--model-path", command.model,
                                      "Hugging Face folder, .gguf or .safetensors file");
  model->type_name("PATH")->group(kModel);
  app.add_option("--profile", command.profile, "both (fma32 and tc16), all, or one: fma32, tc16, amx32")
      ->type_name("NAME")
      ->capture_default_str()
      ->group(kModel);
  app.add_option("--url", command.url, "a running server instead: http://HOST[:PORT]")
      ->type_name("URL")
      ->excludes(model)
      ->group(kModel);
  app.add_option("--api", command.api, "of the server: auto, sglang or openai")
      ->type_name("NAME")
      ->capture_default_str()
      ->group(kModel);
  add_number(app, "--timeout", command.timeout_s, "seconds that the server may take for one answer")
      ->group(kModel);
  app.add_flag("--quick", command.quick, "fewer values and samples: a minute for a small model")
      ->group("Proof");
  app.add_option("--axis", command.axes, "run this row of the table alone; may be repeated")
      ->allow_extra_args(false)
      ->type_name("NAME")
      ->group("Proof");
  add_number(app, "--seed", command.seed, "of prompts, noise and random combinations")->group("Proof");
  add_number(app, "--samples", command.samples,
             "trials of single, mixed and prefix; 0: 50, a few with --quick")
      ->group("Proof");
  app.add_flag("--json", command.json, "one JSON object instead of the table")->group(kOutput);
  // For the row `restart`: what the second process is told.
  add_number(app, "--restart-run", command.restart_run, "")->group("");
}

void add_train(CLI::App& app, TrainCommand& command) {
  app.footer(
      "Examples:\n"
      "  invar train config.toml\n"
      "  invar train config.toml --set run.steps=50 --set optimizer.learning_rate=1e-5\n"
      "  invar train config.toml --set run.folder=runs/a     again: goes on where that run ended\n"
      "Exit codes: 0 done, 1 an error, 2 wrong options, 130 interrupted.");
  app.add_option("config", command.config, "a TOML file; docs/howto/train.md lists its keys")
      ->type_name("FILE")
      ->required();
  app.add_option("--set", command.overrides, "SECTION.KEY=VALUE, over the file's; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  add_isa(app, command.isa);
  add_number(app, "-t,--threads", command.threads, "0: one for each core");
  app.add_flag("--json", command.json, "a JSON object for each step instead of the table")->group(kOutput);
}

void add_eval(CLI::App& app, EvalCommand& command) {
  app.footer(
      "Examples:\n"
      "  invar eval config.toml -m runs/a/checkpoint-000100\n"
      "  invar eval -m MODEL --task arithmetic --difficulty 1 --prompts 256\n"
      "  invar eval -m MODEL --file test.jsonl --reward boxed -n 8 --temperature 0.8");
  app.add_option("config", command.config, "a TOML file of `invar train`: its model, data, reward and rollout")
      ->type_name("FILE");
  app.add_option("--set", command.overrides, "SECTION.KEY=VALUE, over the file's; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  add_model_options(app, command.model, false);
  app.add_option("--task", command.task, "a built-in task: arithmetic, count_letters, countdown, reverse, sorting")
      ->type_name("NAME");
  add_number(app, "--difficulty", command.difficulty, "of the task, from 1 on");
  app.add_option("--file", command.file, "prompts and labels as JSON lines")->type_name("FILE");
  app.add_option("--reward", command.reward, "exact, numeric, boxed, ...: docs/howto/train.md lists them")
      ->type_name("KIND");
  add_number(app, "--prompts", command.prompts, "most held-out prompts");
  add_number(app, "-n,--n", command.samples, "samples of each prompt, for pass@k")->group(kSampling);
  add_number(app, "--temperature", command.temperature, "0: always the likeliest token")->group(kSampling);
  add_number(app, "--max-tokens,--max-new-tokens", command.max_tokens, "most tokens of an answer")
      ->group(kSampling);
  add_number(app, "--seed", command.seed, "of the task's problems and of sampling")->group(kSampling);
  add_number(app, "--show", command.show, "so many answers")->group(kOutput);
  app.add_flag("--json", command.json, "one JSON object")->group(kOutput);
}

void add_replay(CLI::App& app, ReplayCommand& command) {
  app.footer(
      "The step is made again from the run's newest checkpoint before it, or from the model, and every hash is\n"
      "compared; nothing is written. Exit codes: 0 equal, 1 different, 2 cannot replay, 130 interrupted.");
  app.add_option("run", command.run, "a run's folder")->type_name("RUN")->required();
  add_number(app, "--step", command.step, "the step; 0 is the model before training")->required();
  app.add_option("--set", command.overrides, "SECTION.KEY=VALUE of a key that changes no bit; may be repeated")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  add_isa(app, command.isa);
  add_number(app, "-t,--threads", command.threads, "0: one for each core");
  app.add_flag("--json", command.json, "one JSON object");
}

void add_runs(CLI::App& app, RunsCommand& command) {
  app.add_option("folder", command.folder, "where to look, with the folders in it")
      ->type_name("FOLDER")
      ->capture_default_str();
  app.add_flag("--json", command.json, "one JSON object a line");
}

void add_show(CLI::App& app, ShowCommand& command) {
  app.footer(
      "Examples:\n"
      "  invar show runs/a                        what the run is, and its steps\n"
      "  invar show runs/a --step 12              one step: hashes, metrics, samples\n"
      "  invar show runs/a --step 12 --sample 3   one sample, token by token");
  app.add_option("run", command.run, "a run's folder")->type_name("RUN")->required();
  add_number(app, "--step", command.step, "this step's samples");
  add_number(app, "--sample", command.sample, "this sample of the step (of the last one without --step)");
  app.add_flag("--json", command.json, "one JSON object");
}

void add_diff(CLI::App& app, DiffCommand& command) {
  app.footer(
      "Compared are the hashes, metrics, scores and recorded samples of every step that both runs have; "
      "speeds\n"
      "and wall times never. Exit codes: 0 identical, 1 different, 2 cannot compare.");
  app.add_option("a", command.a, "a run's folder")->type_name("A")->required();
  app.add_option("b", command.b, "another's")->type_name("B")->required();
  app.add_flag("--json", command.json, "one JSON object");
}

void add_report(CLI::App& app, ReportCommand& command) {
  app.add_option("run", command.runs,
                 "folders of one or more runs; the first is what the others are compared with")
      ->type_name("RUN")
      ->required();
  app.add_option("-o,--output", command.output, "the file to write; - is standard output")
      ->type_name("FILE")
      ->capture_default_str();
}

int refuse_arguments(const CLI::App& app, const CLI::ParseError& e) {
  std::string help = "invar --help";
  for (const CLI::App* sub : app.get_subcommands()) help = "invar " + sub->get_name() + " --help";
  const std::string message =
      app.get_subcommands().empty()
          ? "expected a command: generate, chat, inspect, bench, verify, train, eval, replay, runs, show, diff or "
            "report"
          : e.what();
  fail(fmt::format("{}; see {}", message, help));
  return 2;
}

// The help of the command that was named, or of the program; CLI11 leaves two empty lines between groups.
void print_help(const CLI::App& app) {
  std::string text = app.help();
  for (auto at = text.find("\n\n\n"); at != std::string::npos; at = text.find("\n\n\n", at))
    text.erase(at, 1);
  fmt::print("{}", text);
}

// The commands of the program, and what runs the one that was named.
class Commands {
 public:
  explicit Commands(CLI::App& app) : app_(app) {}

  template <class Command>
  void add(const char* name, const char* help, void (*describe)(CLI::App&, Command&), int (*run)(const Command&)) {
    const auto command = std::make_shared<Command>();
    CLI::App* parser = app_.add_subcommand(name, help);
    describe(*parser, *command);
    list_.push_back({parser, [command, run] { return run(*command); }});
  }
  int run() const {
    for (const Entry& entry : list_) {
      if (entry.parser->parsed()) return entry.run();
    }
    return 0;
  }

 private:
  struct Entry {
    CLI::App* parser;
    std::function<int()> run;
  };
  CLI::App& app_;
  std::vector<Entry> list_;
};

int run(int argc, char** argv) {
  CLI::App app{"Invar runs language models: same prompt, same seed, same bits.", "invar"};
  app.get_formatter()->column_width(38);
  app.set_version_flag("--version", "invar 0.1.0, numerics version " + std::to_string(kNumericsVersion));
  app.require_subcommand(1);
  Commands commands(app);
  commands.add("generate", "Answer prompts and exit", add_generate, run_generate);
  commands.add("chat", "Talk to a model in the terminal", add_chat, run_chat);
  commands.add("inspect", "Show what a model is: shapes, sizes, tokenizer, digest", add_inspect, run_inspect);
  commands.add("bench", "Measure kernels and a model beside this machine's own ceilings", add_bench, run_bench);
  commands.add("verify", "Prove on this machine that nothing around a request changes its bits", add_verify,
               run_verify);
  commands.add("train", "Train a model by reinforcement learning", add_train, run_train);
  commands.add("eval", "Score a model on held-out prompts", add_eval, run_eval);
  commands.add("replay", "Make a recorded training step again and compare every hash", add_replay, run_replay);
  commands.add("runs", "List the training runs below a folder", add_runs, run_runs);
  commands.add("show", "Show a run: its steps, one step, one sample", add_show, run_show);
  commands.add("diff", "Find the step, sample, token and tensor where two runs first differ", add_diff, run_diff);
  commands.add("report", "Write one HTML page about one or more runs", add_report, run_report);
  // After the commands, which would inherit it.
  app.footer(
      "invar COMMAND --help lists a command's options. Exit codes: 0 done, 1 refused or failed, 2 wrong "
      "options,\n"
      "130 interrupted.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    print_help(app);
    return 0;
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return refuse_arguments(app, e);
  }
  return commands.run();
}

}  // namespace
}  // namespace invar

int main(int argc, char** argv) {
  if (!invar::tier_supported(invar::Tier::kAvx2))
    return invar::fail(
        "this CPU has no AVX2 with FMA; invar needs an x86-64 CPU that has both (Intel since 2013, AMD since "
        "2015)");
  invar::explain_lost_mappings(
      "invar: a file that was being read became shorter, or its disk failed; while a model is in use, "
      "replace "
      "its files by rename\n");
  try {
    return invar::finish_output(invar::run(argc, argv));
  } catch (const std::bad_alloc&) {
    return invar::fail(
        "out of memory; use a smaller model, fewer running requests or a smaller --kv-cache-mib");
  } catch (const std::system_error& e) {
    // No thread to be had, or standard output is gone.
    return invar::fail(fmt::format("the system refused: {}", e.what()));
  }
}
