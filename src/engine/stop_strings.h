// StopStrings: watches a stream of text for stop strings and holds back what might become one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace invar {

class StopStrings {
 public:
  // Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  // Feeds the next piece; returns the text that is safe to show: everything before a stop string, and nothing
  // that could still be the beginning of one. After stopped(), returns nothing.
  std::string push(std::string_view piece);
  // The stream ended without a stop: what was held back.
  std::string flush();
  bool stopped() const { return stopped_; }
  const std::string& matched() const { return matched_; }  // the stop string that was met; "" before

 private:
  std::vector<std::string> stops_;
  std::string held_;
  std::string matched_;
  bool stopped_ = false;
};

}  // namespace invar
