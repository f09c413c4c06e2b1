// A difference of two runs as text and as JSON.
#include <bit>

#include "rl/run_diff.h"
#include "rl/run_text.h"

namespace invar {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::size_t kTextColumns = 60;
constexpr std::size_t kConfigLines = 12;

uint32_t bits(float value) { return std::bit_cast<uint32_t>(value); }

std::string sample_head(const SampleDifference& sample) {
  const RolloutRecord& rollout = sample.a ? *sample.a : *sample.b;
  return fmt::format("sample {} (prompt {}, sample {} of it), the first of {} that differ, of {}",
                     sample.index, rollout.prompt_id, rollout.sample, sample.samples_differing,
                     sample.samples);
}

std::string bits_differing(uint32_t bits) {
  const int count = std::popcount(bits);
  return count == 1 ? " (1 bit differs)" : fmt::format(" ({} bits differ)", count);
}

std::string token_line(const char* run, const std::optional<TokenDifference::Side>& side) {
  if (!side) return fmt::format("    {}  the answer ended before\n", run);
  return fmt::format("    {}  token {:>6}  log-prob {:<13} bits {:08x}{}\n", run, side->token, side->log_prob,
                     bits(side->log_prob),
                     side->text.empty() ? "" : fmt::format("  \"{}\"", printable(side->text)));
}

std::string token_text_lines(const SampleDifference& sample) {
  const TokenDifference& token = *sample.token;
  const bool same_token = token.a && token.b && token.a->token == token.b->token;
  std::string what = same_token ? "the same token with another log-prob" : "another token";
  if (!token.a || !token.b) what = "one answer goes on";
  if (same_token) what += bits_differing(bits(token.a->log_prob) ^ bits(token.b->log_prob));
  return fmt::format("  token {} of the answer: {}\n{}{}", token.position, what, token_line("A", token.a),
                     token_line("B", token.b));
}

std::string sides_lines(const std::vector<Sides>& sides, int indent) {
  std::string text;
  for (const Sides& side : sides)
    text += fmt::format("{:{}}{}: A {}, B {}\n", "", indent, printable(side.name), side.a, side.b);
  return text;
}

std::string sample_lines(const SampleDifference& sample) {
  std::string text = sample_head(sample) + "\n";
  if (!sample.a || !sample.b) {
    text += fmt::format("  only {} has it\n", sample.a ? "A" : "B");
  } else if (sample.moved_to) {
    text += fmt::format("  B has this sample as its sample {}: the order differs\n", *sample.moved_to);
  }
  text += sides_lines(sample.fields, 2);
  if (sample.token) text += token_text_lines(sample);
  for (const auto& [run, rollout] : {std::pair("A", &sample.a), std::pair("B", &sample.b)}) {
    if (*rollout && !(*rollout)->text.empty())
      text += fmt::format("  text of {}: \"{}\"\n", run, printable((*rollout)->text, kTextColumns));
  }
  return text;
}

std::string tensor_lines(const TensorDifference& tensor) {
  std::string text =
      fmt::format("tensor {}, the first of {} that differ, of {} in the checkpoints of this step\n",
                  printable(tensor.name), tensor.tensors_differing, tensor.tensors);
  if (tensor.elements_differing == 0) return text + "  only one run has it, or with another shape\n";
  return text + fmt::format("  element {}, the first of {} that differ: A {}, B {}\n", tensor.index,
                            tensor.elements_differing, tensor.a, tensor.b);
}

OrderedJson tensor_json(const TensorDifference& tensor) {
  return {{"name", tensor.name},
          {"shape", tensor.shape},
          {"index", tensor.index},
          {"a", tensor.a},
          {"b", tensor.b},
          {"elements_differing", tensor.elements_differing},
          {"tensors_differing", tensor.tensors_differing},
          {"tensors", tensor.tensors}};
}

OrderedJson sides_json(const std::vector<Sides>& sides) {
  OrderedJson json = OrderedJson::array();
  for (const Sides& side : sides) json.push_back({{"name", side.name}, {"a", side.a}, {"b", side.b}});
  return json;
}

OrderedJson token_json(const TokenDifference& token) {
  OrderedJson json = {{"position", token.position}, {"a", nullptr}, {"b", nullptr}};
  for (const auto& [run, side] : {std::pair("a", &token.a), std::pair("b", &token.b)}) {
    if (*side)
      json[run] = {{"token", (*side)->token},
                   {"log_prob", (*side)->log_prob},
                   {"log_prob_bits", fmt::format("{:08x}", bits((*side)->log_prob))},
                   {"text", (*side)->text}};
  }
  return json;
}

OrderedJson sample_json(const SampleDifference& sample) {
  const RolloutRecord& rollout = sample.a ? *sample.a : *sample.b;
  OrderedJson json = {{"index", sample.index},    {"prompt_id", rollout.prompt_id},
                      {"sample", rollout.sample}, {"only_in", nullptr},
                      {"moved_to", nullptr},      {"fields", sides_json(sample.fields)},
                      {"token", nullptr},         {"samples_differing", sample.samples_differing}};
  if (!sample.a || !sample.b) json["only_in"] = sample.a ? "a" : "b";
  if (sample.moved_to) json["moved_to"] = *sample.moved_to;
  if (sample.token) json["token"] = token_json(*sample.token);
  return json;
}

}  // namespace

