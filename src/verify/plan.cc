#include "verify/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "verify/draw.h"

namespace invar {
namespace {

// How many run together where another axis than the batch is looked at.
constexpr int64_t kCrowd = 8;
constexpr int64_t kSmallestPage = 16;
// Of the announcement's prefix test: the long text, in bytes, and so many bytes at least for each token of a limit.
constexpr std::size_t kPrefixBytes = 4097;
constexpr std::size_t kBytesOfToken = 4;
// Of the prompts that every axis is tried on: one token, an odd chunk, pages and attention splits with their borders.
constexpr std::size_t kLengthsBytes[] = {1, 9, 80, 160, 300, 620, 1500};
constexpr std::size_t kBriefLengthsBytes[] = {1, 80, 300, 800};

class Planner {
 public:
  Planner(const PlanOptions& options, std::span<const Axis> axes)
      : options_(options), axes_(axes), draw_(options.seed) {
    plan_.reference = reference_setting(axes);
  }

  Plan make() {
    single();
    mixed();
    prefix();
    scored();
    common_ = common_cases();
    growing_ = growing_cases();
    CaseLimits tiny = limits();
    tiny.prompt_tokens_max = options_.size.brief ? 1 : 4;
    tiny.output_tokens = 2;
    for (int i = 0; i < (options_.size.brief ? 1 : 2); ++i)
      tiny_.push_back(add_case(long_text(options_.seed + 20 + i, 40), i, true, tiny));
    for (const Axis& axis : axes_) sweep(axis);
    product();
    if (!options_.server && options_.size.restarts > 0) restart();
    return std::move(plan_);
  }

 private:
  CaseLimits limits() const {
    return {.output_tokens = options_.size.output_tokens,
            .prompt_tokens_max = options_.size.prompt_tokens_max,
            .context = options_.context};
  }

  int add_case(std::string text, int variant, bool prompt_log_probs = false) {
    return add_case(std::move(text), variant, prompt_log_probs, limits());
  }
  int add_case(std::string text, int variant, bool prompt_log_probs, const CaseLimits& limits) {
    plan_.cases.push_back(make_case(std::move(text), variant, draw_.next() >> 33, options_.encode, limits));
    plan_.cases.back().prompt_log_probs = prompt_log_probs;
    return static_cast<int>(plan_.cases.size()) - 1;
  }

  std::vector<int> variants_of(const std::string& text, std::initializer_list<int> variants) {
    std::vector<int> cases;
    for (int variant : variants) cases.push_back(add_case(text, variant));
    return cases;
  }

  // All the cases in one batch, which share what they have in common where there is a cache.
  Setting in_one_batch(std::size_t cases) const {
    Setting setting = plan_.reference;
    setting[kBatch] = static_cast<int64_t>(cases);
    setting[kCache] = kCacheShared;
    return setting;
  }

  Setting crowd() const {
    Setting setting = plan_.reference;
    setting[kBatch] = std::min(kCrowd, options_.size.batch_max);
    return setting;
  }

  void single() {
    const std::vector<int> cases = variants_of("Tell me about Richard Feynman: ", {0, 1, 2, 3, 4, 5});
    PlanRow row{.name = "single",
                .tried = fmt::format("one prompt, batches of 1 to {}", options_.size.batch_max)};
    const int64_t last = std::max<int64_t>(1, options_.size.trials - 1);
    for (int64_t trial = 0; trial < options_.size.trials; ++trial) {
      std::vector<int> batch;
      for (int64_t i = 0; i <= trial * (options_.size.batch_max - 1) / last; ++i)
        batch.push_back(cases[static_cast<std::size_t>(trial + i) % cases.size()]);
      const Setting setting = in_one_batch(batch.size());
      row.runs.push_back({std::move(batch), setting});
    }
    plan_.rows.push_back(std::move(row));
  }

