#include "verify/report.h"

#include <fmt/format.h>

#include <limits>

namespace invar {
namespace {

constexpr int64_t kOutputsMax = 1 << 20;

const char* verdict(const RowResult& row) {
  if (!row.skipped.empty()) return "skipped";
  return row.failed() ? "FAIL" : "pass";
}

// What was provoked: a run without any preemption proves nothing about them.
std::string evidence(const RowResult& row) {
  std::string text;
  const auto add = [&text](int64_t count, const char* what) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  };
  add(row.evidence.preemptions, "preemptions");
  add(row.evidence.evicted_pages, "pages evicted");
  add(row.evidence.cached_tokens, "tokens cached");
  return text;
}

}  // namespace

std::string table_header() {
  return fmt::format("{:<10}  {:<58}  {:>4}  {:>7}  {:>8}  {}\n", "axis", "settings tried", "runs", "outputs",
                     "distinct", "verdict");
}

std::string table_row(const RowResult& row) {
  std::string text = fmt::format("{:<10}  {:<58}  {:>4}  {:>7}  {:>8}  {}\n", row.name, row.tried, row.runs,
                                 row.outputs, row.distinct, verdict(row));
  const std::string seen = evidence(row);
  if (!seen.empty()) text += fmt::format("{:<10}  with {}\n", "", seen);
  if (!row.skipped.empty()) text += fmt::format("{:<10}  {}\n", "", row.skipped);
  if (row.failed())
    text += fmt::format("{0:<10}  axis: {1}\n{0:<10}  smallest: {2}\n{0:<10}  {3}\n", "", row.axis,
                        row.combination, row.difference);
  return text;
}

nlohmann::ordered_json row_json(const RowResult& row) {
  nlohmann::ordered_json json = {{"axis", row.name},
                                 {"tried", row.tried},
                                 {"runs", row.runs},
                                 {"outputs", row.outputs},
                                 {"distinct", row.distinct},
                                 {"verdict", verdict(row)},
                                 {"preemptions", row.evidence.preemptions},
                                 {"evicted_pages", row.evidence.evicted_pages},
                                 {"cached_tokens", row.evidence.cached_tokens}};
  if (!row.skipped.empty()) json["skipped"] = row.skipped;
  if (row.failed())
    json["failure"] = {{"axis", row.axis}, {"smallest", row.combination}, {"difference", row.difference}};
  return json;
}

Json outcome_json(const Outcome& outcome) {
  Json outputs = Json::array();
  for (const Output& output : outcome.outputs)
    outputs.push_back({{"tokens", output.tokens},
                       {"log_probs", output.log_probs},
                       {"prompt_log_probs", output.prompt_log_probs}});
  return {{"outputs", std::move(outputs)}};
}

namespace {

Result<std::vector<double>> numbers(const Json& json) {
  if (!json.is_array()) return error("expected a list of log-probs, found {}", json.type_name());
  std::vector<double> values;
  for (const Json& value : json) {
    if (!value.is_number()) return error("expected a log-prob, found {}", value.type_name());
    values.push_back(value.get<double>());
  }
  return values;
}

}  // namespace

Result<Outcome> parse_outcome(const Json& json) {
  const auto outputs = json.is_object() ? json.find("outputs") : json.end();
  if (!json.is_object() || outputs == json.end() || !outputs->is_array())
    return error("expected an object with outputs");
  if (static_cast<int64_t>(outputs->size()) > kOutputsMax) return error("found too many outputs");
  Outcome outcome;
  for (const Json& item : *outputs) {
    INVAR_TRY(const JsonObject object, JsonObject::from(item, "outputs"));
    Output output;
    INVAR_TRY(const std::vector<int64_t> tokens,
              object.get_ints("tokens", 0, std::numeric_limits<int32_t>::max()));
    output.tokens.assign(tokens.begin(), tokens.end());
    INVAR_TRY(output.log_probs, numbers(item.value("log_probs", Json::array())));
    INVAR_TRY(output.prompt_log_probs, numbers(item.value("prompt_log_probs", Json::array())));
    outcome.outputs.push_back(std::move(output));
  }
  return outcome;
}

}  // namespace invar
