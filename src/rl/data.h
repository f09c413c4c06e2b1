// Prompt sets from JSON lines, in the conventions of slime, and the order in which a run draws from them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "rl/prompt.h"

namespace invar {

struct DataOptions {
  std::string prompt_key = "input";  // text, or a chat list
  std::string label_key = "label";
  std::string metadata_key = "metadata";  // an object
  std::string tools_key = "tools";        // a list, or one as text
  int64_t line_bytes_max = 16 << 20;
  int64_t rows_max = 1 << 24;
};

class PromptSet {
 public:
  // A .jsonl file: one object a line, blank lines skipped. A path may end in a slice as in Python, of its rows:
  // "train.jsonl@[0:1000]", "train.jsonl@[-200:]". Errors, with "path:line": a file that cannot be read, lines that
  // are no JSON objects, a prompt that is missing, empty or of another shape, limits passed, a set without rows.
  static Result<PromptSet> read(const std::string& path, const DataOptions& options = {});

  // The same from text. `where` names it in errors. Errors: as above.
  static Result<PromptSet> parse(std::string_view text, const std::string& where,
                                 const DataOptions& options = {});

  int64_t size() const { return static_cast<int64_t>(prompts_.size()); }
  const Prompt& at(int64_t row) const {
    INVAR_CHECK(row >= 0 && row < size(), "row {} of {}", row, size());
    return prompts_[static_cast<std::size_t>(row)];
  }

  // SHA-256 of the rows' lines and the key names, in hex: a run that resumes checks that its data is the same.
  const std::string& digest() const { return digest_; }

 private:
  PromptSet() = default;

  std::vector<Prompt> prompts_;
  std::string digest_;
};

// The endless order of a run's prompts: epoch after epoch, each a permutation of the rows or, unshuffled, the rows in
// order. A pure function of (seed, rows, ordinal): row i of epoch e has the key derive_seed(derive_seed(seed, e), i),
// and the epoch is the rows by (key, i). The whole state of a cursor is taken(): a run resumes by giving it back.
class DataCursor {
 public:
  struct Options {
    int64_t rows;  // >= 1
    uint64_t seed = 0;
    bool shuffle = true;
  };
  struct Pick {
    int64_t ordinal;  // of this draw in the run: 0, 1, ... over all epochs
    int64_t epoch;
    int64_t row;
  };

  explicit DataCursor(const Options& options, int64_t taken = 0);

  Pick next() { return at(taken_++); }
  Pick at(int64_t ordinal);  // any draw, without moving; keeps the order of the last epoch it was asked for
  int64_t taken() const { return taken_; }

 private:
  Options options_;
  int64_t taken_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;  // [rows] of epoch_
};

}  // namespace invar
