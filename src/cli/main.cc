// invar: the command line. Options are spelled as users of SGLang, vLLM and OpenAI's API know them.
#include <CLI/CLI.hpp>

#include <limits>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "kernels/queue.h"
#include "numerics/version.h"

namespace invar {
namespace {

void add_model_options(CLI::App& app, ModelOptions& model, bool required) {
  app.add_option("-m,--model,--model-path", model.path, "Hugging Face folder, .gguf or .safetensors file")
      ->required(required);
  app.add_option("--profile", model.profile, "dot-product primitive: fma32 (fast on CPUs) or tc16 (the bits of an H100)")
      ->capture_default_str();
  app.add_option("--isa", model.isa, "best, ref, avx2, avx512 or avx512bf16; changes no bit")->capture_default_str();
  app.add_option("-t,--threads", model.threads, "0: one a core; changes no bit")->capture_default_str();
  app.add_option("--chunked-prefill-size", model.step_rows, "most rows of a step; changes no bit")
      ->capture_default_str();
  app.add_option("--max-running-requests", model.batch_max, "most requests in a batch; changes no bit")
      ->capture_default_str();
  app.add_option("--page-size", model.page_size, "tokens in a KV page: 16, 32, 64, 128; changes no bit")
      ->capture_default_str();
  app.add_option("--kv-cache-mib", model.kv_mib, "most memory of the KV cache")->capture_default_str();
}

void add_sampling_options(CLI::App& app, SamplingParams& sampling) {
  app.add_option("--temperature", sampling.temperature, "0: always the likeliest token")->capture_default_str();
  app.add_option("--top-k", sampling.top_k, "draw from the k likeliest; 0: all")->capture_default_str();
  app.add_option("--top-p", sampling.top_p, "draw from the likeliest with this mass")->capture_default_str();
  app.add_option("--min-p", sampling.min_p, "drop tokens below this part of the likeliest")->capture_default_str();
  app.add_option("--repetition-penalty", sampling.repetition_penalty)->capture_default_str();
  app.add_option("--presence-penalty", sampling.presence_penalty)->capture_default_str();
  app.add_option("--frequency-penalty", sampling.frequency_penalty)->capture_default_str();
  app.add_option("--seed", sampling.seed, "the draw depends on (seed, sample, position, token id) alone")
      ->capture_default_str();
  app.add_option("--max-tokens,--max-new-tokens", sampling.max_tokens, "most tokens of an answer")
      ->capture_default_str();
  app.add_option("--stop", sampling.stop, "end before this text; may be given again")->take_all();
}

void add_generate(CLI::App& app, GenerateCommand& command) {
  add_model_options(app, command.model, true);
  app.add_option("-p,--prompt", command.prompts, "may be given again: one batch")->take_all();
  app.add_option("-f,--prompt-file", command.prompt_file, "a text file; - is standard input");
  app.add_option("--system", command.system, "system message of the chat template");
  app.add_flag("!--no-chat-template", command.chat_template, "give the model the prompt as it is");
  command.sampling.temperature = 0;
  command.sampling.max_tokens = 256;
  add_sampling_options(app, command.sampling);
  app.add_option("-n,--n", command.sampling.n, "samples of each prompt, each with its own seed")->capture_default_str();
  app.add_option("--min-tokens,--min-new-tokens", command.sampling.min_tokens)->capture_default_str();
  app.add_option("--stop-token-ids", command.sampling.stop_token_ids)->take_all();
  app.add_flag("--ignore-eos", command.sampling.ignore_eos, "go on to --max-tokens");
  app.add_flag("--logprobs", command.log_probs, "log-probability of every token, with its fp32 bits");
  app.add_flag("--prompt-logprobs", command.prompt_log_probs, "the same for the prompt");
  app.add_flag("--json", command.json, "one JSON object a sample");
  app.add_flag("!--no-stream", command.stream, "print the text when it is complete");
}

void add_chat(CLI::App& app, ChatCommand& command) {
  add_model_options(app, command.model, true);
  app.add_option("--system", command.system, "system message");
  command.sampling.temperature = 0.3f;
  command.sampling.top_p = 0.9f;
  command.sampling.max_tokens = 1024;
  add_sampling_options(app, command.sampling);
}

void add_inspect(CLI::App& app, InspectCommand& command) {
  app.add_option("-m,--model,--model-path,model", command.path, "Hugging Face folder, .gguf or .safetensors file")
      ->required();
  app.add_flag("--tensors", command.tensors, "list every tensor");
  app.add_flag("--digest", command.digest, "SHA-256 of the weights as they are used (bf16)");
  app.add_flag("--json", command.json);
}

void add_bench(CLI::App& app, BenchCommand& command) {
  add_model_options(app, command.model, false);
  app.add_option("what", command.what, "ceilings, linear, attention, prefill, decode; default: all");
  app.add_option("--seconds", command.seconds, "time spent on each line")->capture_default_str();
  app.add_flag("--json", command.json, "one JSON object a line");
}

int run(int argc, char** argv) {
  CLI::App app{"invar: same prompt, same seed, same bits.", "invar"};
  app.set_version_flag("--version", "invar 0.1.0, numerics version " + std::to_string(kNumericsVersion));
  app.require_subcommand(1);
  GenerateCommand generate;
  ChatCommand chat;
  InspectCommand inspect;
  BenchCommand bench;
  CLI::App* generate_app = app.add_subcommand("generate", "Answer prompts and exit");
  CLI::App* chat_app = app.add_subcommand("chat", "Talk to a model in the terminal");
  CLI::App* inspect_app = app.add_subcommand("inspect", "Show what a model is: shapes, sizes, tokenizer, digest");
  CLI::App* bench_app = app.add_subcommand("bench", "Measure kernels and a model beside this machine's own ceilings");
  add_generate(*generate_app, generate);
  add_chat(*chat_app, chat);
  add_inspect(*inspect_app, inspect);
  add_bench(*bench_app, bench);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    fail(std::string(e.what()) + "; see invar --help");
    return 2;
  }
  if (generate_app->parsed()) return run_generate(generate);
  if (chat_app->parsed()) return run_chat(chat);
  if (inspect_app->parsed()) return run_inspect(inspect);
  return run_bench(bench);
}

}  // namespace
}  // namespace invar

int main(int argc, char** argv) {
  if (!invar::tier_supported(invar::Tier::kAvx2))
    return invar::fail("this CPU has no AVX2 with FMA; invar needs an x86-64 CPU that has both (Intel since 2013, AMD since 2015)");
  try {
    return invar::run(argc, argv);
  } catch (const std::bad_alloc&) {
    return invar::fail("out of memory; use a smaller model, fewer running requests or a smaller --kv-cache-mib");
  }
}
