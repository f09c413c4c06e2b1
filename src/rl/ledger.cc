#include "rl/ledger.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>

#include "io/quote.h"
#include "rl/ledger_hashes.h"
#include "rl/ledger_schema.h"

namespace invar {
namespace {

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

bool is_hash(const std::string& text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

// A descriptor that holds the writer's lock until it is closed; the kernel closes it when the process dies.
Result<int> lock_for_writing(const std::string& path) {
  const std::string name = path + ".lock";
  const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    return error("{}: cannot open: {}; check that the folder exists and its permissions", name,
                 std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  const int why = errno;
  ::close(fd);
  if (why == EWOULDBLOCK)
    return error("{}: another process writes this run; wait for it or stop it first", path);
  return error("{}: cannot lock: {}", name, std::strerror(why));
}

Status check_same(const std::string& path, const char* what, const std::string& began,
                  const std::string& found) {
  if (began == found) return Ok{};
  return error("{}: this run began with {} {}, found {}; go on with the same, or choose another run folder",
               path, what, began, found);
}

}  // namespace

std::string ledger_path(const std::string& run) {
  std::error_code ignored;
  return std::filesystem::is_directory(run, ignored) ? (std::filesystem::path(run) / "run.db").string() : run;
}

Ledger::Ledger(Ledger&& other) noexcept
    : database_(std::move(other.database_)), lock_(std::exchange(other.lock_, -1)), begun_(other.begun_) {}

Ledger::~Ledger() {
  if (lock_ >= 0) ::close(lock_);
}

Result<Ledger> Ledger::open(const std::string& path, LedgerMode mode) {
  int lock = -1;
  if (mode == LedgerMode::kWrite) {
    INVAR_TRY(lock, lock_for_writing(path));
  }
  auto database = Database::open(path, mode == LedgerMode::kWrite);
  if (!database.ok()) {
    if (lock >= 0) ::close(lock);
    return std::move(database).take_error();
  }
  Ledger ledger(*std::move(database), lock);
  if (mode == LedgerMode::kWrite) INVAR_RETURN_IF_ERROR(ledger.prepare_file());
  INVAR_RETURN_IF_ERROR(ledger.check_version());
  INVAR_RETURN_IF_ERROR(ledger.check_chain());
  return ledger;
}

// Makes an empty file a ledger; checks every page of another.
Status Ledger::prepare_file() {
  bool empty = false;
  {
    INVAR_TRY(Statement count, database_.prepare("SELECT count(*) FROM sqlite_schema", kReading));
    INVAR_TRY(const bool row, count.step());
    empty = row && count.integer(0) == 0;
  }
  if (!empty) {
    INVAR_RETURN_IF_ERROR(check_version());
    INVAR_TRY(Statement check, database_.prepare("PRAGMA quick_check(1)", kReading));
    INVAR_TRY(const bool row, check.step());
    if (!row || check.bytes(0) != "ok")
      return error("{}: the file is damaged ({}): restore it from a copy, or use another run folder", path(),
                   row ? quote(check.text(0)) : "no answer");
  }
  INVAR_RETURN_IF_ERROR(database_.execute("PRAGMA journal_mode = WAL", "cannot write the ledger"));
  INVAR_RETURN_IF_ERROR(database_.execute("PRAGMA synchronous = FULL", "cannot write the ledger"));
  if (!empty) return Ok{};
  return transact("cannot make the ledger",
                  [this] { return database_.execute(kLedgerSchema, "cannot make the ledger"); });
}

Status Ledger::check_version() const {
  INVAR_TRY(Statement application, database_.prepare("PRAGMA application_id", kReading));
  INVAR_TRY(const bool has_application, application.step());
  INVAR_TRY(Statement version, database_.prepare("PRAGMA user_version", kReading));
  INVAR_TRY(const bool has_version, version.step());
  if (!has_application || application.integer(0) != kLedgerApplication)
    return error(
        "{}: expected the ledger of a run, found another SQLite file, or a run that was stopped before it "
        "began",
        path());
  if (!has_version || version.integer(0) != kLedgerVersion)
    return error("{}: expected a ledger of version {}, found version {}; use the program that wrote it",
                 path(), kLedgerVersion, version.integer(0));
  return Ok{};
}

Status Ledger::check_chain() const {
  INVAR_TRY(const std::vector<StepSummary> all, steps());
  std::string previous = chain_start();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const StepSummary& step = all[i];
    if (i > 0 && step.step != all[i - 1].step + 1)
      return error(
          "{}: expected step {} after step {}, found step {}; the file was changed after it was written",
          path(), all[i - 1].step + 1, all[i - 1].step, step.step);
    const std::string expected = chain_hash(previous, step.step, step.hashes);
    if (step.chain != expected)
      return error(
          "{}: step {}: its hashes give the chain hash {:.16}..., found {}; the file was changed after it "
          "was "
          "written",
          path(), step.step, expected, quote(std::string_view(step.chain).substr(0, 16)));
    previous = step.chain;
  }
  return Ok{};
}

template <class Body>
Status Ledger::transact(const std::string& doing, Body&& body) {
  INVAR_RETURN_IF_ERROR(database_.execute("BEGIN IMMEDIATE", doing));
  Status status = body();
  if (status.ok()) status = database_.execute("COMMIT", doing);
  if (!status.ok()) {
    // SQLite may have rolled back by itself; then this one fails, and nothing is lost by it.
    (void)database_.execute("ROLLBACK", doing);
  }
  return status;
}

Status Ledger::check_run(const RunInfo& info) const {
  INVAR_TRY(const std::vector<RunInfo> before, starts());
  if (before.empty()) return Ok{};
  const RunInfo& began = before.front();
  INVAR_RETURN_IF_ERROR(check_same(path(), "the model", began.fingerprint, info.fingerprint));
  INVAR_RETURN_IF_ERROR(check_same(path(), "numerics version", std::to_string(began.numerics_version),
                                   std::to_string(info.numerics_version)));
  INVAR_RETURN_IF_ERROR(check_same(path(), "profile", began.profile, info.profile));
  return check_same(path(), "seed", std::to_string(began.seed), std::to_string(info.seed));
}

Status Ledger::begin(const RunInfo& info) {
  INVAR_RETURN_IF_ERROR(check_run(info));
  INVAR_RETURN_IF_ERROR(transact("cannot record the start of the run", [&]() -> Status {
    INVAR_TRY(Statement insert,
              database_.prepare(
                  "INSERT INTO runs (first_step, config, model_path, fingerprint, numerics_version, profile, "
                  "seed, created_at) VALUES ((SELECT coalesce(max(step) + 1, 0) FROM steps), ?, ?, ?, ?, ?, "
                  "?, ?)",
                  "cannot record the start of the run"));
    insert.bind(info.config).bind(info.model_path).bind(info.fingerprint);
    insert.bind(int64_t{info.numerics_version}).bind(info.profile).bind(static_cast<int64_t>(info.seed));
    insert.bind(info.created_at);
    return insert.run();
  }));
  begun_ = true;
  return Ok{};
}

Result<std::string> Ledger::append(const StepRecord& record) {
  INVAR_CHECK(begun_, "append() before begin()");
  for (const std::string* hash : {&record.hashes.weights, &record.hashes.optimizer, &record.hashes.gradients})
    INVAR_CHECK(is_hash(*hash), "step {}: hash '{}'", record.step, *hash);
  for (const RolloutRecord& rollout : record.rollouts) {
    INVAR_CHECK(rollout.tokens.size() == rollout.log_probs.size(), "step {}: {} tokens, {} log-probs",
                record.step, rollout.tokens.size(), rollout.log_probs.size());
    INVAR_CHECK(rollout.token_ends.empty() || rollout.token_ends.size() == rollout.tokens.size(), "step {}",
                record.step);
  }
  StepHashes hashes = record.hashes;
  hashes.rollouts = hash_rollouts(record.rollouts);
  hashes.rewards = hash_rewards(record.rollouts);
  std::string chain;
  INVAR_RETURN_IF_ERROR(transact(fmt::format("step {} is not recorded", record.step), [&]() -> Status {
    INVAR_TRY(const std::optional<StepSummary> before, last());
    if (before ? record.step != before->step + 1 : record.step < 0)
      return error(
          "{}: step {} is not recorded: expected {}; resume from a checkpoint of the last step recorded",
          path(), record.step, before ? fmt::format("step {}", before->step + 1) : "a step of 0 or more");
    chain = chain_hash(before ? before->chain : chain_start(), record.step, hashes);
    return insert(record, hashes, chain);
  }));
  return chain;
}

Status Ledger::insert(const StepRecord& record, const StepHashes& hashes, const std::string& chain) {
  const std::string doing = fmt::format("step {} is not recorded", record.step);
  int64_t tokens = 0;
  for (const RolloutRecord& rollout : record.rollouts) tokens += static_cast<int64_t>(rollout.tokens.size());
  INVAR_TRY(Statement step, database_.prepare("INSERT INTO steps VALUES (?, ?, ?)", doing));
  INVAR_RETURN_IF_ERROR(
      step.bind(record.step).bind(static_cast<int64_t>(record.rollouts.size())).bind(tokens).run());
  INVAR_TRY(Statement row, database_.prepare("INSERT INTO hashes VALUES (?, ?, ?, ?, ?, ?, ?)", doing));
  row.bind(record.step)
      .bind(hashes.weights)
      .bind(hashes.optimizer)
      .bind(hashes.rollouts)
      .bind(hashes.rewards);
  INVAR_RETURN_IF_ERROR(row.bind(hashes.gradients).bind(chain).run());
  INVAR_RETURN_IF_ERROR(insert_rollouts(record));
  INVAR_RETURN_IF_ERROR(
      insert_values("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", record.step, record.metrics));
  INVAR_RETURN_IF_ERROR(
      insert_values("INSERT INTO timings VALUES (?, ?, ?, ?, ?)", record.step, record.timings));
  INVAR_TRY(Statement eval, database_.prepare("INSERT INTO evals VALUES (?, ?, ?, ?, ?, ?)", doing));
  for (std::size_t i = 0; i < record.evals.size(); ++i) {
    const EvalResult& result = record.evals[i];
    eval.bind(record.step)
        .bind(static_cast<int64_t>(i))
        .bind(result.name)
        .bind(result.prompts)
        .bind(result.score);
    INVAR_RETURN_IF_ERROR(eval.bind(std::bit_cast<int64_t>(result.score)).run());
  }
  return Ok{};
}

Status Ledger::insert_rollouts(const StepRecord& record) {
  INVAR_TRY(
      Statement row,
      database_.prepare("INSERT INTO rollouts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        fmt::format("step {} is not recorded", record.step)));
  for (std::size_t i = 0; i < record.rollouts.size(); ++i) {
    const RolloutRecord& rollout = record.rollouts[i];
    row.bind(record.step).bind(static_cast<int64_t>(i)).bind(rollout.prompt_id).bind(rollout.sample);
    row.bind(static_cast<int64_t>(rollout.seed))
        .bind(bytes_of(rollout.prompt))
        .bind(bytes_of(rollout.tokens));
    row.bind(bytes_of(rollout.log_probs)).bind(rollout.reward).bind(std::bit_cast<int64_t>(rollout.reward));
    row.bind(double{rollout.advantage}).bind(int64_t{std::bit_cast<uint32_t>(rollout.advantage)});
    row.bind(int64_t{rollout.kept ? 1 : 0}).bind(rollout.finish).bind(rollout.text).bind(rollout.label);
    INVAR_RETURN_IF_ERROR(row.bind(rollout.prompt_text).bind(bytes_of(rollout.token_ends)).run());
  }
  return Ok{};
}

Status Ledger::insert_values(const char* sql, int64_t step, const NamedValues& values) {
  INVAR_TRY(Statement row, database_.prepare(sql, fmt::format("step {} is not recorded", step)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto& [name, value] = values[i];
    row.bind(step).bind(static_cast<int64_t>(i)).bind(name).bind(value);
    INVAR_RETURN_IF_ERROR(row.bind(std::bit_cast<int64_t>(value)).run());
  }
  return Ok{};
}

Status Ledger::forget_after(int64_t step) {
  const std::string doing = fmt::format("cannot forget the steps after {}", step);
  return transact(doing, [&]() -> Status {
    for (const char* sql : {"DELETE FROM steps WHERE step > ?", "DELETE FROM hashes WHERE step > ?",
                            "DELETE FROM rollouts WHERE step > ?", "DELETE FROM metrics WHERE step > ?",
                            "DELETE FROM evals WHERE step > ?", "DELETE FROM timings WHERE step > ?"}) {
      INVAR_TRY(Statement forget, database_.prepare(sql, doing));
      INVAR_RETURN_IF_ERROR(forget.bind(step).run());
    }
    return Ok{};
  });
}

}  // namespace invar
