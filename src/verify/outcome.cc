#include "verify/outcome.h"

#include <fmt/format.h>

#include <bit>

#include "io/quote.h"

namespace invar {
namespace {

template <class T>
void append(std::string& bytes, const std::vector<T>& values) {
  const uint64_t count = values.size();
  bytes.append(reinterpret_cast<const char*>(&count), sizeof count);
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string difference_of(const char* what, const std::vector<double>& alone,
                          const std::vector<double>& here) {
  if (alone.size() != here.size())
    return fmt::format("{}s: {} alone, {} here", what, alone.size(), here.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    if (std::bit_cast<uint64_t>(alone[i]) != std::bit_cast<uint64_t>(here[i]))
      return fmt::format("{} {}: {} alone, {} here", what, i, alone[i], here[i]);
  }
  return {};
}

}  // namespace

Evidence& Evidence::operator+=(const Evidence& other) {
  preemptions += other.preemptions;
  evicted_pages += other.evicted_pages;
  cached_tokens += other.cached_tokens;
  return *this;
}

std::string identity(const Output& output) {
  std::string bytes;
  append(bytes, output.tokens);
  append(bytes, output.log_probs);
  append(bytes, output.prompt_log_probs);
  return bytes + output.text;
}

std::string first_difference(const Output& alone, const Output& here) {
  std::string found = difference_of("prompt log-prob", alone.prompt_log_probs, here.prompt_log_probs);
  if (!found.empty()) return found;
  for (std::size_t i = 0; i < std::min(alone.tokens.size(), here.tokens.size()); ++i) {
    if (alone.tokens[i] != here.tokens[i])
      return fmt::format("token {}: {} alone, {} here", i, alone.tokens[i], here.tokens[i]);
    if (i >= alone.log_probs.size() || i >= here.log_probs.size()) continue;
    if (std::bit_cast<uint64_t>(alone.log_probs[i]) != std::bit_cast<uint64_t>(here.log_probs[i]))
      return fmt::format("log-prob {}: {} alone, {} here", i, alone.log_probs[i], here.log_probs[i]);
  }
  if (alone.tokens.size() != here.tokens.size())
    return fmt::format("{} tokens alone, {} here", alone.tokens.size(), here.tokens.size());
  found = difference_of("log-prob", alone.log_probs, here.log_probs);
  if (!found.empty()) return found;
  if (alone.text != here.text) {
    std::size_t at = 0;
    while (at < alone.text.size() && at < here.text.size() && alone.text[at] == here.text[at]) ++at;
    const std::size_t begin = at < 10 ? 0 : at - 10;
    return fmt::format("text at byte {}: {} alone, {} here", at, quote(alone.text.substr(begin, 40)),
                       quote(here.text.substr(begin, 40)));
  }
  return {};
}

}  // namespace invar