  // Batches of 2 or more, at least one of each list when there are two.
  void random_batches(PlanRow row, const std::vector<int>& first, const std::vector<int>& second) {
    const int64_t most = std::min<int64_t>(options_.size.batch_max, 16);
    for (int64_t trial = 0; trial < options_.size.trials; ++trial) {
      std::vector<int> batch = {draw_.pick(first), draw_.pick(second)};
      const int64_t more =
          static_cast<int64_t>(draw_.below(static_cast<uint64_t>(std::max<int64_t>(1, most - 1))));
      for (int64_t i = 0; i < more; ++i) batch.push_back(draw_.pick(draw_.below(3) == 0 ? second : first));
      draw_.shuffle(batch);
      const Setting setting = in_one_batch(batch.size());
      row.runs.push_back({std::move(batch), setting});
    }
    plan_.rows.push_back(std::move(row));
  }

  void mixed() {
    std::vector<int> brief = variants_of("Tell me about Richard Feynman: ", {0, 2});
    for (int c : variants_of("What is 17 times 23?", {1, 3})) brief.push_back(c);
    brief.push_back(add_case("Once", 4));
    std::vector<int> lengthy = variants_of(long_text(options_.seed + 1, 1000), {0, 3});
    lengthy.push_back(add_case(long_text(options_.seed + 2, 600), 1));
    lengthy.push_back(add_case("Generate 1000 random numbers. " + long_text(options_.seed + 3, 400), 2));
    random_batches({.name = "mixed", .tried = "short and long prompts, random batches"}, brief, lengthy);
  }

  void prefix() {
    std::size_t longest = kPrefixBytes;
    if (const int64_t most = options_.size.prompt_tokens_max; most > 0)
      longest = std::min(longest, static_cast<std::size_t>(most) * kBytesOfToken);
    const std::string text = long_text(options_.seed + 4, longest);
    std::vector<int> cases;
    int variant = 0;
    for (std::size_t bytes : {std::size_t{1}, longest / 8, longest / 2, longest}) {
      for (int i = 0; i < 2; ++i) cases.push_back(add_case(text.substr(0, bytes), variant++ % kVariants));
    }
    random_batches({.name = "prefix", .tried = "prefixes of one text, random batches"}, cases, cases);
  }

  void scored() {
    // At temperature 1 the draw's log-prob is the prompt's: of the distribution before top-k, top-p and min-p.
    std::vector<int> cases = variants_of(long_text(options_.seed + 5, 200), {0, 4});
    cases.push_back(add_case("The three largest rivers are ", 1));
    if (!options_.size.brief)
      for (int c : variants_of("It was a ", {1, 4})) cases.push_back(c);
    PlanRow row{
        .name = "decode", .tried = "drawn tokens, and the same read as a prompt", .kind = RowKind::kScored};
    row.runs.push_back({cases, crowd()});
    Setting alone = plan_.reference;
    if (has(kChunk)) alone[kChunk] = axis(kChunk).values[1];
    row.runs.push_back({cases, alone});
    plan_.rows.push_back(std::move(row));
  }

  std::vector<int> common_cases() {
    std::vector<int> cases;
    const std::string text = long_text(options_.seed + 6, 2000);
    int i = 0;
    std::span<const std::size_t> lengths = kLengthsBytes;
    if (options_.size.brief) lengths = kBriefLengthsBytes;
    lengths = lengths.first(std::min(lengths.size(), static_cast<std::size_t>(options_.size.batch_max)));
    for (std::size_t bytes : lengths) {
      // Prompts that share nothing, but for the longest and one of its prefixes.
      const std::size_t begin = bytes < 620 ? bytes : 0;
      cases.push_back(add_case(text.substr(begin, bytes), i % kVariants, !options_.server && i % 2 == 1));
      ++i;
    }
    return cases;
  }

  bool has(AxisId id) const {
    return std::any_of(axes_.begin(), axes_.end(), [id](const Axis& a) { return a.id == id; });
  }
  const Axis& axis(AxisId id) const {
    return *std::find_if(axes_.begin(), axes_.end(), [id](const Axis& a) { return a.id == id; });
  }

  // Prompts that fill their page but for one token: all of them want the next page at the same step.
  std::vector<int> growing_cases() {
    CaseLimits growing = limits();
    growing.prompt_tokens_max = kSmallestPage - 1;
    growing.output_tokens = std::max<int64_t>(3, growing.output_tokens);
    std::vector<int> cases;
    for (int i = 0; i < (options_.size.brief ? 2 : 4); ++i)
      cases.push_back(add_case(long_text(options_.seed + 10 + i, 200), i, false, growing));
    return cases;
  }

