// The little of SQLite that the ledger needs: a connection and statements whose errors are Results.
//
// Every message is one line: the file, what was being done, what SQLite or the system said, and what to do.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace invar {

// What readers were doing when a statement fails.
inline constexpr const char* kReading = "cannot read the ledger";

class Statement;

class Database {
 public:
  // For writing the file is made if it is missing. For reading it must be there; a folder that cannot be written is
  // fine as long as no writer was killed in it. Nothing is read yet: a file of another kind shows at the first
  // statement.
  static Result<Database> open(const std::string& path, bool writable);

  const std::string& path() const { return path_; }

  // One or more statements without parameters and results.
  Status execute(const char* sql, std::string_view doing);
  // Errors: `sql` names what the file does not have (it is damaged or of another program).
  Result<Statement> prepare(const char* sql, std::string_view doing) const;

  // The last failure as one line: "<path>: <doing>: <why>; <what to do>".
  Error failure(std::string_view doing) const;

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  Database() = default;
  std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
};

// A prepared statement: bind() the parameters in order, step() through the rows, reset() to run it again. It must not
// outlive its database, nor may the database move meanwhile.
class Statement {
 public:
  Statement& bind(int64_t value);
  Statement& bind(double value);                      // NaN becomes NULL: SQL has none
  Statement& bind(std::string_view text);             // copied
  Statement& bind(std::span<const std::byte> bytes);  // copied

  Result<bool> step();  // true: there is a row
  Status run();         // for a statement without rows; then reset()
  void reset();

  int64_t integer(int column) const;
  bool is_null(int column) const;
  // Valid until the next step(); empty for NULL.
  std::string_view bytes(int column) const;
  std::string text(int column) const { return std::string(bytes(column)); }

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(const Database& database, sqlite3_stmt* statement, std::string doing)
      : database_(&database), statement_(statement), doing_(std::move(doing)) {}
  const Database* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  std::string doing_;
  int bound_ = 0;
};

}  // namespace invar
