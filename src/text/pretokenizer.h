// The pre-tokenizers of a tokenizer.json: a text into the pieces that BPE merges within.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "text/normalizer.h"
#include "text/splitters.h"

namespace invar {

// What becomes of the text that a pattern matches.
enum class SplitBehavior { kIsolated, kRemoved, kContiguous, kMergedWithPrevious, kMergedWithNext };

// One of the hand-written splitters; every match is a piece.
struct KnownSplit {
  Splitter splitter;
};
struct PatternSplit {
  TextPattern pattern;
  SplitBehavior behavior;
  bool invert;  // what does not match counts as matched
};
// Digits by Rust's char::is_numeric: each its own piece, or whole runs.
struct DigitSplit {
  bool individual;
};
// White space removed.
struct WhitespaceSplit {};
// A space before every piece that has none (ByteLevel's add_prefix_space).
struct PrefixSpace {};
struct Metaspace {
  std::string replacement;  // one code point, for U+0020
  enum Prepend { kFirst, kNever, kAlways } prepend;
  bool split;
};

using PreTokenizerStep =
    std::variant<KnownSplit, PatternSplit, DigitSplit, WhitespaceSplit, PrefixSpace, Metaspace>;

struct Span {
  size_t begin, end;  // byte offsets
};

// A text under division. `text` views the caller's memory until a step has to rewrite it.
struct Pieces {
  explicit Pieces(std::string_view whole, size_t head_bytes)
      : text(whole), head_bytes(head_bytes), spans{{0, whole.size()}} {}
  Pieces(const Pieces&) = delete;
  Pieces& operator=(const Pieces&) = delete;

  std::string_view text;
  size_t head_bytes;        // leading bytes that stand for the first character of the caller's input
  std::vector<Span> spans;  // in order, disjoint, none empty
  std::string rewritten;    // what `text` views after a rewrite
};

// A chain of steps, applied in order; each divides the pieces of the one before.
struct PreTokenizer {
  std::vector<PreTokenizerStep> steps;

  // Errors: those of Regex::find_all. O(n) in the text for all but PatternSplit with a regex.
  Status apply(Pieces& pieces) const;
};

}  // namespace invar
