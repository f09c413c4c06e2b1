#include "engine/stop_strings.h"

#include <algorithm>

namespace invar {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopStrings::push(std::string_view piece) {
  if (stopped_) return {};
  held_ += piece;
  // The stop that is complete first wins, the longest of those that end together: this does not depend on how
  // the text was cut into pieces, while "the one that begins first" would.
  std::size_t end = std::string::npos;
  std::size_t begin = 0;
  for (const std::string& stop : stops_) {
    const std::size_t found = held_.find(stop);
    if (found == std::string::npos || found + stop.size() > end) continue;
    begin = found + stop.size() < end ? found : std::min(begin, found);
    end = found + stop.size();
  }
  if (end != std::string::npos) {
    stopped_ = true;
    matched_ = held_.substr(begin, end - begin);
    std::string shown = held_.substr(0, begin);
    held_.clear();
    return shown;
  }
  // Keep the longest tail that is a beginning of some stop string.
  std::size_t keep = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (std::string_view(held_).substr(held_.size() - n) == std::string_view(stop).substr(0, n)) keep = n;
    }
  }
  std::string shown = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return shown;
}

std::string StopStrings::flush() {
  if (stopped_) return {};
  return std::move(held_);
}

}  // namespace invar
