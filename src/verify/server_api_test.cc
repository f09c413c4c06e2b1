#include "verify/server_api.h"

#include <gtest/gtest.h>

namespace invar {
namespace {

TEST(SglangApi, AListOfOneStaysAListAndParametersAreDecimals) {
  const Case c{.text = "a", .sampling = {.temperature = 0.75f, .top_p = 0.9f, .seed = 5, .max_tokens = 3}};
  EXPECT_EQ(
      sglang_request({&c, 1}).dump(),
      R"({"return_logprob":true,"sampling_params":[{"ignore_eos":true,"max_new_tokens":3,"sampling_seed":5,)"
      R"("temperature":0.75,"top_p":0.9}],"stream":false,"text":["a"]})");
}

TEST(SglangApi, AMissingFieldIsNamed) {
  const auto message = [](const char* text, std::size_t cases) {
    const auto outputs = parse_sglang(Json::parse(text), cases, "here");
    return outputs.ok() ? std::string("ok") : outputs.message();
  };
  EXPECT_EQ(message(R"([{"text":"x","meta_info":{"output_token_logprobs":[[-1,3,null]]}}])", 1), "ok");
  EXPECT_NE(message("[]", 1).find("expected 1 outputs, found 0"), std::string::npos);
  EXPECT_NE(message("[{}]", 1).find("text"), std::string::npos);
  EXPECT_NE(message(R"([{"text":"x"}])", 1).find("meta_info"), std::string::npos);
  EXPECT_NE(message(R"([{"text":"x","meta_info":{}}])", 1).find("output_token_logprobs"), std::string::npos);
  EXPECT_NE(
      message(R"([{"text":"x","meta_info":{"output_token_logprobs":[[null,3]],"x":[[]]}}])", 2).find("2"),
      std::string::npos);
  EXPECT_NE(message(R"([{"text":"x","meta_info":{"output_token_logprobs":[[-1,-3]]}}])", 1).find("token ids"),
            std::string::npos);
}

TEST(OpenaiApi, ChoicesAreOrderedByIndexAndEachComesOnce) {
  const char* choice = R"({{"index":{},"text":"{}","logprobs":{{"token_logprobs":[-{}]}}}})";
  const auto reply = [choice](int a, int b) {
    return Json::parse("{\"choices\":[" + fmt::format(fmt::runtime(choice), a, a, a) + "," +
                       fmt::format(fmt::runtime(choice), b, b, b) + "]}");
  };
  const auto outputs = parse_openai(reply(1, 0), 2, "here");
  ASSERT_TRUE(outputs.ok()) << outputs.message();
  EXPECT_EQ(outputs->at(1).text, "1");
  EXPECT_EQ(outputs->at(1).log_probs, std::vector<double>{-1});
  EXPECT_FALSE(parse_openai(reply(1, 1), 2, "here").ok());
  EXPECT_FALSE(parse_openai(reply(1, 2), 2, "here").ok());
  EXPECT_FALSE(parse_openai(Json::parse(R"({"choices":[{"index":0,"text":"x"}]})"), 1, "here").ok());
}

}  // namespace
}  // namespace invar
