#include "rl/data.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "base/seed_testing.h"

namespace invar {
namespace {

std::string message_of(std::string_view text, const DataOptions& options = {}) {
  const auto set = PromptSet::parse(text, "f", options);
  return set.ok() ? "ok" : set.message();
}

TEST(PromptSet, ReadsPromptsLabelsMetadataAndTools) {
  const auto set = PromptSet::parse(
      "{\"input\": \"2 + 2?\", \"label\": \"4\"}\r\n"
      "\n"
      R"({"input": [{"role": "user", "content": "hi", "a": 1}], "label": 7, "metadata": {"k": [1]}, "more": 0})"
      "\n"
      R"({"input": "x", "tools": [{"z": 1, "a": 2}]})"
      "\n"
      R"({"input": "x", "tools": "[{\"z\": 1, \"a\": 2}]", "label": null})",
      "f");
  ASSERT_TRUE(set.ok()) << set.message();
  ASSERT_EQ(set->size(), 4);
  EXPECT_EQ(set->at(0).content, "2 + 2?");
  EXPECT_EQ(label_text(set->at(0).label), "4");
  EXPECT_TRUE(set->at(0).metadata.is_object() && set->at(0).metadata.empty());
  EXPECT_EQ(set->at(1).content.dump(),
            R"([{"role":"user","content":"hi","a":1}])");  // keys as they were written
  EXPECT_EQ(label_text(set->at(1).label), "7");
  EXPECT_EQ(set->at(1).metadata.dump(), R"({"k":[1]})");
  EXPECT_EQ(set->at(2).tools.dump(), R"([{"z":1,"a":2}])");
  EXPECT_EQ(set->at(3).tools, set->at(2).tools);
  EXPECT_EQ(label_text(set->at(3).label), "");
}

TEST(PromptSet, KeysHaveTheNamesThatTheUserGives) {
  const DataOptions options{.prompt_key = "q", .label_key = "a", .metadata_key = "m", .tools_key = "t"};
  const auto set = PromptSet::parse(R"({"q": "x", "a": "y", "m": {"n": 1}, "label": "no"})", "f", options);
  ASSERT_TRUE(set.ok()) << set.message();
  EXPECT_EQ(set->at(0).label, "y");
  EXPECT_EQ(set->at(0).metadata["n"], 1);
}

TEST(PromptSet, FaultsAreNamedWithTheirLine) {
  EXPECT_EQ(message_of(""), "f: expected at least one row, found none");
  EXPECT_EQ(message_of("\n \n"), "f: expected at least one row, found none");
  EXPECT_EQ(message_of("{\"input\": \"x\"}\n\n{\"prompt\": \"x\", \"answer\": 1}"),
            "f:3: expected a prompt under the key \"input\", found the keys \"answer\", \"prompt\"; "
            "prompt_key names "
            "the key");
  EXPECT_EQ(
      message_of("{}"),
      "f:1: expected a prompt under the key \"input\", found an empty object; prompt_key names the key");
  EXPECT_EQ(message_of("{\"input\": \"\"}"), "f:1: input: expected a prompt, found empty text");
  EXPECT_EQ(message_of("{\"input\": []}"), "f:1: input: expected at least one message, found an empty list");
  EXPECT_EQ(message_of("{\"input\": [1]}"), "f:1: input[0]: expected a message, an object with a role");
  EXPECT_EQ(message_of("{\"input\": [{\"content\": \"x\"}]}"),
            "f:1: input[0]: expected a role such as \"user\", found none");
  EXPECT_EQ(message_of("{\"input\": [{\"role\": \"user\", \"content\": 5}]}"),
            "f:1: input[0]: expected content that is text or a list of parts");
  EXPECT_EQ(message_of("{\"input\": 5}"), "f:1: input: expected text or a list of messages, found 5");
  EXPECT_EQ(message_of("{\"input\": \"x\", \"metadata\": []}"),
            "f:1: metadata: expected an object, found an array of 0");
  EXPECT_EQ(message_of("{\"input\": \"x\", \"tools\": \"{}\"}"),
            "f:1: tools: expected a list of tools, or one as text");
  EXPECT_EQ(message_of("[1]").rfind("f:1", 0), 0u);
  EXPECT_EQ(message_of("{\"input\": \"x\"}\n{\"input\": ").rfind("f:2: byte", 0), 0u);
  EXPECT_EQ(message_of("{\"input\": \"long enough\"}", {.line_bytes_max = 10}),
            "f:1: expected lines of at most 10 bytes, found 24");
  EXPECT_EQ(message_of("{\"input\": \"x\"}\n{\"input\": \"x\"}", {.rows_max = 1}),
            "f:2: expected at most 1 rows, found more");
}

class PromptFileTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "invar_prompts_" + std::to_string(::getpid()) + ".jsonl";
    std::ofstream out(path_);
    for (int i = 0; i < 10; ++i) out << "{\"input\": \"" << i << "\"}\n";
  }
  void TearDown() override { std::filesystem::remove(path_); }

