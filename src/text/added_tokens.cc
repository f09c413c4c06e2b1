#include "text/added_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace invar {
namespace {

bool has_class(std::string_view text, size_t at, uint8_t bit) {
  return char_classes()[read_code_point(text, at).value] & bit;
}

bool touches_word(std::string_view text, size_t begin, size_t end) {
  return (begin > 0 && has_class(text, previous_code_point(text, begin), kWord)) ||
         (end < text.size() && has_class(text, end, kWord));
}

size_t skip_space_left(std::string_view text, size_t at, size_t limit) {
  while (at > limit) {
    const size_t previous = previous_code_point(text, at);
    if (!has_class(text, previous, kSpace)) break;
    at = previous;
  }
  return at;
}

size_t skip_space_right(std::string_view text, size_t at) {
  while (at < text.size() && has_class(text, at, kSpace))
    at += utf8_length(static_cast<unsigned char>(text[at]));
  return at;
}

}  // namespace

void AddedTokens::insert(const AddedToken& token) {
  INVAR_CHECK(!token.content.empty());
  uint32_t node = 0;
  for (unsigned char b : token.content) {
    auto& children = nodes_[node].children;
    const auto place =
        std::lower_bound(children.begin(), children.end(), std::pair<unsigned char, uint32_t>{b, 0});
    if (place != children.end() && place->first == b) {
      node = place->second;
      continue;
    }
    const auto next = static_cast<uint32_t>(nodes_.size());
    children.insert(place, {b, next});
    nodes_.emplace_back();
    node = next;
  }
  starts_[static_cast<unsigned char>(token.content[0])] = true;
  nodes_[node].token = static_cast<int32_t>(tokens_.size());
  tokens_.push_back(token);
}

AddedTokens::Hit AddedTokens::longest_at(std::string_view text, size_t at) const {
  Hit hit{-1, at};
  uint32_t node = 0;
  while (at < text.size()) {
    const auto& children = nodes_[node].children;
    const auto b = static_cast<unsigned char>(text[at]);
    const auto place =
        std::lower_bound(children.begin(), children.end(), std::pair<unsigned char, uint32_t>{b, 0});
    if (place == children.end() || place->first != b) break;
    node = place->second;
    ++at;
    if (nodes_[node].token >= 0) hit = {nodes_[node].token, at};
  }
  return hit;
}

std::vector<Segment> AddedTokens::find(std::string_view text, bool parse_special) const {
  std::vector<Segment> segments;
  size_t done = 0;  // everything before is in `segments`
  for (size_t at = 0; at < text.size();) {
    if (!starts_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const Hit hit = longest_at(text, at);
    if (hit.token < 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[static_cast<size_t>(hit.token)];
    size_t begin = at, end = hit.end;
    at = hit.end;
    if (token.special && !parse_special) continue;
    if (token.single_word && touches_word(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(skip_space_left(text, begin, std::min(begin, done)), done);
    if (token.rstrip) end = skip_space_right(text, end);
    if (done < begin) segments.push_back({done, begin, -1});
    segments.push_back({begin, end, token.id});
    done = end;
  }
  if (done != text.size()) segments.push_back({done, text.size(), -1});
  return segments;
}

}  // namespace invar
