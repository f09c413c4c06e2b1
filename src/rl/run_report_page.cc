// The verdict, the charts, the hash table, the runs and their configs.
#include "rl/run_report_page.h"

#include <algorithm>
#include <bit>
#include <set>

#include "rl/run_chart.h"
#include "rl/run_text.h"

namespace invar {
namespace {

constexpr std::size_t kOtherChartsMax = 24;
constexpr int64_t kTableRowsMax = 60;  // a longer table shows its ends and what differs
constexpr int64_t kTableEnd = 20;
constexpr int64_t kTableAround = 5;  // steps around the first difference
constexpr std::size_t kSparsePoints = 12;

bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

// Whether the lines have equal bits at every step that both have, and some such step.
bool identical(const ChartLine& a, const ChartLine& b) {
  std::map<int64_t, double> values;
  for (const StepValue& point : a.points) values[point.step] = point.value;
  bool any = false;
  for (const StepValue& point : b.points) {
    const auto found = values.find(point.step);
    if (found == values.end()) continue;
    if (!same_bits(found->second, point.value)) return false;
    any = true;
  }
  return any;
}

// "run a: 0.125 to 0.875" for each line; of identical lines one.
std::string caption(const std::vector<ChartLine>& lines, bool compared) {
  const auto range = [](const ChartLine& line) {
    return line.points.empty() ? std::string("none")
                               : fmt::format("{} \u2192 {}", short_number(line.points.front().value),
                                             short_number(line.points.back().value));
  };
  const bool all_same =
      lines.size() > 1 && std::all_of(lines.begin() + 1, lines.end(),
                                      [&](const ChartLine& line) { return identical(lines.front(), line); });
  if (lines.size() == 1) return fmt::format("<p class=\"dim\">{}</p>", range(lines.front()));
  if (compared && all_same)
    return fmt::format("<p class=\"dim\">{}, <span class=\"good\">= the same bits in all runs</span></p>",
                       range(lines.front()));
  std::string text;
  for (const ChartLine& line : lines)
    text += fmt::format("{}{}: {}", text.empty() ? "" : "<br>", html(line.name), range(line));
  return fmt::format("<p class=\"dim\">{}</p>", text);
}

struct Card {
  std::string title;
  bool compared = true;  // false for speeds, which no two runs share
  bool wide = false;
};

std::string chart_card(const Card& card, const std::vector<ChartLine>& lines) {
  std::size_t points = 0;
  for (const ChartLine& line : lines) points = std::max(points, line.points.size());
  const auto svg = [&](ChartSize size, const char* name) {
    std::string text = chart_svg(card.title, lines, size);
    return text.insert(4, fmt::format(" class=\"{}{}\"", name, points <= kSparsePoints ? " sparse" : ""));
  };
  std::string text = fmt::format("<section class=\"card{}\"><h3>{}</h3>{}", card.wide ? " wide" : "",
                                 html(card.title), caption(lines, card.compared));
  text += card.wide ? svg({.width = 1000, .height = 300}, "large") + svg({}, "narrow") : svg({}, "chart");
  return text + "</section>\n";
}

// The lines of one name in all runs that have it.
template <class Points>
std::vector<ChartLine> lines_of(const std::vector<ReportData>& runs, Points&& points) {
  std::vector<ChartLine> lines;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::vector<StepValue> found = points(runs[i]);
    if (!found.empty()) lines.push_back({.name = runs[i].name, .run = i, .points = std::move(found)});
  }
  return lines;
}

std::vector<StepValue> in_series(const Series& series, const std::string& name) {
  const auto found = series.find(name);
  return found == series.end() ? std::vector<StepValue>() : found->second;
}

std::string legend(const std::vector<ReportData>& runs) {
  if (runs.size() < 2) return "";
  std::string text = "<ul class=\"legend\">";
  for (std::size_t i = 0; i < runs.size(); ++i)
    text += fmt::format(
        "<li><svg viewBox=\"0 0 44 12\" aria-hidden=\"true\"><g class=\"run{}\"><path d=\"M3 6L41 6\"/>"
        "</g></svg>{}</li>",
        i % kChartStyles, html(runs[i].name));
  return text + "</ul>\n";
}

const char* const kHashNames[] = {"rollouts", "rewards", "gradients", "weights", "optimizer", "chain"};

std::string hash_named(const StepSummary& step, std::size_t name) {
  const std::string* hashes[] = {&step.hashes.rollouts, &step.hashes.rewards,   &step.hashes.gradients,
                                 &step.hashes.weights,  &step.hashes.optimizer, &step.chain};
  return hashes[name]->substr(0, 10);
}

// One cell: the hash once where all runs that have the step agree, else that of each run.
std::string hash_cell(const std::vector<ReportData>& runs, int64_t step, std::size_t name) {
  std::vector<std::string> values;
  std::string first;
  bool same = true;
  int64_t found = 0;
  for (const ReportData& run : runs) {
    const StepSummary* at = run.at(step);
    values.push_back(at == nullptr ? "" : hash_named(*at, name));
    if (at == nullptr) continue;
    if (found++ == 0) first = values.back();
    same = same && values.back() == first;
  }
  if (same) {
    const char* mark = found > 1 ? "<span class=\"good\">=</span> " : "";
    return fmt::format("<td class=\"hash\">{}{}</td>", mark, html(first));
  }
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool equal = values[i] == first;
    text += fmt::format("{}<span class=\"{}\">{} {}</span>", i == 0 ? "" : "<br>", equal ? "dim" : "bad",
                        values[i].empty() ? ""
                        : equal           ? "="
                                          : "\u2260",
                        values[i].empty() ? "none" : html(values[i]));
  }
  return fmt::format("<td class=\"hash\">{}</td>", text);
}

}  // namespace

