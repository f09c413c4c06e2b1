#include "rl/rewards/remote_reward.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/clock.h"
#include "io/http_testing.h"

namespace invar {
namespace {

Result<std::vector<float>> score(const RemoteReward::Options& options, std::size_t count = 1) {
  Prompt prompt;
  prompt.label = "4";
  std::vector<std::string> responses;
  std::vector<RewardInput> inputs;
  for (std::size_t i = 0; i < count; ++i) responses.push_back(std::to_string(i));
  for (const std::string& text : responses)
    inputs.push_back({.prompt = &prompt, .prompt_text = "2 + 2?", .response = text});
  auto reward = RemoteReward::make(options);
  if (!reward.ok()) return std::move(reward).take_error();
  return reward->score(inputs);
}

std::string message(const RemoteReward::Options& options) {
  const auto result = score(options);
  return result.ok() ? "ok" : result.message();
}

TEST(RemoteReward, PostsSlimesFormAndReadsANumber) {
  HttpRequestSeen seen;
  HttpTestServer server([&seen](const HttpRequestSeen& request) {
    seen = request;
    return HttpAnswer{.body = "0.25"};
  });
  const auto scores = score({.url = server.url() + "/rm"});
  ASSERT_TRUE(scores.ok()) << scores.message();
  EXPECT_EQ(*scores, std::vector<float>{0.25f});
  EXPECT_EQ(seen.method + " " + seen.target + " " + seen.content_type, "POST /rm application/json");
  EXPECT_EQ(Json::parse(seen.body), Json::parse(R"({"prompt": "2 + 2?", "response": "0", "label": "4"})"));
  ASSERT_TRUE(score({.url = server.url()}).ok());
  EXPECT_EQ(seen.target, "/");
}

TEST(RemoteReward, RewardsComeBackByIndexOverAnyNumberOfConnections) {
  HttpTestServer server([](const HttpRequestSeen& request) {
    return HttpAnswer{.body =
                          "{\"score\": " + Json::parse(request.body)["response"].get<std::string>() + "}"};
  });
  for (int64_t connections : {1, 4}) {
    const auto scores = score({.url = server.url(), .reward_key = "score", .connections = connections}, 17);
    ASSERT_TRUE(scores.ok()) << scores.message();
    for (std::size_t i = 0; i < 17; ++i) EXPECT_EQ(scores->at(i), static_cast<float>(i));
  }
}

TEST(RemoteReward, AsksAgainAfterAServersFaultButNotAfterItsOwn) {
  std::atomic<int> requests{0};
  HttpTestServer flaky([&requests](const HttpRequestSeen&) {
    return ++requests < 3 ? HttpAnswer{.status = 503, .body = "busy"} : HttpAnswer{.body = "true"};
  });
  const auto scores = score({.url = flaky.url(), .backoff_ms = 1});
  ASSERT_TRUE(scores.ok()) << scores.message();
  EXPECT_EQ(*scores, std::vector<float>{1.0f});
  EXPECT_EQ(requests, 3);
  requests = -1000;
  EXPECT_EQ(
      message({.url = flaky.url(), .attempts_max = 2, .backoff_ms = 1}),
      "reward of " + flaky.url() + ": sample 0: expected status 200, found 503 with \"busy\" (2 attempts)");
  requests = 0;
  HttpTestServer strict([&requests](const HttpRequestSeen&) {
    ++requests;
    return HttpAnswer{.status = 404, .body = "no"};
  });
  EXPECT_EQ(
      message({.url = strict.url(), .backoff_ms = 1}),
      "reward of " + strict.url() + ": sample 0: expected status 200, found 404 with \"no\" (1 attempts)");
  EXPECT_EQ(requests, 1);
}

TEST(RemoteReward, RubbishAndSilenceAreErrors) {
  std::string body;
  HttpTestServer server([&body](const HttpRequestSeen&) { return HttpAnswer{.body = body}; });
  for (const char* bad : {"", "x", "null", "\"1\"", "[1]", "{}", "NaN", "1e300", "{\"r\": null}"}) {
    body = bad;
    EXPECT_NE(message({.url = server.url(), .reward_key = "r"})
                  .find("expected a number, or an object with one under"),
              std::string::npos)
        << bad;
  }
  HttpTestServer silent([](const HttpRequestSeen&) { return HttpAnswer{.hang = true}; });
  EXPECT_EQ(message({.url = silent.url(), .timeout_s = 1, .attempts_max = 1}),
            "reward of " + silent.url() + ": sample 0: " + silent.url() +
                ": no answer in 1 s; timeout_s sets how long to wait (1 attempts)");
  EXPECT_EQ(message({.url = "https://h"}).rfind("reward url: https", 0), 0u);
  EXPECT_FALSE(RemoteReward::make({.url = "http://h", .connections = 0}).ok());
}

TEST(RemoteReward, WhoInterruptsWaitsForNoServer) {
  HttpTestServer silent([](const HttpRequestSeen&) { return HttpAnswer{.hang = true}; });
  HttpTestServer busy([](const HttpRequestSeen&) { return HttpAnswer{.status = 503, .body = "busy"}; });
  for (const std::string& url : {silent.url(), busy.url()}) {
    auto reward = RemoteReward::make({.url = url, .timeout_s = 600, .backoff_ms = 60000});
    ASSERT_TRUE(reward.ok()) << reward.message();
    const Prompt prompt;
    const std::vector<RewardInput> inputs(5, {.prompt = &prompt});
    const double begin_s = monotonic_seconds();
    const auto scores = reward->score(inputs, [begin_s] { return monotonic_seconds() > begin_s + 0.2; });
    EXPECT_EQ(scores.message(), "interrupted");
    EXPECT_LT(monotonic_seconds() - begin_s, 5);
  }
}

}  // namespace
}  // namespace invar
