#include "text/jinja/template.h"

#include <gtest/gtest.h>

#include <fstream>

#include "text/jinja/repr.h"

namespace invar::jinja {
namespace {

using Json = nlohmann::ordered_json;

Result<std::string> render(std::string_view source, const Limits& limits = {},
                           const Json& variables = Json::object()) {
  INVAR_TRY(auto parsed, Template::parse(source, limits));
  INVAR_TRY(auto rendered, parsed.render(variables));
  return std::move(rendered.text);
}

TEST(Template, SnippetsRenderOrFailAsInJinja2) {
  std::ifstream file(INVAR_SOURCE_DIR "/tests/goldens/chat_templates/snippets.json");
  const Json golden = Json::parse(file);
  int rendered = 0, failed = 0;
  for (const Json& snippet : golden["snippets"]) {
    const std::string source = snippet["template"];
    const auto result = render(source, {}, golden["context"]);
    if (snippet.contains("error")) {
      EXPECT_FALSE(result.ok()) << source << "\n  gives " << (result.ok() ? result.value() : "")
                                << "\n  jinja2: " << snippet["error"];
      ++failed;
      continue;
    }
    ++rendered;
    if (!result.ok()) {
      ADD_FAILURE() << source << "\n  " << result.message() << "\n  jinja2 gives " << snippet["text"];
    } else {
      EXPECT_EQ(result.value(), snippet["text"].get<std::string>()) << source;
    }
  }
  EXPECT_GT(rendered, 500);
  EXPECT_GT(failed, 100);
}

// Each template would take unbounded time or memory; each must end with the limit's name.
TEST(Template, EveryLimitStopsATemplateWithOneLineThatNamesIt) {
  Limits small;
  small.steps_max = 200'000;
  small.bytes_max = 1 << 20;
  small.output_bytes_max = 1 << 16;
  const std::pair<const char*, const char*> cases[] = {
      {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps_max"},
      {"{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
       "bytes_max"},
      {"{% set n = namespace(s='ab') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
       "bytes_max"},
      {"{% set n = namespace(l=[1]) %}{% for i in range(99) %}{% set n.l = n.l + n.l %}{% endfor %}",
       "bytes_max"},
      {"{{ 'a' * 9999999999 }}", "bytes_max"},
      {"{{ ('aaaaaaaaaaaaaaaa' * 60000)[:10] }}{{ [1] * 999999999999 }}", "bytes_max"},
      {"{{ 'a' | indent(9999999999, true) }}", "bytes_max"},
      {"{{ '%2000000000d' % 1 }}", "bytes_max"},
      {"{{ '{:2000000000}'.format(1) }}", "bytes_max"},
      {"{{ 'a'.ljust(9999999999) }}", "bytes_max"},
      {"{{ [1] | tojson(indent=9999999999) }}", "bytes_max"},
      {"{{ [1] | batch(9999999999, 0) | list }}", "max"},
      {"{% set s = 'a' * 60000 %}{% for i in range(9) %}{{ s }}{% endfor %}", "output_bytes_max"},
      {"{{ range(100001) }}", "range_items_max"},
      {"{{ range(-9223372036854775807, 9223372036854775807) }}", "range_items_max"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "call_depth_max"},
      {"{% set n = namespace(l=[]) %}{% for i in range(500) %}{% set n.l = [n.l] %}{% endfor %}",
       "value depth"},
      {"{% set n = namespace() %}{% set n.n = n %}{{ n }}", "value depth"},
      {"{% set n = namespace(l=[1]) %}{% for i in range(90) %}{% set n.l = [n.l, n.l] %}{% endfor %}{{ n.l "
       "}}",
       "max"},
      {"{% set n = namespace(l=[1], m=[1]) %}{% for i in range(90) %}{% set n.l = [n.l, n.l] %}{% set n.m = "
       "[n.m, n.m] %}{% endfor %}{{ n.l == n.m }}",
       "steps_max"},
  };
  for (const auto& [source, limit] : cases) {
    const auto result = render(source, small);
    ASSERT_FALSE(result.ok()) << source;
    EXPECT_NE(result.message().find(limit), std::string::npos) << source << ": " << result.message();
    EXPECT_NE(result.message().find("line 1"), std::string::npos) << source << ": " << result.message();
    EXPECT_EQ(result.message().find('\n'), std::string::npos);
  }
}

TEST(Template, NestingAndLengthOfTheSourceAreBounded) {
  const auto many = [](std::string_view piece, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += piece;
    return text;
  };
  for (const std::string& source :
       {"{{ " + many("(", 100'000), "{{ " + many("[", 100'000), "{{ " + many("not ", 100'000) + "1 }}",
        "{{ " + many("-", 100'000) + "1 }}", "{{ 1" + many("+1", 100'000) + " }}",
        "{{ x" + many(".x", 100'000) + " }}", "{{ x" + many("|string", 100'000) + " }}",
        "{{ x" + many("()", 100'000) + " }}", many("{% if 1 %}", 50'000),
        "{{ " + many("1 if 1 else ", 50'000) + "1 }}", many("x", 2'000'000)}) {
    const auto result = render(source);
    ASSERT_FALSE(result.ok()) << source.substr(0, 40);
    EXPECT_NE(result.message().find("limit"), std::string::npos)
        << source.substr(0, 40) << ": " << result.message();
  }
  EXPECT_EQ(render("{{ " + many("(", 40) + "1" + many(")", 40) + " }}").value(), "1");
  EXPECT_EQ(render("{{ 1" + many("+1", 200) + " }}").value(), "201");
  EXPECT_EQ(render("{% if 0 %}" + many("{% elif 0 %}", 5'000) + "{% else %}x{% endif %}").value(), "x");
}

TEST(Template, ErrorsNameTheLine) {
  for (const auto& [source, line] :
       {std::pair{"a\nb\n{{ 1 / 0 }}\n", "line 3"},
        {"{{ 1 +\n\n }}", "line 3"},
        {"{% if 1 %}\n\n", "line 2"},
        {"\n{% nosuch %}", "line 2"},
        {"{# x\n #}\n{% macro m() %}\n{{ x.y }}\n{% endmacro %}\n{{ m() }}", "line 4"},
        {"{{ 1 }}\r\n{{ 'a' | nosuch }}", "line 2"}}) {
    const auto result = render(source);
    ASSERT_FALSE(result.ok()) << source;
    EXPECT_NE(result.message().find(line), std::string::npos) << source << ": " << result.message();
  }
}

TEST(Template, WhatIsLeftOutOfJinjaIsRefusedAndNotMisread) {
  for (const char* source :
       {"{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}",
        "{% block b %}{% endblock %}", "{% autoescape true %}{% endautoescape %}",
        "{% for x in [1] recursive %}{{ loop([]) }}{% endfor %}", "{{ range }}", "{{ 'a'.upper }}",
        "{{ range(3) }}", "{{ [1] | map('string') }}", "{{ 9223372036854775807 + 1 }}",
        "{{ 9223372036854775808 }}", "{{ '\\ud800' }}", "{{ '\\N{BULLET}' }}", "{{ [1] | random }}"}) {
    EXPECT_FALSE(render(source).ok()) << source;
  }
  EXPECT_FALSE(Template::parse("a\xff").ok());
}

TEST(Template, RenderingTwiceGivesTheSameBytesAndKeepsNoState) {
  auto parsed = Template::parse(
      "{% set n = namespace(a=0) %}{% for x in l %}{% set n.a = n.a + x %}{% endfor %}{{ n.a }}");
  ASSERT_TRUE(parsed.ok());
  const Json variables = {{"l", {1, 2, 3}}};
  EXPECT_EQ(parsed->render(variables).value().text, "6");
  EXPECT_EQ(parsed->render(variables).value().text, "6");
}

TEST(Template, SpansCoverTheBytesOfGenerationBlocks) {
  auto parsed = Template::parse("ü{% for x in l %}{% generation %}<{{ x }}>{% endgeneration %}|{% endfor %}");
  ASSERT_TRUE(parsed.ok());
  const auto rendered = parsed->render({{"l", {"ä", "b"}}});
  ASSERT_TRUE(rendered.ok());
  EXPECT_EQ(rendered.value().text, "ü<ä>|<b>|");
  EXPECT_EQ(rendered.value().generation_spans, (std::vector<Span>{{2, 6}, {7, 10}}));
}

TEST(FloatRepr, IsPythons) {
  for (const auto& [value, text] : {std::pair{0.1, "0.1"},
                                    {1e16, "1e+16"},
                                    {1e15, "1000000000000000.0"},
                                    {1.5e-7, "1.5e-07"},
                                    {0.0001, "0.0001"},
                                    {0.00001, "1e-05"},
                                    {-0.0, "-0.0"},
                                    {5e-324, "5e-324"},
                                    {1.7976931348623157e308, "1.7976931348623157e+308"}}) {
    EXPECT_EQ(float_repr(value), text);
  }
}

}  // namespace
}  // namespace invar::jinja
