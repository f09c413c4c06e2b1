#include "text/pretokenizer.h"

namespace invar {
namespace {

struct Part {
  Span span;
  bool matched;
};

// The matches in [begin, end) and what lies between them, in order.
std::vector<Part> parts_of(Span whole, const std::vector<Match>& matches, bool invert) {
  std::vector<Part> parts;
  parts.reserve(2 * matches.size() + 1);
  size_t at = whole.begin;
  for (const Match& m : matches) {
    const Span span{whole.begin + m.begin, whole.begin + m.end};
    if (at != span.begin) parts.push_back({{at, span.begin}, invert});
    parts.push_back({span, !invert});
    at = span.end;
  }
  if (at != whole.end) parts.push_back({{at, whole.end}, invert});
  return parts;
}

void push_span(std::vector<Span>& out, Span span) {
  if (span.begin != span.end) out.push_back(span);
}

// Appends to `out` the pieces that the behaviour makes of the parts. The rules, with all their corners, are those of
// `tokenizers`' NormalizedString::split.
void apply_behavior(SplitBehavior behavior, const std::vector<Part>& parts, std::vector<Span>& out) {
  std::vector<Span> spans;
  bool previous = false;
  if (behavior == SplitBehavior::kMergedWithNext) {
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      if (part->matched && !previous && !spans.empty()) {
        spans.back().begin = part->span.begin;
      } else {
        spans.push_back(part->span);
      }
      previous = part->matched;
    }
    for (auto span = spans.rbegin(); span != spans.rend(); ++span) push_span(out, *span);
    return;
  }
  for (const Part& part : parts) {
    bool merge = false;
    switch (behavior) {
      case SplitBehavior::kIsolated: break;
      case SplitBehavior::kRemoved:
        if (part.matched) continue;
        break;
      case SplitBehavior::kContiguous: merge = part.matched == previous; break;
      case SplitBehavior::kMergedWithPrevious: merge = part.matched && !previous; break;
      case SplitBehavior::kMergedWithNext: break;
    }
    if (merge && !spans.empty()) {
      spans.back().end = part.span.end;
    } else {
      spans.push_back(part.span);
    }
    previous = part.matched;
  }
  for (const Span& span : spans) push_span(out, span);
}

// Every code point of the class is a match of its own.
std::vector<Match> find_class(std::string_view text, uint8_t bits) {
  const CharClassTable& table = char_classes();
  std::vector<Match> matches;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = read_code_point(text, at);
    if (table[c.value] & bits) matches.push_back({at, at + c.bytes});
    at += c.bytes;
  }
  return matches;
}

void split_known(const KnownSplit& step, Pieces& pieces) {
  std::vector<Span> out;
  out.reserve(pieces.spans.size() + pieces.text.size() / 4);
  std::vector<size_t> ends;
  for (const Span& span : pieces.spans) {
    ends.clear();
    split(step.splitter, pieces.text.substr(span.begin, span.end - span.begin), span.begin, ends);
    size_t begin = span.begin;
    for (size_t end : ends) {
      out.push_back({begin, end});
      begin = end;
    }
  }
  pieces.spans = std::move(out);
}

// Calls find(text of the piece) -> Result<matches> on each piece and divides it by them.
template <class Find>
Status split_by(Find find, SplitBehavior behavior, bool invert, Pieces& pieces) {
  std::vector<Span> out;
  out.reserve(pieces.spans.size());
  for (const Span& span : pieces.spans) {
    INVAR_TRY(const std::vector<Match> matches, find(pieces.text.substr(span.begin, span.end - span.begin)));
    if (matches.empty() && !invert) {
      out.push_back(span);
    } else {
      apply_behavior(behavior, parts_of(span, matches, invert), out);
    }
  }
  pieces.spans = std::move(out);
  return Ok{};
}

Status split_class(uint8_t bits, SplitBehavior behavior, Pieces& pieces) {
  auto find = [bits](std::string_view text) { return Result<std::vector<Match>>(find_class(text, bits)); };
  return split_by(find, behavior, false, pieces);
}

// Rewrites each piece by rewrite(text of the piece, index, out).
template <class Rewrite>
void rewrite_pieces(Rewrite rewrite, Pieces& pieces) {
  std::string out;
  out.reserve(pieces.text.size() + pieces.spans.size());
  for (size_t i = 0; i < pieces.spans.size(); ++i) {
    Span& span = pieces.spans[i];
    const size_t begin = out.size();
    rewrite(pieces.text.substr(span.begin, span.end - span.begin), i, out);
    span = {begin, out.size()};
  }
  pieces.rewritten = std::move(out);
  pieces.text = pieces.rewritten;
}

Status apply_metaspace(const Metaspace& step, Pieces& pieces) {
  const std::vector<Span> before = pieces.spans;
  auto rewrite = [&](std::string_view piece, size_t i, std::string& out) {
    const bool has_prefix = piece.starts_with(' ') || piece.starts_with(step.replacement);
    const bool wanted = step.prepend == Metaspace::kAlways ||
                        (step.prepend == Metaspace::kFirst && before[i].begin < pieces.head_bytes);
    if (wanted && !has_prefix) out += step.replacement;
    for (char c : piece) {
      if (c == ' ') {
        out += step.replacement;
      } else {
        out += c;
      }
    }
  };
  rewrite_pieces(rewrite, pieces);
  if (!step.split) return Ok{};
  const TextPattern pattern = step.replacement;
  auto find = [&](std::string_view text) { return find_all(pattern, text); };
  return split_by(find, SplitBehavior::kMergedWithNext, false, pieces);
}

struct ApplyStep {
  Pieces& pieces;
  Status operator()(const KnownSplit& step) const {
    split_known(step, pieces);
    return Ok{};
  }
  Status operator()(const PatternSplit& step) const {
    auto find = [&](std::string_view text) { return find_all(step.pattern, text); };
    return split_by(find, step.behavior, step.invert, pieces);
  }
  Status operator()(const DigitSplit& step) const {
    return split_class(kRustNumeric, step.individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous,
                       pieces);
  }
  Status operator()(const WhitespaceSplit&) const {
    return split_class(kSpace, SplitBehavior::kRemoved, pieces);
  }
  Status operator()(const PrefixSpace&) const {
    auto rewrite = [](std::string_view piece, size_t, std::string& out) {
      if (!piece.starts_with(' ')) out += ' ';
      out += piece;
    };
    rewrite_pieces(rewrite, pieces);
    return Ok{};
  }
  Status operator()(const Metaspace& step) const { return apply_metaspace(step, pieces); }
};

}  // namespace

Status PreTokenizer::apply(Pieces& pieces) const {
  if (pieces.text.empty()) pieces.spans.clear();
  for (const PreTokenizerStep& step : steps) INVAR_RETURN_IF_ERROR(std::visit(ApplyStep{pieces}, step));
  return Ok{};
}

}  // namespace invar
