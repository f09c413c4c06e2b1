#include "rl/train_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <toml++/toml.h>

#include <algorithm>
#include <map>
#include <set>

#include "io/mapped_file.h"
#include "io/quote.h"
#include "rl/filter.h"
#include "text/utf8.h"
#include "train/advantage.h"
#include "train/policy_loss.h"
#include "train/schedule.h"

namespace invar {
namespace {

// One list of all keys, for reading and for writing.
template <class Visitor>
void visit_data(TrainConfig& c, Visitor& v) {
  v.section("model");
  v.field("path", c.model.path);
  v.field("profile", c.model.profile);
  v.section("run");
  v.field("folder", c.run.folder);
  v.field("seed", c.run.seed);
  v.field("steps", c.run.steps, 1, 1 << 30);
  v.field("eval_every", c.run.eval_every, 0, 1 << 30);
  v.section("data");
  v.field("task", c.data.task);
  v.field("difficulty", c.data.difficulty, 1, 1000);
  v.field("file", c.data.file);
  v.field("eval_file", c.data.eval_file);
  v.field("eval_prompts", c.data.eval_prompts, 1, 1 << 20);
  v.field("shuffle", c.data.shuffle);
  v.field("prompt_key", c.data.prompt_key);
  v.field("label_key", c.data.label_key);
  v.field("metadata_key", c.data.metadata_key);
  v.field("tools_key", c.data.tools_key);
  v.field("system", c.data.system);
  v.field("chat_template", c.data.chat_template);
  v.section("rollout");
  v.field("groups", c.rollout.groups, 1, 1 << 16);
  v.field("samples", c.rollout.samples, 1, 1 << 12);
  v.field("groups_a_round", c.rollout.groups_a_round, 0, 1 << 16);
  v.field("rounds_max", c.rollout.rounds_max, 1, 1000);
  v.field("drop_equal", c.rollout.drop_equal);
  v.field("shortage", c.rollout.shortage);
  v.field("token_budget", c.rollout.token_budget, 0, int64_t{1} << 40);
  v.field("max_tokens", c.rollout.max_tokens, 1, 1 << 20);
  v.field("ignore_eos", c.rollout.ignore_eos);
  v.field("temperature", c.rollout.temperature, 0, 100);
  v.field("top_p", c.rollout.top_p, 0, 1);
  v.field("top_k", c.rollout.top_k, -1, 1 << 24);
  v.field("stop", c.rollout.stop);
  v.field("max_running", c.rollout.max_running, 1, 4096);
  v.field("prefill_rows", c.rollout.prefill_rows, 1, 65536);
  v.field("kv_mib", c.rollout.kv_mib, 1, 1 << 24);
  v.section("reward");
  v.field("kind", c.reward.kind);
  v.field("ignore_case", c.reward.exact.ignore_case);
  v.field("ignore_spaces", c.reward.exact.ignore_spaces);
  v.field("absolute_tolerance", c.reward.numeric.absolute_tolerance, 0, 1e300);
  v.field("relative_tolerance", c.reward.numeric.relative_tolerance, 0, 1e300);
  v.field("pattern", c.reward.regex.pattern);
  v.field("command", c.reward.program.command);
  v.field("workers", c.reward.program.workers, 1, 64);
  v.field("timeout_s", c.reward.program.timeout_s, 1, 86400);
  v.field("url", c.reward.remote.url);
  v.field("reward_key", c.reward.remote.reward_key);
  v.field("length_target", c.reward.length_target, 1, 1 << 20);
  v.field("length_weight", c.reward.length_weight, 0, 1e6);
  v.field("format_weight", c.reward.format_weight, 0, 1e6);
}

template <class Visitor>
void visit_learning(TrainConfig& c, Visitor& v) {
  v.section("reference");
  v.field("path", c.reference.path);
  v.section("algorithm");
  v.field("advantage", c.algorithm.advantage);
  v.field("objective", c.algorithm.objective);
  v.field("clip_low", c.algorithm.clip_low, 0, 1);
  v.field("clip_high", c.algorithm.clip_high, 0, 1e6);
  v.field("dual_clip", c.algorithm.dual_clip, 0, 1e6);
  v.field("aggregation", c.algorithm.aggregation);
  v.field("constant_length", c.algorithm.constant_length, 0, 1 << 20);
  v.field("entropy_coefficient", c.algorithm.entropy_coefficient, 0, 1e6);
  v.field("kl_coefficient", c.algorithm.kl_coefficient, 0, 1e6);
  v.field("kl_kind", c.algorithm.kl_kind);
  v.field("kl_in", c.algorithm.kl_in);
  v.field("updates", c.algorithm.updates, 1, 1000);
  v.section("optimizer");
  v.field("learning_rate", c.optimizer.learning_rate, 0, 1);
  v.field("decay", c.optimizer.decay);
  v.field("end_learning_rate", c.optimizer.end_learning_rate, 0, 1);
  v.field("warmup_steps", c.optimizer.warmup_steps, 0, 1 << 30);
  v.field("beta1", c.optimizer.beta1, 0, 1);
  v.field("beta2", c.optimizer.beta2, 0, 1);
  v.field("eps", c.optimizer.eps, 0, 1);
  v.field("weight_decay", c.optimizer.weight_decay, 0, 1e6);
  v.field("clip_norm", c.optimizer.clip_norm, 0, 1e12);
  v.section("train");
  v.field("micro_batch_rows", c.train.micro_batch_rows, 1, 1 << 20);
  v.field("activations_mib", c.train.activations_mib, 0, 1 << 24);
  v.field("ranks", c.train.ranks, 1, 64);
  v.section("checkpoint");
  v.field("every", c.checkpoint.every, 0, 1 << 30);
  v.field("keep_last", c.checkpoint.keep_last, 1, 1 << 30);
  v.field("keep_every", c.checkpoint.keep_every, 0, 1 << 30);
}

template <class Visitor>
void visit(TrainConfig& c, Visitor& v) {
  visit_data(c, v);
  visit_learning(c, v);
}

const char* type_word(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a number";
    case toml::node_type::boolean: return "true or false";
    case toml::node_type::array: return "a list";
    case toml::node_type::table: return "a table";
    default: return "a date or time";
  }
}

// A key as one would write it: bare where it may be.
std::string key_text(std::string_view key) {
  constexpr std::string_view kBare = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
  const bool bare = !key.empty() && key.find_first_not_of(kBare) == key.npos;
  return bare ? std::string(key) : quote(key);
}

class Reader {
 public:
  Reader(const toml::table& table, const std::string& where) : table_(table), where_(where) {}

