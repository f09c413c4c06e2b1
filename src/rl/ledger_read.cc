// The readers of a ledger.
#include <bit>
#include <cstring>

#include "rl/ledger.h"

namespace invar {
namespace {

// A blob as numbers; false when it does not hold whole ones.
template <class T>
bool read_list(std::string_view bytes, std::vector<T>& values) {
  if (bytes.size() % sizeof(T) != 0) return false;
  values.resize(bytes.size() / sizeof(T));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return true;
}

bool read_rollout(const Statement& row, RolloutRecord& rollout) {
  rollout.prompt_id = row.integer(0);
  rollout.sample = row.integer(1);
  rollout.seed = static_cast<uint64_t>(row.integer(2));
  if (!read_list(row.bytes(3), rollout.prompt) || !read_list(row.bytes(4), rollout.tokens) ||
      !read_list(row.bytes(5), rollout.log_probs) || !read_list(row.bytes(13), rollout.token_ends))
    return false;
  rollout.reward = std::bit_cast<double>(row.integer(6));
  rollout.advantage = std::bit_cast<float>(static_cast<uint32_t>(row.integer(7)));
  rollout.kept = row.integer(8) != 0;
  rollout.finish = row.text(9);
  rollout.text = row.text(10);
  rollout.label = row.text(11);
  rollout.prompt_text = row.text(12);
  if (rollout.tokens.size() != rollout.log_probs.size()) return false;
  if (rollout.token_ends.empty()) return true;
  int32_t end = 0;
  for (const int32_t next : rollout.token_ends) {
    if (next < end || static_cast<std::size_t>(next) > rollout.text.size()) return false;
    end = next;
  }
  return rollout.token_ends.size() == rollout.tokens.size();
}

constexpr const char* kSummaries =
    "SELECT s.step, s.samples, s.tokens, h.weights, h.optimizer, h.rollouts, h.rewards, h.gradients, h.chain "
    "FROM steps s LEFT JOIN hashes h ON h.step = s.step";

StepSummary read_summary(const Statement& row) {
  return {.step = row.integer(0),
          .samples = row.integer(1),
          .tokens = row.integer(2),
          .hashes = {.weights = row.text(3),
                     .optimizer = row.text(4),
                     .rollouts = row.text(5),
                     .rewards = row.text(6),
                     .gradients = row.text(7)},
          .chain = row.text(8)};
}

}  // namespace

Result<std::vector<RunInfo>> Ledger::starts() const {
  INVAR_TRY(Statement row,
            database_.prepare("SELECT first_step, config, model_path, fingerprint, numerics_version, "
                              "profile, seed, created_at FROM runs ORDER BY id",
                              kReading));
  std::vector<RunInfo> infos;
  while (true) {
    INVAR_TRY(const bool more, row.step());
    if (!more) return infos;
    infos.push_back({.config = row.text(1),
                     .model_path = row.text(2),
                     .fingerprint = row.text(3),
                     .numerics_version = static_cast<int>(row.integer(4)),
                     .profile = row.text(5),
                     .seed = static_cast<uint64_t>(row.integer(6)),
                     .created_at = row.text(7),
                     .first_step = row.integer(0)});
  }
}

Result<RunInfo> Ledger::run_info() const {
  INVAR_TRY(std::vector<RunInfo> infos, starts());
  if (infos.empty())
    return error("{}: expected a run, found an empty ledger; the run was stopped before it began", path());
  return std::move(infos.front());
}

Result<std::vector<StepSummary>> Ledger::steps() const {
  INVAR_TRY(Statement row,
            database_.prepare(fmt::format("{} ORDER BY s.step", kSummaries).c_str(), kReading));
  std::vector<StepSummary> summaries;
  while (true) {
    INVAR_TRY(const bool more, row.step());
    if (!more) return summaries;
    summaries.push_back(read_summary(row));
  }
}

Result<std::optional<StepSummary>> Ledger::last() const {
  INVAR_TRY(Statement row,
            database_.prepare(fmt::format("{} ORDER BY s.step DESC LIMIT 1", kSummaries).c_str(), kReading));
  INVAR_TRY(const bool more, row.step());
  if (!more) return std::optional<StepSummary>();
  return std::optional(read_summary(row));
}

Result<std::vector<RolloutRecord>> Ledger::rollouts(int64_t step) const {
  INVAR_TRY(Statement count, database_.prepare("SELECT samples FROM steps WHERE step = ?", kReading));
  count.bind(step);
  INVAR_TRY(const bool known, count.step());
  if (!known) return error("{}: expected a step that was recorded, found step {}", path(), step);
  INVAR_TRY(Statement row,
            database_.prepare(
                "SELECT prompt_id, sample, seed, prompt, tokens, log_probs, reward_bits, advantage_bits, "
                "kept, finish, text, label, prompt_text, token_ends FROM rollouts WHERE step = ? "
                "ORDER BY idx",
                kReading));
  row.bind(step);
  std::vector<RolloutRecord> records;
  while (true) {
    INVAR_TRY(const bool more, row.step());
    if (!more) break;
    if (!read_rollout(row, records.emplace_back()))
      return error(
          "{}: step {}, sample {}: expected as many log-probs as tokens and ends of tokens within the text, "
          "found others; the file was changed after it was written",
          path(), step, records.size() - 1);
  }
  if (static_cast<int64_t>(records.size()) != count.integer(0))
    return error("{}: step {}: expected {} samples, found {}; the file was changed after it was written",
                 path(), step, count.integer(0), records.size());
  return records;
}

Result<NamedValues> Ledger::values(const char* sql, int64_t step) const {
  INVAR_TRY(Statement row, database_.prepare(sql, kReading));
  row.bind(step);
  NamedValues found;
  while (true) {
    INVAR_TRY(const bool more, row.step());
    if (!more) return found;
    found.emplace_back(row.text(0), std::bit_cast<double>(row.integer(1)));
  }
}

Result<Series> Ledger::series(const char* sql) const {
  INVAR_TRY(Statement row, database_.prepare(sql, kReading));
  Series found;
  while (true) {
    INVAR_TRY(const bool more, row.step());
    if (!more) return found;
    found[row.text(1)].push_back({.step = row.integer(0), .value = std::bit_cast<double>(row.integer(2))});
  }
}

Result<NamedValues> Ledger::metrics(int64_t step) const {
  return values("SELECT name, bits FROM metrics WHERE step = ? ORDER BY idx", step);
}

Result<NamedValues> Ledger::timings(int64_t step) const {
  return values("SELECT name, bits FROM timings WHERE step = ? ORDER BY idx", step);
}

Result<Series> Ledger::metrics() const {
  return series("SELECT step, name, bits FROM metrics ORDER BY step, idx");
}

Result<Series> Ledger::timings() const {
  return series("SELECT step, name, bits FROM timings ORDER BY step, idx");
}

Result<std::vector<StepEval>> Ledger::evals() const {
  INVAR_TRY(Statement row,
            database_.prepare("SELECT step, name, prompts, bits FROM evals ORDER BY step, idx", kReading));
  std::vector<StepEval> found;
  while (true) {
    INVAR_TRY(const bool more, row.step());
    if (!more) return found;
    found.push_back({.step = row.integer(0),
                     .result = {.name = row.text(1),
                                .prompts = row.integer(2),
                                .score = std::bit_cast<double>(row.integer(3))}});
  }
}

}  // namespace invar