std::string step_text(const StepDifference& difference) {
  std::string text;
  for (const auto& [run, altered] :
       {std::pair("A", difference.a_altered), std::pair("B", difference.b_altered)}) {
    if (altered)
      text += fmt::format(
          "{}'s recorded samples do not have the hash that {} recorded: the file was changed after it "
          "was written\n",
          run, run);
  }
  text += fmt::format("\n  {:<10}  {:<16}  {}\n", "hash", "A", "B");
  std::string names;
  for (const Sides& hash : difference.hashes) {
    text += fmt::format("  {:<10}  {:.16}  {:.16}  {}\n", hash.name, hash.a, hash.b,
                        hash.same() ? "equal" : "DIFFERS");
    if (!hash.same()) names += (names.empty() ? "" : ", ") + hash.name;
  }
  text += "\n";
  if (difference.sample) text += sample_lines(*difference.sample);
  if (!difference.sample && !names.empty())
    text += fmt::format("all samples are equal; what differs was computed from them: {}\n", names);
  if (difference.tensor) text += tensor_lines(*difference.tensor);
  if (!difference.values.empty()) text += "metrics that differ:\n" + sides_lines(difference.values, 2);
  return text;
}

OrderedJson step_json(const StepDifference& difference) {
  OrderedJson json = {{"step", difference.step}};
  json["differing_hashes"] = OrderedJson::array();
  for (const Sides& hash : difference.hashes) {
    if (!hash.same()) json["differing_hashes"].push_back(hash.name);
  }
  json["hashes"] = sides_json(difference.hashes);
  json["altered"] = OrderedJson::array();
  if (difference.a_altered) json["altered"].push_back("a");
  if (difference.b_altered) json["altered"].push_back("b");
  json["sample"] = difference.sample ? sample_json(*difference.sample) : OrderedJson();
  json["tensor"] = difference.tensor ? tensor_json(*difference.tensor) : OrderedJson();
  json["metrics"] = sides_json(difference.values);
  return json;
}

std::string diff_text(const RunDiff& diff, const std::string& name_a, const std::string& name_b) {
  std::string text = fmt::format("A  {}, to step {}\nB  {}, to step {}\n", printable(name_a), diff.a_last,
                                 printable(name_b), diff.b_last);
  text += sides_lines(diff.settings, 0);
  for (std::size_t i = 0; i < diff.config.size() && i < kConfigLines; ++i) {
    const Sides& line = diff.config[i];
    text += fmt::format("only in {}'s config: {}\n", line.b.empty() ? "A" : "B",
                        printable(line.b.empty() ? line.a : line.b, 2 * kTextColumns));
  }
  if (diff.config.size() > kConfigLines)
    text += fmt::format("and {} more lines of the configs\n", diff.config.size() - kConfigLines);
  text += "\n";
  if (diff.identical()) {
    text += fmt::format("identical through step {}: {} steps, every hash, sample and metric\n", diff.last,
                        diff.last - diff.first + 1);
    if (diff.a_last != diff.b_last)
      text += fmt::format("{} goes on to step {}\n", diff.a_last > diff.b_last ? "A" : "B",
                          std::max(diff.a_last, diff.b_last));
    return text;
  }
  const StepDifference& difference = *diff.difference;
  text += fmt::format("first difference: step {}", difference.step);
  text += difference.step > diff.first
              ? fmt::format("; steps {} to {} are identical\n", diff.first, difference.step - 1)
              : ", the first that both have\n";
  return text + step_text(difference);
}

OrderedJson diff_json(const RunDiff& diff) {
  OrderedJson json = {{"identical", diff.identical()},
                      {"identical_through", nullptr},
                      {"first_step", diff.first},
                      {"last_step", diff.last},
                      {"a_last_step", diff.a_last},
                      {"b_last_step", diff.b_last},
                      {"settings", sides_json(diff.settings)},
                      {"config", sides_json(diff.config)},
                      {"difference", nullptr}};
  const int64_t through = diff.identical() ? diff.last : diff.difference->step - 1;
  if (through >= diff.first) json["identical_through"] = through;
  if (!diff.identical()) json["difference"] = step_json(*diff.difference);
  return json;
}

}  // namespace invar