std::string report_verdict(const std::vector<ReportData>& runs) {
  std::string text;
  for (std::size_t i = 1; i < runs.size(); ++i) {
    const ReportData& run = runs[i];
    if (!run.diff) {
      text +=
          fmt::format("<p class=\"verdict different\">{}: {}</p>\n", html(run.name), html(run.diff_problem));
    } else if (run.diff->identical()) {
      text += fmt::format(
          "<p class=\"verdict\"><strong class=\"good\">= identical</strong> through step {}: every hash, "
          "sample and metric of {} and {}</p>\n",
          run.diff->last, html(runs[0].name), html(run.name));
    } else {
      text += fmt::format(
          "<div class=\"verdict different\"><strong class=\"bad\">\u2260 different</strong> from step {} "
          "on: {} and {}<details><summary>where</summary><pre>{}</pre></details></div>\n",
          run.diff->difference->step, html(runs[0].name), html(run.name),
          html(diff_text(*run.diff, runs[0].name, run.name)));
    }
  }
  return text;
}

std::string report_runs(const std::vector<ReportData>& runs) {
  std::string text =
      "<h2>Runs</h2>\n<div "
      "class=\"table\"><table><tr><th>run</th><th>model</th><th>fingerprint</th><th>seed</th>"
      "<th>profile</th><th>numerics</th><th>steps</th><th>started</th><th>resumed</th></tr>\n";
  for (const ReportData& run : runs) {
    const RunInfo& info = run.starts.front();
    const std::string steps =
        run.steps.empty() ? "none" : fmt::format("{} to {}", run.steps.front().step, run.steps.back().step);
    text += fmt::format(
        "<tr><td>{}</td><td>{}</td><td class=\"hash\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td><td>{}</td></tr>\n",
        html(run.name), html(info.model_path), html(info.fingerprint.substr(0, 16)), info.seed,
        html(info.profile), info.numerics_version, steps, html(info.created_at),
        run.starts.size() == 1 ? "never" : fmt::format("{} times", run.starts.size() - 1));
  }
  return text + "</table></div>\n";
}

