#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace invar {
namespace {

using OrderedJson = nlohmann::ordered_json;

const std::string kFolder = INVAR_SOURCE_DIR "/tests/goldens/chat_templates/";

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

ChatOptions options_of(const OrderedJson& conversation) {
  ChatOptions options;
  options.bos_token = "<s>";
  options.eos_token = "</s>";
  options.now = jinja::DateTime{.year = 2024, .month = 7, .day = 6, .hour = 9, .minute = 5, .second = 3};
  for (const auto& [name, value] : conversation.items()) {
    if (name == "messages") continue;
    if (name == "tools") {
      options.tools = value;
    } else if (name == "add_generation_prompt") {
      options.add_generation_prompt = value;
    } else {
      options.extra[name] = value;
    }
  }
  return options;
}

TEST(ChatTemplate, EveryTemplateRendersEveryConversationAsTransformersDoes) {
  const OrderedJson golden = OrderedJson::parse(read(kFolder + "chats.json"));
  int rendered = 0, refused = 0;
  for (const OrderedJson& chat : golden["chats"]) {
    const std::string name =
        chat["template"].get<std::string>() + " / " + chat["conversation"].get<std::string>();
    auto parsed = ChatTemplate::parse(read(kFolder + "templates/" + chat["template"].get<std::string>()));
    ASSERT_TRUE(parsed.ok()) << name << ": " << parsed.message();
    const OrderedJson& conversation = golden["conversations"][chat["conversation"].get<std::string>()];
    const auto result = parsed->render_with_spans(conversation["messages"], options_of(conversation));
    if (chat.contains("error")) {
      EXPECT_FALSE(result.ok()) << name << ": transformers says " << chat["error"];
      ++refused;
      continue;
    }
    ASSERT_TRUE(result.ok()) << name << ": " << result.message();
    EXPECT_EQ(result.value().text, chat["text"].get<std::string>()) << name;
    std::vector<jinja::Span> spans;
    for (const OrderedJson& span : chat["spans"]) spans.push_back({span[0], span[1]});
    EXPECT_EQ(result.value().generation_spans, spans) << name;
    ++rendered;
  }
  EXPECT_GT(rendered, 100);
  EXPECT_GT(refused, 10);
}

TEST(ChatTemplate, ReasoningIsVisibleUnderBothNamesAndInTheOrderOfTransformers) {
  auto parsed = ChatTemplate::parse("{{ messages[0] }}");
  ASSERT_TRUE(parsed.ok());
  const auto text = parsed->render(OrderedJson::parse(R"([{"role": "assistant", "reasoning": "r"}])"), {});
  ASSERT_TRUE(text.ok()) << text.message();
  EXPECT_EQ(text.value(),
            "{'thinking': 'r', 'role': 'assistant', 'reasoning': 'r', 'reasoning_content': 'r'}");
}

TEST(ChatTemplate, ADateThatWasNotGivenIsAnErrorThatSaysWhatToDo) {
  auto parsed = ChatTemplate::parse("a\n{{ strftime_now('%d %b %Y') }}");
  ASSERT_TRUE(parsed.ok());
  const auto missing = parsed->render(OrderedJson::array(), {});
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.message().find("line 2"), std::string::npos) << missing.message();
  EXPECT_NE(missing.message().find("pass a date"), std::string::npos) << missing.message();
  ChatOptions options;
  options.now = jinja::DateTime{.year = 2024, .month = 2, .day = 29};
  EXPECT_EQ(parsed->render(OrderedJson::array(), options).value(), "a\n29 Feb 2024");
  options.now = jinja::DateTime{.year = 2023, .month = 2, .day = 29};
  EXPECT_FALSE(parsed->render(OrderedJson::array(), options).ok());
}

TEST(ChatTemplate, MessagesOfAnotherShapeAreRefused) {
  auto parsed = ChatTemplate::parse("x");
  ASSERT_TRUE(parsed.ok());
  EXPECT_FALSE(parsed->render(OrderedJson::object(), {}).ok());
  EXPECT_FALSE(parsed->render(OrderedJson::parse(R"(["hello"])"), {}).ok());
  EXPECT_FALSE(
      parsed->render(OrderedJson::parse(R"([{"role": "user", "content": 18446744073709551615}])"), {}).ok());
  EXPECT_FALSE(parsed->render(OrderedJson::array({{{"role", "\xff"}}}), {}).ok());
}

TEST(ChatTemplate, AGenerationBlockWhosePlaceIsUnknownHasNoSpans) {
  auto parsed = ChatTemplate::parse("{% set x %}{% generation %}a{% endgeneration %}{% endset %}{{ x }}");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->render(OrderedJson::array(), {}).value(), "a");
  EXPECT_FALSE(parsed->render_with_spans(OrderedJson::array(), {}).ok());
}

}  // namespace
}  // namespace invar
