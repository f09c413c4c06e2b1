#include "text/normalizer.h"

#include <algorithm>

namespace invar {
namespace {

std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = read_code_point(text, at);
    append_lowercase(out, c.value);
    at += c.bytes;
  }
  return out;
}

std::string_view strip(std::string_view text, const StripSpace& sides) {
  const CharClassTable& table = char_classes();
  size_t begin = 0;
  while (sides.left && begin < text.size()) {
    const CodePoint c = read_code_point(text, begin);
    if (!(table[c.value] & kSpace)) break;
    begin += c.bytes;
  }
  size_t end = text.size();
  while (sides.right && end > begin) {
    const size_t last = previous_code_point(text, end);
    if (!(table[read_code_point(text, last).value] & kSpace)) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

// `head`, as in Normalizer::apply: what replaces a match stands for the match's last character.
Result<std::string> replace(const Replace& step, std::string_view text, size_t bytes_max, size_t& head) {
  INVAR_TRY(const std::vector<Match> matches, find_all(step.pattern, text));
  if (text.size() + matches.size() * step.content.size() > bytes_max) {
    return error("the Replace normalizer makes {} bytes of {}; at most {} are accepted",
                 text.size() + matches.size() * step.content.size(), text.size(), bytes_max);
  }
  std::string out;
  size_t at = 0;
  size_t new_head = head;
  for (const Match& m : matches) {
    if (m.begin < head && m.end <= head) new_head += step.content.size() - (m.end - m.begin);
    if (m.begin < head && m.end > head) new_head -= head - m.begin;
    out.append(text, at, m.begin - at).append(step.content);
    at = m.end;
  }
  head = new_head;
  return out.append(text, at, text.size() - at);
}

}  // namespace

Result<std::vector<Match>> find_all(const TextPattern& pattern, std::string_view text) {
  if (const auto* regex = std::get_if<Regex>(&pattern)) return regex->find_all(text);
  const std::string& literal = std::get<std::string>(pattern);
  INVAR_CHECK(!literal.empty());
  std::vector<Match> matches;
  for (size_t at = text.find(literal); at != text.npos; at = text.find(literal, at + literal.size())) {
    matches.push_back({at, at + literal.size()});
  }
  return matches;
}

Result<std::string> Normalizer::apply(std::string_view text, size_t bytes_max, size_t* head_bytes) const {
  std::string current(text);
  size_t head = head_bytes ? *head_bytes : 0;
  for (const NormalizerStep& step : steps) {
    if (const auto* form = std::get_if<UnicodeForm>(&step)) {
      const std::string head_alone = normalize(std::string_view(current).substr(0, head), form->form);
      current = normalize(current, form->form);
      // A head that composed with what follows it is the one character that came of it.
      if (head > 0)
        head = current.starts_with(head_alone) ? head_alone.size()
                                               : utf8_length(static_cast<unsigned char>(current[0]));
    } else if (std::holds_alternative<Lowercase>(step)) {
      head = lowercase(std::string_view(current).substr(0, head)).size();
      current = lowercase(current);
    } else if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (current.empty()) continue;
      current.insert(0, prepend->content);
      if (head > 0) head += prepend->content.size();
    } else if (const auto* sides = std::get_if<StripSpace>(&step)) {
      const std::string_view stripped = strip(current, *sides);
      head -= std::min(head, static_cast<size_t>(stripped.data() - current.data()));
      head = std::min(head, stripped.size());
      current = std::string(stripped);
    } else {
      INVAR_TRY(current, replace(std::get<Replace>(step), current, bytes_max, head));
    }
    if (current.size() > bytes_max) {
      return error("normalisation makes {} bytes of {}; at most {} are accepted", current.size(), text.size(),
                   bytes_max);
    }
  }
  if (head_bytes) *head_bytes = head;
  return current;
}

}  // namespace invar