std::string report_charts(const std::vector<ReportData>& runs) {
  std::string text = "<h2>Curves</h2>\n" + legend(runs) + "<div class=\"charts\">\n";
  std::set<std::string> metrics, timings, evals;
  for (const ReportData& run : runs) {
    for (const auto& [name, points] : run.metrics) metrics.insert(name);
    for (const auto& [name, points] : run.timings) timings.insert(name);
    for (const StepEval& eval : run.evals) evals.insert(eval.result.name);
  }
  const auto put_metric = [&](const std::string& name, const std::string& title, bool wide) {
    if (metrics.erase(name) == 0) return;
    text += chart_card({.title = title, .wide = wide},
                       lines_of(runs, [&](const ReportData& run) { return in_series(run.metrics, name); }));
  };
  put_metric(metric::kReward, "Reward", true);
  for (const std::string& name : evals) {
    const std::string title = name == kHeldOut ? "Held-out score" : fmt::format("Held-out score: {}", name);
    text += chart_card({.title = title}, lines_of(runs, [&](const ReportData& run) {
                         std::vector<StepValue> points;
                         for (const StepEval& eval : run.evals) {
                           if (eval.result.name == name) points.push_back({eval.step, eval.result.score});
                         }
                         return points;
                       }));
  }
  put_metric(metric::kKl, "KL to the reference", false);
  put_metric(metric::kEntropy, "Entropy, nats", false);
  put_metric(metric::kLength, "Length, tokens", false);
  for (const std::string& name : timings)
    text += chart_card({.title = name, .compared = false},
                       lines_of(runs, [&](const ReportData& run) { return in_series(run.timings, name); }));
  const std::size_t others = metrics.size();
  for (std::size_t i = 0; i < std::min(others, kOtherChartsMax); ++i) {
    const std::string name = *metrics.begin();
    put_metric(name, name, false);
  }
  text += "</div>\n";
  if (!metrics.empty())
    text += fmt::format("<p class=\"dim\">and {} more metrics in the ledger</p>\n", metrics.size());
  return text;
}

std::string report_hashes(const std::vector<ReportData>& runs) {
  std::string text = "<h2>Hashes</h2>\n";
  text += runs.size() == 1 ? "<p class=\"dim\">Digests of each step, their first 10 digits. The chain hash "
                             "covers all before it.</p>\n"
                           : "<p class=\"dim\">Digests of each step, their first 10 digits; = where all runs "
                             "agree, else that of each "
                             "run in the order above, \u2260 where it is not the first one's. The chain hash "
                             "covers all before it.</p>\n";
  int64_t first = INT64_MAX, last = INT64_MIN;
  for (const ReportData& run : runs) {
    if (run.steps.empty()) continue;
    first = std::min(first, run.steps.front().step);
    last = std::max(last, run.steps.back().step);
  }
  if (first > last) return text + "<p>no step yet</p>\n";
  const auto shown = [&](int64_t step) {
    if (last - first < kTableRowsMax || step < first + kTableEnd || step > last - kTableEnd) return true;
    return std::any_of(runs.begin(), runs.end(), [&](const ReportData& run) {
      return run.diff && run.diff->difference && std::abs(run.diff->difference->step - step) <= kTableAround;
    });
  };
  text += "<div class=\"table\"><table><tr><th>step</th>";
  for (const char* name : kHashNames) text += fmt::format("<th>{}</th>", name);
  text += "</tr>\n";
  bool in_gap = false;
  for (int64_t step = first; step <= last; ++step) {
    if (!shown(step)) {
      if (!in_gap) text += "<tr><td class=\"gap\" colspan=\"7\">\u22ee</td></tr>\n";
      in_gap = true;
      continue;
    }
    in_gap = false;
    text += fmt::format("<tr><td>{}</td>", step);
    for (std::size_t name = 0; name < std::size(kHashNames); ++name) text += hash_cell(runs, step, name);
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

std::string report_configs(const std::vector<ReportData>& runs) {
  std::string text = "<h2>Config</h2>\n";
  for (const ReportData& run : runs) {
    if (run.diff && run.diff->config.empty() && !run.starts.front().config.empty()) {
      text += fmt::format("<p>{}: the same config as {}</p>\n", html(run.name), html(runs[0].name));
      continue;
    }
    if (run.diff) {
      text += fmt::format("<p>{}: lines that differ from {}</p>\n<pre>", html(run.name), html(runs[0].name));
      for (const Sides& line : run.diff->config)
        text += fmt::format("{} {}\n", line.b.empty() ? "-" : "+", html(line.b.empty() ? line.a : line.b));
      text += "</pre>\n";
    }
    text += fmt::format("<details{}><summary>{}</summary><pre>{}</pre></details>\n",
                        &run == &runs[0] ? " open" : "", html(run.name), html(run.starts.front().config));
  }
  return text;
}

}  // namespace invar
