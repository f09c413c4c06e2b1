#include "rl/tasks/task.h"

#include "io/quote.h"
#include "rl/tasks/problems.h"

namespace invar {
namespace {

constexpr TaskKind kKinds[] = {
    {"arithmetic", 5, "numeric", "sums and products; longer and with parentheses as it gets harder",
     draw_arithmetic},
    {"count_letters", 4, "numeric", "how often a letter occurs in a word", draw_count_letters},
    {"countdown", 4, "countdown", "an expression of given numbers that makes a target", draw_countdown},
    {"reverse", 4, "exact", "a word written backwards", draw_reverse},
    {"sorting", 4, "exact", "numbers in ascending order", draw_sorting},
};

// A problem space without a held-out (or trained) problem would never end; the smallest has dozens of problems.
constexpr uint64_t kAttemptsMax = 1 << 20;

// FNV-1a, then mixed: its low bits alone are poor.
uint64_t text_seed(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return derive_seed(0, hash);
}

}  // namespace

std::span<const TaskKind> task_kinds() { return kKinds; }

bool is_held_out(std::string_view question) { return text_seed(question) % 8 == 0; }

Result<Task> Task::make(const Options& options) {
  std::string names;
  for (const TaskKind& kind : kKinds) {
    if (kind.name == options.name) {
      if (options.difficulty < 1 || options.difficulty > kind.difficulty_max)
        return error("task {}: expected a difficulty of 1 to {}, found {}", kind.name, kind.difficulty_max,
                     options.difficulty);
      return Task(kind, options);
    }
    names += names.empty() ? "" : ", ";
    names += kind.name;
  }
  return error("task: expected one of {}; found {}", names, quote(options.name));
}

Prompt Task::sample(Split split, uint64_t index) const {
  // Each (name, difficulty, split) has its own problems, so that a curriculum does not draw the same words again.
  const uint64_t kind = derive_seed(options_.seed, text_seed(kind_->name));
  const uint64_t part = static_cast<uint64_t>(options_.difficulty) * 2 + (split == Split::kHeldOut ? 1 : 0);
  const uint64_t seed = derive_seed(derive_seed(kind, part), index);
  for (uint64_t attempt = 0; attempt < kAttemptsMax; ++attempt) {
    Draws draws(derive_seed(seed, attempt));
    Problem problem = kind_->draw(draws, options_.difficulty);
    if (is_held_out(problem.question) != (split == Split::kHeldOut)) continue;
    Prompt prompt;
    prompt.content =
        nlohmann::ordered_json::array({{{"role", "user"}, {"content", std::move(problem.question)}}});
    prompt.label = std::move(problem.label);
    prompt.metadata = std::move(problem.metadata);
    prompt.metadata["task"] = std::string(kind_->name);
    prompt.metadata["difficulty"] = options_.difficulty;
    return prompt;
  }
  INVAR_CHECK(false, "task {} has no problems of this split", kind_->name);
  return {};
}

}  // namespace invar