  void section(const char* name) {
    section_ = name;
    sections_.insert(name);
    in_ = nullptr;
    const toml::node* node = table_.get(name);
    if (node == nullptr) return;
    in_ = node->as_table();
    if (in_ == nullptr)
      fail(*node, fmt::format("{}: expected a table [{}], found {}", name, name, type_word(*node)));
  }
  void field(const char* name, std::string& out) { read(name, "a string", out); }
  void field(const char* name, bool& out) { read(name, "true or false", out); }
  void field(const char* name, int64_t& out, int64_t low = INT64_MIN, int64_t high = INT64_MAX) {
    if (const toml::node* node = read(name, "an integer", out); node != nullptr && (out < low || out > high))
      fail(*node, fmt::format("{}.{}: expected {} to {}, found {}", section_, name, low, high, out));
  }
  void field(const char* name, double& out, double low, double high) {
    int64_t whole = 0;
    const toml::node* node = find(name);
    if (node == nullptr) return;
    if (node->is_integer()) {
      whole = node->as_integer()->get();
      out = static_cast<double>(whole);
    } else if (node->is_floating_point()) {
      out = node->as_floating_point()->get();
    } else {
      return wrong_type(*node, name, "a number");
    }
    if (!(out >= low && out <= high))
      fail(*node, fmt::format("{}.{}: expected {} to {}, found {}", section_, name, low, high, out));
  }
  void field(const char* name, float& out, double low, double high) {
    double value = static_cast<double>(out);
    field(name, value, low, high);
    out = static_cast<float>(value);
  }
  void field(const char* name, std::vector<std::string>& out) {
    const toml::node* node = find(name);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) return wrong_type(*node, name, "a list of strings");
    out.clear();
    for (const toml::node& item : *array) {
      if (!item.is_string()) return wrong_type(item, name, "a list of strings");
      out.push_back(item.as_string()->get());
    }
  }

