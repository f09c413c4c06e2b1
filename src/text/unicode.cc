#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "base/check.h"

namespace invar {
namespace {

struct ClassRange {
  char32_t first, last;
  uint8_t bits;
};
struct LowerRange {
  char32_t first, last;
  uint32_t step;
  int32_t delta;
};
struct StandInRange {
  char32_t first, last, stand_in;
};
struct InertRange {
  char32_t first, last;
};
#include "text/unicode_tables.inc"

// The range that holds c, or null. Ranges are sorted and do not overlap.
template <class Range, size_t n>
const Range* find_range(const Range (&ranges)[n], char32_t c) {
  const Range* r = std::partition_point(ranges, ranges + n, [c](const Range& r) { return r.last < c; });
  return r != ranges + n && r->first <= c ? r : nullptr;
}

// Appends the decomposition of c to `out` (one level of utf8proc is already the full one).
void decompose(char32_t c, utf8proc_option_t options, std::vector<utf8proc_int32_t>& out) {
  utf8proc_int32_t buffer[32];
  int boundary = 0;
  const auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer, std::size(buffer), options,
                                         &boundary);
  INVAR_CHECK(n >= 0 && n <= static_cast<utf8proc_ssize_t>(std::size(buffer)), "U+{:04X} gives {}",
              uint32_t(c), n);
  out.insert(out.end(), buffer, buffer + n);
}

int combining_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

// Canonical ordering: each run of non-starters sorted by class, equal classes in order. utf8proc's own is quadratic.
void order_marks(std::vector<utf8proc_int32_t>& text) {
  for (size_t begin = 0; begin < text.size();) {
    if (combining_class(text[begin]) == 0) {
      ++begin;
      continue;
    }
    size_t end = begin + 1;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + begin, text.begin() + end,
                     [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    begin = end;
  }
}

// Normalises what was collected and appends it to `out`; empties the collection.
void flush(std::vector<utf8proc_int32_t>& text, bool compose, std::string& out) {
  order_marks(text);
  auto n = static_cast<utf8proc_ssize_t>(text.size());
  if (compose) {
    n = utf8proc_normalize_utf32(text.data(), n,
                                 static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
    INVAR_CHECK(n >= 0, "utf8proc_normalize_utf32 gives {}", n);
  }
  for (utf8proc_ssize_t i = 0; i < n; ++i) append_utf8(out, static_cast<char32_t>(text[i]));
  text.clear();
}

}  // namespace

CharClassTable::CharClassTable() {
  page_of_.fill(0);
  pages_[0].fill(0);
  size_t pages = 1;
  size_t next = 0;
  for (size_t block = 0; block < page_of_.size(); ++block) {
    auto& page = pages_[pages];
    page.fill(0);
    for (char32_t c = static_cast<char32_t>(block * 128); c < (block + 1) * 128; ++c) {
      while (next < std::size(kClassRanges) && kClassRanges[next].last < c) ++next;
      if (next < std::size(kClassRanges) && kClassRanges[next].first <= c)
        page[c & 127] = kClassRanges[next].bits;
    }
    size_t same = 0;
    while (pages_[same] != page) ++same;
    page_of_[block] = static_cast<uint16_t>(same);
    if (same == pages) ++pages;
    INVAR_CHECK(pages < pages_.size(), "{} pages", pages);
  }
}

const CharClassTable& char_classes() {
  static const CharClassTable table;
  return table;
}

void append_lowercase(std::string& out, char32_t c) {
  if (c == 0x130) {
    out += "i\xCC\x87";
    return;
  }
  const LowerRange* r = find_range(kLowerRanges, c);
  if (r && (c - r->first) % r->step == 0) c = static_cast<char32_t>(static_cast<int32_t>(c) + r->delta);
  append_utf8(out, c);
}

std::string normalize(std::string_view text, NormalForm form) {
  const bool compose = form == NormalForm::kNFC || form == NormalForm::kNFKC;
  const bool compatible = form == NormalForm::kNFKC || form == NormalForm::kNFKD;
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                                      (compatible ? UTF8PROC_COMPAT : 0));
  std::string out;
  out.reserve(text.size());
  std::vector<utf8proc_int32_t> pending;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = read_code_point(text, at);
    at += c.bytes;
    if (c.value < 0x80 && pending.empty() &&
        (at == text.size() || static_cast<unsigned char>(text[at]) < 0x80)) {
      out += static_cast<char>(c.value);  // nothing can compose with it
    } else if (find_range(kNormalizerInert, c.value)) {
      flush(pending, compose, out);
      append_utf8(out, c.value);
    } else {
      if (c.value < 0x80)
        flush(pending, compose, out);  // an ASCII character never composes with what is before it
      decompose(c.value, options, pending);
    }
  }
  flush(pending, compose, out);
  return out;
}

std::string regex_subject(std::string_view text) {
  std::string subject;
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const CodePoint c = read_code_point(text, at);
    if (const StandInRange* r = find_range(kRegexStandIns, c.value)) {
      if (subject.empty()) subject = text;
      std::string stand_in;
      append_utf8(stand_in, r->stand_in);
      subject.replace(at, c.bytes, stand_in);
    }
    at += c.bytes;
  }
  return subject;
}

}  // namespace invar