  void sweep(const Axis& axis) {
    PlanRow row{.name = axis.name, .tried = describe_values(axis)};
    for (std::size_t i = 1; i < axis.values.size(); ++i) {
      Setting setting = crowd();
      setting[axis.id] = axis.values[i];
      // What only sweeps draw is slow: the specification's tier reads every weight a number at a time.
      const bool slow = i >= axis.in_product && axis.id == kIsa;
      row.runs.push_back({slow ? tiny_ : common_, setting});
      if (axis.id == kPool) row.runs.push_back({growing_, setting});
    }
    plan_.rows.push_back(std::move(row));
  }

  void product() {
    PlanRow row{.name = "product", .tried = "random combinations of all axes"};
    for (int64_t i = 0; i < options_.size.products; ++i) {
      Run run{.cases = common_, .setting = plan_.reference};
      for (const Axis& axis : axes_) {
        const int64_t value = axis.values[static_cast<std::size_t>(draw_.below(axis.in_product))];
        run.setting[axis.id] =
            axis.seeded && value != 0 ? 1 + static_cast<int64_t>(draw_.next() >> 44) : value;
      }
      row.runs.push_back(std::move(run));
    }
    plan_.rows.push_back(std::move(row));
  }

  void restart() {
    PlanRow row{.name = "restart", .tried = "another process", .kind = RowKind::kRestart};
    for (int64_t i = 0; i < options_.size.restarts; ++i) {
      Setting setting = i == 0 ? plan_.reference : crowd();
      row.runs.push_back({common_, setting});
    }
    plan_.rows.push_back(std::move(row));
  }

  const PlanOptions& options_;
  std::span<const Axis> axes_;
  Draw draw_;
  Plan plan_;
  std::vector<int> common_, growing_, tiny_;
};

}  // namespace

std::vector<Case> cases_of(const Plan& plan, const Run& run) {
  std::vector<Case> cases;
  for (int index : run.cases) cases.push_back(plan.cases[static_cast<std::size_t>(index)]);
  return cases;
}

PlanSize plan_size(bool quick, Pace pace) {
  // Proofs of SmolLM2-135M on two cores: ten minutes with both profiles, quick ones a minute.
  switch (pace) {
    case Pace::kFast:
      if (quick)
        return {.trials = 6,
                .batch_max = 12,
                .products = 6,
                .output_tokens = 4,
                .prompt_tokens_max = 400,
                .restarts = 1,
                .brief = false};
      return {.trials = 50,
              .batch_max = 50,
              .products = 30,
              .output_tokens = 12,
              .prompt_tokens_max = 0,
              .restarts = 2,
              .brief = false};
    case Pace::kMedium:
      if (quick)
        return {.trials = 3,
                .batch_max = 12,
                .products = 3,
                .output_tokens = 3,
                .prompt_tokens_max = 80,
                .restarts = 1,
                .brief = true};
      return {.trials = 50,
              .batch_max = 50,
              .products = 12,
              .output_tokens = 5,
              .prompt_tokens_max = 512,
              .restarts = 1,
              .brief = false};
    case Pace::kSlow: break;
  }
  if (quick)
    return {.trials = 2,
            .batch_max = 3,
            .products = 1,
            .output_tokens = 2,
            .prompt_tokens_max = 8,
            .restarts = 0,
            .brief = true};
  return {.trials = 50,
          .batch_max = 16,
          .products = 6,
          .output_tokens = 2,
          .prompt_tokens_max = 24,
          .restarts = 1,
          .brief = true};
}

std::vector<std::string> row_names(std::span<const Axis> axes, bool server) {
  std::vector<std::string> names = {"single", "mixed", "prefix", "decode"};
  for (const Axis& axis : axes) names.push_back(axis.name);
  names.push_back("product");
  if (!server) names.push_back("restart");
  return names;
}

Plan make_plan(const PlanOptions& options, std::span<const Axis> axes) {
  return Planner(options, axes).make();
}

}  // namespace invar