  Status finish() {
    for (const auto& [key, node] : table_) {
      if (sections_.count(std::string(key.str())) == 0)
        fail(node, fmt::format("unknown section {}; expected one of {}", quote(key.str()),
                               fmt::join(sections_, ", ")));
    }
    for (const std::string& section : sections_) {
      const toml::node* node = table_.get(section);
      if (node == nullptr || !node->is_table()) continue;
      for (const auto& [key, value] : *node->as_table()) {
        if (keys_[section].count(std::string(key.str())) == 0)
          fail(value, fmt::format("{}.{}: unknown key; expected one of {}", section, key_text(key.str()),
                                  fmt::join(keys_[section], ", ")));
      }
    }
    if (!error_.empty()) return error("{}", error_);
    return Ok{};
  }

 private:
  const toml::node* find(const char* name) {
    keys_[section_].insert(name);
    return in_ == nullptr ? nullptr : in_->get(name);
  }
  template <class T>
  const toml::node* read(const char* name, const char* wanted, T& out) {
    const toml::node* node = find(name);
    if (node == nullptr) return nullptr;
    const auto* value = node->as<T>();
    if (value == nullptr) {
      wrong_type(*node, name, wanted);
      return nullptr;
    }
    out = value->get();
    return node;
  }
  void wrong_type(const toml::node& node, const char* name, const char* wanted) {
    fail(node, fmt::format("{}.{}: expected {}, found {}", section_, name, wanted, type_word(node)));
  }
  // The first one counts.
  void fail(const toml::node& node, const std::string& message) {
    if (!error_.empty()) return;
    const uint32_t line = node.source().begin.line;
    error_ = line == 0 ? message : fmt::format("{}:{}: {}", where_, line, message);
  }

  const toml::table& table_;
  const std::string& where_;
  std::string section_;
  const toml::table* in_ = nullptr;
  std::set<std::string> sections_;
  std::map<std::string, std::set<std::string>> keys_;
  std::string error_;
};

class Writer {
 public:
  void section(const char* name) { text_ += fmt::format("{}[{}]\n", text_.empty() ? "" : "\n", name); }
  void field(const char* name, const std::string& value) { line(name, string(value)); }
  void field(const char* name, bool value) { line(name, value ? "true" : "false"); }
  void field(const char* name, int64_t value, int64_t = 0, int64_t = 0) { line(name, std::to_string(value)); }
  void field(const char* name, double value, double, double) { line(name, number(fmt::format("{}", value))); }
  void field(const char* name, float value, double, double) { line(name, number(fmt::format("{}", value))); }
  void field(const char* name, const std::vector<std::string>& values) {
    std::string list;
    for (const std::string& value : values) list += (list.empty() ? "" : ", ") + string(value);
    line(name, "[" + list + "]");
  }
  const std::string& text() const { return text_; }

 private:
  void line(const char* name, const std::string& value) { text_ += fmt::format("{} = {}\n", name, value); }
  // The shortest digits that read back as the same number, as a TOML float.
  static std::string number(std::string digits) {
    if (digits.find_first_of(".en") == std::string::npos) digits += ".0";
    return digits;
  }
  static std::string string(const std::string& value) {
    std::string out = "\"";
    for (char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') {
        out += {'\\', c};
      } else if (byte < 0x20 || byte == 0x7f) {
        out += fmt::format("\\u{:04x}", byte);
      } else {
        out += c;
      }
    }
    return out + "\"";
  }
  std::string text_;
};

// Errors: what is no TOML, with its line.
Result<toml::table> parse_toml(std::string_view text, const std::string& where) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& wrong) {
    std::string why(wrong.description());  // which repeats bytes of the text
    for (char& c : why) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    return error("{}:{}: {}", where, wrong.source().begin.line, why);
  }
}

// "section.key=value" into the table; a value that is no TOML is a string.
Status override_with(toml::table& table, const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t dot = text.find('.');
  if (equals == std::string::npos || dot == std::string::npos || dot > equals)
    return error("--set {}: expected section.key=value", quote(text));
  if (find_invalid_utf8(text) != text.npos) return error("--set {}: expected UTF-8", quote(text));
  const std::string section = text.substr(0, dot), key = text.substr(dot + 1, equals - dot - 1);
  const std::string value = text.substr(equals + 1);
  auto parsed = parse_toml("value = " + value, "");
  toml::table holder = parsed.ok() ? std::move(*parsed) : toml::table();
  if (holder.size() != 1) {
    holder.clear();
    holder.insert("value", value);
  }
  toml::node* node = table.get(section);
  if (node == nullptr) {
    table.insert(section, toml::table{});
    node = table.get(section);
  }
  if (!node->is_table()) return error("--set {}: {} is no table", quote(text), key_text(section));
  node->as_table()->insert_or_assign(key, std::move(*holder.get("value")));
  return Ok{};
}

