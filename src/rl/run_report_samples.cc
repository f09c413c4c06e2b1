// Samples of the report: the answer with each token's log-prob as its background.
#include <algorithm>
#include <bit>
#include <set>

#include "rl/run_report_page.h"
#include "rl/run_text.h"

namespace invar {
namespace {

constexpr std::size_t kSamplesMax = 4;  // of a step
constexpr std::size_t kTokensMax = 1500;
// Shade s is of log-probs below kShades[s - 1], shade 0 of those above all.
constexpr float kShades[] = {-0.1f, -0.5f, -1.0f, -2.0f, -4.0f};

int shade(float log_prob) {
  int s = 0;
  while (s < 5 && !(log_prob >= kShades[s])) ++s;  // NaN is darkest
  return s;
}

std::string token_title(const RolloutRecord& rollout, std::size_t t) {
  return fmt::format("token {}: id {}, log-prob {} ({:08x})", t, rollout.tokens[t], rollout.log_probs[t],
                     std::bit_cast<uint32_t>(rollout.log_probs[t]));
}

bool within_code_point(const std::string& text, int32_t at) {
  const auto i = static_cast<std::size_t>(at);
  return i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
}

// Tokens that share a character are one span, with the darkest of their shades.
std::string answer_on_text(const RolloutRecord& rollout, std::size_t tokens) {
  std::string out;
  std::size_t begin = 0;
  for (std::size_t t = 0; t < tokens;) {
    int darkest = 0;
    std::string title;
    std::size_t end = begin;
    do {
      darkest = std::max(darkest, shade(rollout.log_probs[t]));
      title += (title.empty() ? "" : "\n") + token_title(rollout, t);
      end = static_cast<std::size_t>(rollout.token_ends[t]);
      ++t;
    } while (t < tokens && within_code_point(rollout.text, rollout.token_ends[t - 1]));
    const std::string piece = rollout.text.substr(begin, end - begin);
    begin = end;
    // A token without text (the end of the sequence) still has a log-prob to show.
    out += fmt::format("<span class=\"s{}\" title=\"{}\">{}</span>", darkest, html(title),
                       piece.empty() ? "\u2423" : html(piece));
  }
  return out;
}

std::string answer_of_ids(const RolloutRecord& rollout, std::size_t tokens) {
  std::string out;
  for (std::size_t t = 0; t < tokens; ++t)
    out += fmt::format("<span class=\"id s{}\" title=\"{}\">{}</span>", shade(rollout.log_probs[t]),
                       html(token_title(rollout, t)), rollout.tokens[t]);
  return out;
}

std::string sample_html(std::size_t index, const RolloutRecord& rollout) {
  const std::size_t tokens = std::min(rollout.tokens.size(), kTokensMax);
  std::string text = fmt::format(
      "<div class=\"card sample\"><p><strong>sample {}</strong> <span class=\"dim\">prompt {}, sample {} of "
      "it; {} "
      "tokens, {}{}</span><br>reward <strong>{}</strong>, advantage {}",
      index, rollout.prompt_id, rollout.sample, rollout.tokens.size(), html(rollout.finish),
      rollout.kept ? "" : ", filtered out", short_number(rollout.reward), short_number(rollout.advantage));
  if (!rollout.label.empty()) text += fmt::format(", expected <code>{}</code>", html(rollout.label));
  text += "</p>";
  if (!rollout.prompt_text.empty())
    text += fmt::format("<p class=\"text dim\">{}</p>", html(rollout.prompt_text));
  if (rollout.token_ends.empty() && !rollout.tokens.empty()) {
    text += fmt::format("<p class=\"text answer\">{}</p><p class=\"text\">{}</p>", html(rollout.text),
                        answer_of_ids(rollout, tokens));
  } else {
    text += fmt::format("<p class=\"text answer\">{}</p>", answer_on_text(rollout, tokens));
  }
  if (tokens < rollout.tokens.size())
    text += fmt::format("<p class=\"dim\">and {} more tokens</p>", rollout.tokens.size() - tokens);
  return text + "</div>\n";
}

// Whether the other runs sampled the same in this step.
std::string same_samples(const std::vector<ReportData>& runs, const StepSummary& step) {
  std::string text;
  for (std::size_t i = 1; i < runs.size(); ++i) {
    const StepSummary* other = runs[i].at(step.step);
    if (other == nullptr) continue;
    const bool same = other->hashes.rollouts == step.hashes.rollouts;
    text += fmt::format(" <span class=\"{}\">{} {}</span>", same ? "good" : "bad",
                        same ? "= the same samples in" : "\u2260 others in", html(runs[i].name));
  }
  return text;
}

}  // namespace

Result<std::string> report_samples(const std::vector<ReportData>& runs) {
  const ReportData& run = runs.front();
  std::string text = "<h2>Samples</h2>\n";
  // A step without samples (the state before training) has nothing to show.
  std::vector<const StepSummary*> steps;
  for (const StepSummary& step : run.steps) {
    if (step.samples > 0) steps.push_back(&step);
  }
  if (steps.empty()) return text + "<p>no sample yet</p>\n";
  text +=
      fmt::format("<p class=\"dim\">Of {}; the background is each token's log-prob:</p><p class=\"key dim\">",
                  html(run.name));
  for (int s = 0; s <= 5; ++s)
    text += fmt::format("<span class=\"s{}\">{}</span>", s,
                        s == 0 ? "above \u22120.1" : fmt::format("&lt; \u2212{}", -kShades[s - 1]));
  text += "</p>\n";
  for (const std::size_t i : std::set<std::size_t>{0, steps.size() / 2, steps.size() - 1}) {
    INVAR_TRY(const std::vector<RolloutRecord> rollouts, run.ledger->rollouts(steps[i]->step));
    text += fmt::format("<details open><summary><strong>Step {}</strong>{}</summary>\n", steps[i]->step,
                        same_samples(runs, *steps[i]));
    for (std::size_t k = 0; k < std::min(rollouts.size(), kSamplesMax); ++k)
      text += sample_html(k, rollouts[k]);
    if (rollouts.size() > kSamplesMax)
      text += fmt::format("<p class=\"dim\">and {} more samples</p>", rollouts.size() - kSamplesMax);
    text += "</details>\n";
  }
  return text;
}

}  // namespace invar
