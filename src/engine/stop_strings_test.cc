#include "engine/stop_strings.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

// Feeds `text` cut into pieces of `size` bytes and returns what is shown.
std::string shown(const std::vector<std::string>& stops, const std::string& text, std::size_t size) {
  StopStrings watcher(stops);
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += size) out += watcher.push(text.substr(i, size));
  return out + watcher.flush();
}

TEST(StopStrings, ShowsTextBeforeTheFirstStopHoweverItIsCut) {
  for (std::size_t size : {1, 2, 3, 5, 100}) {
    EXPECT_EQ(shown({"END", "\n\n"}, "one\ntwo END three", size), "one\ntwo ");
    EXPECT_EQ(shown({"END", "\n\n"}, "one\n\ntwo END", size), "one");
    EXPECT_EQ(shown({"aab"}, "aaab", size), "a");
    EXPECT_EQ(shown({"abc", "b"}, "xabc", size), "xa") << size;
    EXPECT_EQ(shown({"c", "abc"}, "xabc", size), "x") << size;
  }
}

TEST(StopStrings, ShowsEverythingWithoutAStop) {
  for (std::size_t size : {1, 2, 100}) {
    EXPECT_EQ(shown({"END"}, "EN EN EN", size), "EN EN EN");
    EXPECT_EQ(shown({}, "anything", size), "anything");
    EXPECT_EQ(shown({""}, "anything", size), "anything");
  }
}

}  // namespace
}  // namespace invar