template <class T>
Status known(const char* key, const Result<T>& parsed) {
  if (parsed.ok()) return Ok{};
  return error("{}: {}", key, parsed.message());
}

Status check_names(const TrainConfig& c) {
  if (c.model.path.empty()) return error("model.path: expected a model folder or file, found nothing");
  if (c.data.task.empty() == c.data.file.empty())
    return error("data: expected a built-in task or a file, found {}",
                 c.data.task.empty() ? "neither" : "both");
  if (c.rollout.shortage != "fill" && c.rollout.shortage != "fewer")
    return error("rollout.shortage: expected fill or fewer, found {}", quote(c.rollout.shortage));
  INVAR_RETURN_IF_ERROR(known("algorithm.advantage", parse_advantage_kind(c.algorithm.advantage)));
  INVAR_RETURN_IF_ERROR(known("algorithm.objective", parse_policy_objective(c.algorithm.objective)));
  INVAR_RETURN_IF_ERROR(known("algorithm.aggregation", parse_loss_aggregation(c.algorithm.aggregation)));
  INVAR_RETURN_IF_ERROR(known("optimizer.decay", parse_decay(c.optimizer.decay)));
  INVAR_RETURN_IF_ERROR(known("algorithm.kl_kind", parse_kl_estimator(c.algorithm.kl_kind)));
  if (c.algorithm.kl_kind == "none")
    return error("algorithm.kl_kind: expected k1, k2 or k3, found none; kl_coefficient = 0 is no KL");
  if (*parse_policy_objective(c.algorithm.objective) == PolicyObjective::kCrossEntropy &&
      (c.algorithm.kl_coefficient > 0 || !c.reference.path.empty() || c.rollout.token_budget > 0))
    return error("algorithm.objective {}: expected no kl_coefficient, reference or token_budget: nothing is sampled",
                 c.algorithm.objective);
  if (c.algorithm.kl_in != "loss" && c.algorithm.kl_in != "reward")
    return error("algorithm.kl_in: expected loss or reward, found {}", quote(c.algorithm.kl_in));
  return Ok{};
}

Status check_token_budget(const TrainConfig& c) {
  if (c.rollout.token_budget == 0) return Ok{};
  const int64_t samples = c.rollout.groups_a_round * c.rollout.samples;
  if (c.rollout.token_budget < samples)
    return error("rollout.token_budget: expected a token at least for each of the {} samples of a step, found {}",
                 samples, c.rollout.token_budget);
  if (c.rollout.groups_a_round < c.rollout.groups)
    return error("rollout.groups_a_round: expected at least rollout.groups = {} with a token_budget, found {}",
                 c.rollout.groups, c.rollout.groups_a_round);
  if (c.rollout.rounds_max != 1)
    return error("rollout.rounds_max: expected 1 with a token_budget (the next step goes on), found {}",
                 c.rollout.rounds_max);
  return Ok{};
}

}  // namespace

Result<TrainConfig> parse_train_config(std::string_view text, const std::string& where,
                                       std::span<const std::string> overrides) {
  INVAR_TRY(toml::table table, parse_toml(text, where));
  for (const std::string& text_of_one : overrides) INVAR_RETURN_IF_ERROR(override_with(table, text_of_one));
  TrainConfig config;
  Reader reader(table, where);
  visit(config, reader);
  INVAR_RETURN_IF_ERROR(reader.finish());
  INVAR_RETURN_IF_ERROR(check_names(config));
  if (config.rollout.groups_a_round == 0) config.rollout.groups_a_round = config.rollout.groups;
  INVAR_RETURN_IF_ERROR(check_token_budget(config));
  if (config.algorithm.constant_length == 0) config.algorithm.constant_length = config.rollout.max_tokens;
  return config;
}

Result<TrainConfig> read_train_config(const std::string& path, std::span<const std::string> overrides) {
  INVAR_TRY(const MappedFile file, MappedFile::open(path));
  const std::span<const std::byte> bytes = file.bytes();
  return parse_train_config({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path, overrides);
}

std::string reference_path(const TrainConfig& config) {
  if (!config.reference.path.empty()) return config.reference.path;
  return config.algorithm.kl_coefficient > 0 ? config.model.path : "";
}

std::string train_config_text(const TrainConfig& config) {
  TrainConfig copy = config;
  Writer writer;
  visit(copy, writer);
  return writer.text();
}

}  // namespace invar
