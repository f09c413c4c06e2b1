#include "rl/ledger_database.h"

#include <sqlite3.h>

#include <cstring>
#include <filesystem>

namespace invar {
namespace {

constexpr int kBusyMs = 5000;

// As a URI, in which some characters have a meaning of their own.
std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(path).string()) {
    if (c == '%' || c == '?' || c == '#') {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

// SQLite quotes what it stumbled over, which in a damaged file can be anything.
std::string printable(std::string text) {
  constexpr std::size_t kLongest = 120;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  for (char& c : text) {
    if (c < ' ' || c > '~') c = ' ';
  }
  return text;
}

// What a user can do about it.
const char* advice(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL: return "; free space on the disk and run again";
    case SQLITE_IOERR: return "; see that the disk has room and is sound, and run again";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return "; check that the folder exists and its permissions";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "; another process is writing, run again when it is done";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "; the file is damaged or no ledger: restore it from a copy, or use another run folder";
    default: return "";
  }
}

}  // namespace

void Database::Close::operator()(sqlite3* db) const { sqlite3_close_v2(db); }
void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Result<Database> Database::open(const std::string& path, bool writable) {
  Database database;
  database.path_ = path;
  const auto try_open = [&database](const std::string& name, int flags) {
    sqlite3* db = nullptr;
    const int code =
        sqlite3_open_v2(name.c_str(), &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
    database.db_.reset(db);  // made on failure too: it has the message
    return code;
  };
  std::error_code ignored;
  if (!writable && !std::filesystem::is_regular_file(path, ignored))
    return error("{}: expected the ledger of a run, found no such file", path);
  // SQLite takes less than half a kilobyte for nothing, and would write over it.
  const auto bytes = std::filesystem::file_size(path, ignored);
  if (!ignored && bytes > 0 && bytes < 512)
    return error(
        "{}: expected the ledger of a run, found {} bytes: restore it from a copy, or use another run folder",
        path, bytes);
  const int flags = writable ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  if (try_open(path, flags) != SQLITE_OK) return database.failure("cannot open");
  sqlite3_busy_timeout(database.db_.get(), kBusyMs);
  if (!writable) {
    // Readers of a WAL file need its shared memory beside it. Where that cannot be made and no log is left, the file
    // alone is the whole truth.
    sqlite3_stmt* probe = nullptr;
    const int code =
        sqlite3_prepare_v2(database.db_.get(), "SELECT 1 FROM sqlite_schema", -1, &probe, nullptr);
    sqlite3_finalize(probe);
    const bool no_log = std::filesystem::file_size(path + "-wal", ignored) == 0 || ignored;
    if ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY) {
      if (!no_log)
        return error(
            "{}: cannot read: a killed run left {}-wal, and its folder cannot be written; copy both files",
            path, path);
      if (try_open(immutable_uri(path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI) != SQLITE_OK)
        return database.failure("cannot open");
    }
  }
  INVAR_RETURN_IF_ERROR(
      database.execute("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON", "cannot open"));
  return database;
}

Status Database::execute(const char* sql, std::string_view doing) {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failure(doing);
  return Ok{};
}

Result<Statement> Database::prepare(const char* sql, std::string_view doing) const {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_.get(), sql, -1, &statement, nullptr) != SQLITE_OK) return failure(doing);
  return Statement(*this, statement, std::string(doing));
}

Error Database::failure(std::string_view doing) const {
  const int code = sqlite3_extended_errcode(db_.get());
  std::string why = printable(sqlite3_errmsg(db_.get()));
  if ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN) {
    const int system = sqlite3_system_errno(db_.get());
    if (system != 0) why += fmt::format(" ({})", std::strerror(system));
  }
  return error("{}: {}: {}{}", path_, doing, why, advice(code));
}

Statement& Statement::bind(int64_t value) {
  INVAR_CHECK(sqlite3_bind_int64(statement_.get(), ++bound_, value) == SQLITE_OK, "{}, parameter {}", doing_,
              bound_);
  return *this;
}

Statement& Statement::bind(double value) {
  INVAR_CHECK(sqlite3_bind_double(statement_.get(), ++bound_, value) == SQLITE_OK, "{}, parameter {}", doing_,
              bound_);
  return *this;
}

// A text too big for SQLite (a gigabyte) stays NULL, and the NOT NULL of its column refuses it.
Statement& Statement::bind(std::string_view text) {
  const int code = sqlite3_bind_text64(statement_.get(), ++bound_, text.empty() ? "" : text.data(),
                                       text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  INVAR_CHECK(code == SQLITE_OK || code == SQLITE_TOOBIG || code == SQLITE_NOMEM, "{}, parameter {}", doing_,
              bound_);
  return *this;
}

Statement& Statement::bind(std::span<const std::byte> bytes) {
  const void* data = bytes.empty() ? static_cast<const void*>("") : bytes.data();
  const int code = sqlite3_bind_blob64(statement_.get(), ++bound_, data, bytes.size(), SQLITE_TRANSIENT);
  INVAR_CHECK(code == SQLITE_OK || code == SQLITE_TOOBIG || code == SQLITE_NOMEM, "{}, parameter {}", doing_,
              bound_);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->failure(doing_);
}

Status Statement::run() {
  INVAR_TRY(const bool row, step());
  INVAR_CHECK(!row, "{}", doing_);
  reset();
  return Ok{};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
  bound_ = 0;
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

std::string_view Statement::bytes(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? std::string_view()
                         : std::string_view(static_cast<const char*>(data), size_t(size));
}

}  // namespace invar
