#include "io/json.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace invar {
namespace {

std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
  const Result<Json> json = parse_json(text, "c.json", limits);
  EXPECT_FALSE(json.ok()) << text;
  return json.ok() ? "" : json.message();
}

TEST(Json, ValidTextGivesTheSameDocumentAsTheLibrary) {
  const std::string_view text =
      R"( {"b": [1, -2, 2.5e3, true, null, "é\n", {"x": {}}, []], "a": 18446744073709551615, "": {"q": [[]]}} )";
  const Result<Json> json = parse_json(text, "c.json");
  ASSERT_TRUE(json.ok()) << json.message();
  EXPECT_EQ(*json, Json::parse(text));
  for (const std::string_view scalar : {"1", "\"s\"", "null", "[]", "{}"}) {
    EXPECT_EQ(*parse_json(scalar, "c.json"), Json::parse(scalar));
  }
}

TEST(Json, EveryShorterPrefixOfAnObjectIsRefusedInOneLine) {
  const std::string text = R"({"a": [1, 2.5, "x\u00e9"], "b": {"c": true, "d": null}})";
  for (std::size_t size = 0; size < text.size(); ++size) {
    const std::string message = refusal(text.substr(0, size));
    EXPECT_EQ(message.rfind("c.json: byte ", 0), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(Json, ErrorsNameTheByte) {
  EXPECT_EQ(refusal(R"({"a": tru})").rfind("c.json: byte 9: ", 0), 0u) << refusal(R"({"a": tru})");
  EXPECT_EQ(refusal("[1,]").rfind("c.json: byte 3: ", 0), 0u) << refusal("[1,]");
  EXPECT_EQ(refusal("[1] x").rfind("c.json: byte 4: ", 0), 0u) << refusal("[1] x");
  for (const std::string_view bad :
       {"[1e999]", "[NaN]", "[// c\n1]", "['a']", "[01]", "\"\xff\"", "[\"\n\"]"}) {
    const std::string message = refusal(bad);
    EXPECT_EQ(message.rfind("c.json: byte ", 0), 0u) << message;
    for (const char c : message) EXPECT_TRUE(c >= 0x20 && c <= 0x7e) << message;
  }
}

TEST(Json, ASecondKeyIsRefused) {
  EXPECT_EQ(refusal(R"({"x": {"a": 1, "b": 2, "a": 3}})"),
            "c.json: the key \"a\" occurs twice in one object");
  EXPECT_TRUE(parse_json(R"({"x": {"a": 1}, "y": {"a": 1}})", "c.json").ok());
}

TEST(Json, SizeAndDepthAreBounded) {
  EXPECT_EQ(refusal("[1, 2]", {.bytes_max = 5}), "c.json: expected at most 5 bytes of JSON, found 6");
  const std::string deep = std::string(64, '[') + std::string(64, ']');
  EXPECT_TRUE(parse_json(deep, "c.json").ok());
  EXPECT_EQ(refusal("[" + deep + "]"), "c.json: expected at most 64 nested arrays and objects");
  refusal(std::string(10'000'000, '['));
}

TEST(Json, FilesAreReadWithTheirPathInErrors) {
  const std::string path = testing::TempDir() + "json_test.json";
  std::ofstream(path) << R"({"a": 1})";
  EXPECT_EQ((*read_json_file(path))["a"], 1);
  std::ofstream(path) << R"({"a": )";
  EXPECT_EQ(read_json_file(path).message().rfind(path + ": byte 6: ", 0), 0u)
      << read_json_file(path).message();
  std::filesystem::remove(path);
  EXPECT_NE(read_json_file(path).message().find("No such file"), std::string::npos);
}

class JsonGetters : public testing::Test {
 protected:
  Json json_ = Json::parse(R"({"n": 5, "f": 0.5, "s": "abc", "t": true, "nul": null, "o": {"in": 1},
                              "list": [1, 2], "bad": [1, "x"], "big": 18446744073709551615, "long": "a\nb"})");
  JsonObject object_ = *JsonObject::from(json_, "config.json");
};

TEST_F(JsonGetters, ValuesOfTheRightTypeAreReturned) {
  EXPECT_EQ(*object_.require_int("n", 1, 5), 5);
  EXPECT_EQ(*object_.get_int("nul", 1, 5, 3), 3);
  EXPECT_EQ(*object_.require_number("n", 0, 10), 5.0);
  EXPECT_EQ(*object_.require_number("f", 0, 1), 0.5);
  EXPECT_EQ(*object_.get_number("absent", 0, 1, 0.25), 0.25);
  EXPECT_EQ(*object_.get_bool("t", false), true);
  EXPECT_EQ(*object_.get_bool("absent", true), true);
  EXPECT_EQ(*object_.require_string("s"), "abc");
  EXPECT_EQ(*object_.get_string("absent", "x"), "x");
  EXPECT_EQ(*object_.get_ints("list", 0, 9), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(*object_.get_ints("n", 0, 9), (std::vector<int64_t>{5}));
  EXPECT_TRUE(object_.get_ints("absent", 0, 9)->empty());
  EXPECT_EQ(*object_.require_object("o")->require_int("in", 0, 1), 1);
}

TEST_F(JsonGetters, ErrorsSayWhereWhatWasExpectedAndWhatWasFound) {
  EXPECT_EQ(object_.require_int("s", 1, 9).message(),
            "config.json: s: expected an integer of 1 to 9, found \"abc\"");
  EXPECT_EQ(object_.require_int("n", 1, 4).message(),
            "config.json: n: expected an integer of 1 to 4, found 5");
  EXPECT_EQ(object_.require_int("f", 0, 4).message(),
            "config.json: f: expected an integer of 0 to 4, found 0.5");
  EXPECT_EQ(object_.require_int("absent", 0, 4).message(),
            "config.json: absent: expected an integer of 0 to 4, found nothing");
  EXPECT_EQ(object_.require_int("big", 0, INT64_MAX).message(),
            "config.json: big: expected an integer of 0 to 9223372036854775807, found 18446744073709551615");
  EXPECT_EQ(object_.get_number("s", 0, 1, 0).message(),
            "config.json: s: expected a number of 0 to 1, found \"abc\"");
  EXPECT_EQ(object_.get_bool("n", false).message(), "config.json: n: expected true or false, found 5");
  EXPECT_EQ(object_.require_string("list").message(),
            "config.json: list: expected a string, found an array of 2");
  EXPECT_EQ(object_.get_ints("bad", 0, 9).message(),
            "config.json: bad: expected integers of 0 to 9, found \"x\" among them");
  EXPECT_EQ(object_.require_object("long").message(),
            "config.json: long: expected an object, found \"a\\x0ab\"");
  EXPECT_EQ(object_.require_object("o")->require_int("in", 5, 6).message(),
            "config.json: o: in: expected an integer of 5 to 6, found 1");
  EXPECT_EQ(JsonObject::from(json_["list"], "config.json").message(),
            "config.json: expected an object, found an array of 2");
}

}  // namespace
}  // namespace invar
