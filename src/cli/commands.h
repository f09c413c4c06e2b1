// The commands: one options struct and one function each; main.cc fills the structs from the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/sampling_options.h"

namespace invar {

// Where a model is and how to run it.
struct ModelOptions {
  std::string path;  // a Hugging Face folder, a .gguf or a .safetensors file
  std::string profile = "fma32";
  std::string isa = "best";  // or a tier's name
  int threads = 0;           // 0: one a core
  int64_t step_rows = 256;
  int64_t batch_max = 64;
  int64_t page_size = 64;
  int64_t kv_mib = 4096;
};

struct GenerateCommand {
  ModelOptions model;
  std::vector<std::string> prompts;  // --prompt, any number
  std::string prompt_file;           // "-" is standard input
  std::string system;
  bool chat_template = true;
  SamplingOptions sampling;
  bool log_probs = false;
  bool prompt_log_probs = false;
  bool json = false;
  bool stream = true;
};

struct ChatCommand {
  ModelOptions model;
  std::string system;
  SamplingOptions sampling;
};

struct InspectCommand {
  std::string path;
  bool tensors = false;
  bool digest = false;
  bool json = false;
};

struct BenchCommand {
  ModelOptions model;             // path may be empty: kernels only
  std::vector<std::string> what;  // sections, see kSections of bench.cc; empty: all
  double seconds = 1.0;           // measured time of each line
  bool json = false;
};

struct VerifyCommand {
  std::string model;              // a path; or
  std::string url;                // http://HOST:PORT of a server
  std::string api = "auto";       // of the server: sglang, openai
  std::string profile = "both";   // fma32 and tc16; all, or one profile
  std::vector<std::string> axes;  // rows of the table to run; empty: all
  uint64_t seed = 1;
  int64_t samples = 0;  // of each of the first three rows; 0: as many as the size of the proof says
  int64_t timeout_s = 300;
  bool quick = false;
  bool json = false;
  int64_t restart_run =
      -1;  // this process is the other one of the row `restart`: print the outcome of this run
};

struct TrainCommand {
  std::string config;                  // a TOML file
  std::vector<std::string> overrides;  // "section.key=value"
  std::string isa = "best";
  int threads = 0;  // 0: one a core
  bool json = false;
};

struct EvalCommand {
  std::string config;  // a TOML file of `train`; or model.path with a task or a file
  std::vector<std::string> overrides;
  ModelOptions model;
  std::string task, file, reward;  // "": the configuration's
  std::optional<int64_t> difficulty, prompts, max_tokens, seed;
  int64_t samples = 1;
  double temperature = 0;
  int64_t show = 4;  // answers
  bool json = false;
};

// A recorded step, made again.
struct ReplayCommand {
  std::string run;  // its folder, or the ledger in it
  int64_t step = 0;
  std::vector<std::string> overrides;  // as TrainCommand has them; only keys that change no bit
  std::string isa = "best";
  int threads = 0;
  bool json = false;
};

// The runs below a folder.
struct RunsCommand {
  std::string folder = ".";
  bool json = false;
};

// A run, one of its steps, or one sample of a step.
struct ShowCommand {
  std::string run;  // its folder, or the ledger in it
  std::optional<int64_t> step;
  std::optional<int64_t> sample;
  bool json = false;
};

struct DiffCommand {
  std::string a, b;  // as ShowCommand::run
  bool json = false;
};

struct ReportCommand {
  std::vector<std::string> runs;
  std::string output = "report.html";  // "-" is standard output
};

// Each returns the exit code (0, 1, 130 when interrupted) and prints its own errors, one clear line each.
int run_generate(const GenerateCommand& command);
int run_chat(const ChatCommand& command);
int run_inspect(const InspectCommand& command);
int run_bench(const BenchCommand& command);
int run_verify(const VerifyCommand& command);
int run_train(const TrainCommand& command);
int run_eval(const EvalCommand& command);
int run_runs(const RunsCommand& command);
int run_show(const ShowCommand& command);
int run_diff(const DiffCommand& command);  // 0 identical, 1 different, 2 cannot compare
int run_report(const ReportCommand& command);
int run_replay(const ReplayCommand& command);  // 0 equal, 1 different, 2 cannot replay

}  // namespace invar