  // The rows of path_ + slice, as one text.
  std::string rows(const std::string& slice) const {
    const auto set = PromptSet::read(path_ + slice);
    if (!set.ok()) return set.message();
    std::string text;
    for (int64_t i = 0; i < set->size(); ++i) text += set->at(i).content.get<std::string>();
    return text;
  }

  std::string path_;
};

TEST_F(PromptFileTest, ASliceTakesItsRowsAsInPython) {
  EXPECT_EQ(rows(""), "0123456789");
  EXPECT_EQ(rows("@[2:5]"), "234");
  EXPECT_EQ(rows("@[:3]"), "012");
  EXPECT_EQ(rows("@[-3:]"), "789");
  EXPECT_EQ(rows("@[:-8]"), "01");
  EXPECT_EQ(rows("@[8:99]"), "89");
  EXPECT_EQ(rows("@[:]"), "0123456789");
  EXPECT_EQ(rows("@[5:5]"), path_ + ": expected a slice with rows in it; of 10 rows it takes none");
  EXPECT_EQ(rows("@[1]"), path_ + ": expected a slice of rows such as @[0:100] or @[-50:], found \"@[1]\"");
  EXPECT_EQ(rows("@[a:]"), path_ + ": expected a slice of rows such as @[0:100] or @[-50:], found \"@[a:]\"");
}

TEST_F(PromptFileTest, TheDigestKnowsTheRowsAndTheKeys) {
  const auto digest = [this](const std::string& slice, const DataOptions& options = {}) {
    return PromptSet::read(path_ + slice, options)->digest();
  };
  EXPECT_EQ(digest(""), digest("@[0:10]"));
  EXPECT_NE(digest(""), digest("@[0:9]"));
  EXPECT_NE(digest(""), digest("", {.label_key = "answer"}));
  EXPECT_EQ(digest("").size(), 64u);
}

TEST_F(PromptFileTest, WhatCannotBeReadIsNamed) {
  EXPECT_EQ(PromptSet::read("/no/such.jsonl").message(),
            "/no/such.jsonl: cannot open: No such file or directory");
  EXPECT_NE(PromptSet::read("x.parquet").message().find("Parquet is not read here"), std::string::npos);
  std::ofstream(path_, std::ios::trunc).flush();
  EXPECT_EQ(PromptSet::read(path_).message(), path_ + ": the file is empty");
}

TEST(DataCursor, EveryEpochIsAPermutationAndNoTwoAreTheSame) {
  const uint64_t seed = run_seed();
  DataCursor cursor({.rows = 50, .seed = seed});
  std::vector<int64_t> last;
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < 50; ++i) {
      const DataCursor::Pick pick = cursor.next();
      EXPECT_EQ(pick.epoch, epoch);
      EXPECT_EQ(pick.ordinal, epoch * 50 + i);
      rows.push_back(pick.row);
    }
    EXPECT_NE(rows, last);
    last = rows;
    std::sort(rows.begin(), rows.end());
    std::vector<int64_t> all(50);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(rows, all);
  }
}

TEST(DataCursor, ResumesWhereItWasFromOneNumber) {
  const uint64_t seed = run_seed();
  DataCursor straight({.rows = 7, .seed = seed});
  for (int64_t taken = 0; taken < 30; ++taken) {
    DataCursor resumed({.rows = 7, .seed = seed}, taken);
    EXPECT_EQ(resumed.taken(), taken);
    EXPECT_EQ(resumed.next().row, straight.next().row) << taken;
  }
  EXPECT_EQ(straight.at(3).row, DataCursor({.rows = 7, .seed = seed}).at(3).row);
  EXPECT_EQ(straight.taken(), 30);
}

TEST(DataCursor, TheOrderIsFixedAndASeedChangesIt) {
  const auto order = [](uint64_t seed, bool shuffle) {
    DataCursor cursor({.rows = 8, .seed = seed, .shuffle = shuffle});
    std::string rows;
    for (int i = 0; i < 16; ++i) rows += std::to_string(cursor.next().row);
    return rows;
  };
  EXPECT_EQ(order(1, false), "0123456701234567");
  EXPECT_EQ(order(1, true), "6352014772410356");
  EXPECT_NE(order(1, true), order(2, true));
}

}  // namespace
}  // namespace invar
