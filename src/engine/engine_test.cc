#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/engine_testing.h"

namespace invar {
namespace {

TEST(Engine, NoRequestsGiveNoResults) { EXPECT_TRUE(Machine().run({}).empty()); }

TEST(Engine, RequestsThatCannotRunAreRefused) {
  Machine machine;
  EXPECT_NE(machine.refusal(Request{}).find("the prompt is empty"), std::string::npos);
  Request unknown = request_of(3, 3);
  unknown.prompt[1] = kVocab;
  EXPECT_NE(machine.refusal(unknown).find("unknown token id 199"), std::string::npos);
  unknown.prompt[1] = -1;
  EXPECT_NE(machine.refusal(unknown).find("unknown token id -1"), std::string::npos);
  Request sampling = request_of(3, 3);
  sampling.sampling.top_p = 0;
  EXPECT_NE(machine.refusal(sampling).find("top_p"), std::string::npos);
  EXPECT_NE(machine.refusal(request_of(kContext, 1)).find("context of 2048"), std::string::npos);
  EXPECT_EQ(machine.refusal(request_of(kContext - 1, 1)), "");
}

TEST(Engine, RunRunsNothingWhenOneRequestIsRefused) {
  Machine machine;
  int calls = 0;
  Request good = request_of(3, 3);
  good.on_token = [&](const TokenEvent&) { return ++calls > 0; };
  const auto results = machine.engine->run({good, Request{}});
  ASSERT_FALSE(results.ok());
  EXPECT_NE(results.message().find("request 1"), std::string::npos);
  EXPECT_FALSE(machine.engine->step());
  EXPECT_EQ(calls, 0);
}

TEST(Engine, ARequestLargerThanTheCacheIsRefused) {
  Machine machine({.page_size = 16, .pages = 3});
  EXPECT_EQ(machine.refusal(request_of(40, 8)), "");
  EXPECT_NE(machine.refusal(request_of(40, 9)).find("KV cache"), std::string::npos);
}

TEST(Engine, RequestsWaitForPagesAndGetTheBitsTheyHaveAlone) {
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 6; ++i) requests.push_back(request_of(5 + static_cast<int64_t>(i) * 9, 12, i));
  const auto alone = each_alone(requests);
  for (int64_t pages : {4, 5, 9, 100}) {
    Machine machine({.prefill_rows = 20, .page_size = 16, .pages = pages});
    for (int round = 0; round < 2; ++round) {
      const auto results = machine.run(requests);
      for (std::size_t i = 0; i < requests.size(); ++i) expect_same(results[i], alone[i]);
    }
  }
}

TEST(Engine, BatchPlacesAreNeverExceeded) {
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 5; ++i) requests.push_back(request_of(4, 3, i));
  Machine machine({.max_running = 1});
  std::vector<std::size_t> order;
  const auto results = machine.run(requests, [&](std::size_t i, int32_t) {
    order.push_back(i);
    return true;
  });
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order.size(), 15u);
}

TEST(Engine, AConversationReusesItsPagesAndKeepsItsBits) {
  Machine machine({.page_size = 16});
  Request turn = request_of(50, 20);
  for (int i = 0; i < 6; ++i) {
    const auto result = machine.run({turn}).front();
    expect_same(result, Machine().run({turn}).front());
    EXPECT_EQ(machine.prefill_rows() + machine.cached_tokens(), static_cast<int64_t>(turn.prompt.size()));
    // All of the last turn but its last token, which was drawn and never computed.
    if (i > 0) {
      EXPECT_EQ(machine.cached_tokens(), static_cast<int64_t>(turn.prompt.size()) - 6);
    }
    turn.prompt.insert(turn.prompt.end(), result.tokens.begin(), result.tokens.end());
    for (int32_t token : {3, 1, 4, 1, 5}) turn.prompt.push_back(token);
  }
}

TEST(Engine, APrefixThatEndsInsideAPageIsReusedAndKeepsItsBits) {
  const Request first = request_of(70, 5);
  for (int64_t shared : {69, 33, 32, 31, 1}) {
    Request next = request_of(80, 6);
    next.prompt[shared] = (next.prompt[shared] + 1) % static_cast<int32_t>(kVocab);
    Machine machine({.page_size = 32});
    machine.run({first});
    expect_same(machine.run({next}).front(), Machine().run({next}).front());
    EXPECT_EQ(machine.cached_tokens(), shared);
    // The page that was copied from has kept its own tokens.
    expect_same(machine.run({first}).front(), Machine().run({first}).front());
  }
}

TEST(Engine, TheSamePromptAgainIsComputedFromItsLastTokenOnly) {
  Machine machine;
  const Request request = request_of(40, 4);
  const auto first = machine.run({request}).front();
  expect_same(machine.run({request}).front(), first);
  EXPECT_EQ(machine.prefill_rows(), 1);
}

TEST(Engine, PromptLogProbsComputeTheWholePrompt) {
  Machine machine;
  Request request = request_of(40, 4);
  const auto without = machine.run({request}).front();
  request.prompt_log_probs = true;
  const auto with = machine.run({request}).front();
  EXPECT_EQ(with.prompt_log_probs.size(), 39u);
  EXPECT_EQ(machine.cached_tokens(), 0);
  EXPECT_EQ(with.tokens, without.tokens);
}

TEST(Engine, PromptLogProbsAreEqualForEveryChunking) {
  Request request = request_of(150, 3);
  request.prompt_log_probs = true;
  const auto whole = Machine({.prefill_rows = 512}).run({request, request});
  EXPECT_EQ(whole[0].prompt_log_probs.size(), 149u);
  for (int64_t rows : {1, 2, 7, 64, 65, 149, 150}) {
    for (const auto& result : Machine({.prefill_rows = rows}).run({request, request}))
      expect_same(result, whole[0]);
  }
}

// A drawn token's log-prob is that of a prompt that already holds it, at temperature 1.
TEST(Engine, LogProbsOfAnAnswerAreThePromptLogProbsOfTheSameTokens) {
  Request request = request_of(20, 10);
  const auto answer = Machine().run({request}).front();
  Request scored = request;
  scored.prompt.insert(scored.prompt.end(), answer.tokens.begin(), answer.tokens.end());
  scored.prompt_log_probs = true;
  scored.sampling.max_tokens = 1;
  const auto found = Machine().run({scored}).front().prompt_log_probs;
  EXPECT_EQ(bits({found.end() - 10, found.end()}), bits(answer.log_probs));
}

TEST(Engine, SamplesDifferAndEachIsWhatItIsAlone) {
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 5; ++i) {
    requests.push_back(request_of(12, 16));
    requests.back().first_sample = i;
  }
  const auto results = Machine().run(requests);
  const auto alone = each_alone(requests);
  std::set<std::vector<int32_t>> texts;
  for (std::size_t i = 0; i < results.size(); ++i) {
    expect_same(results[i], alone[i]);
    texts.insert(results[i].tokens);
  }
  EXPECT_EQ(texts.size(), results.size());
}

TEST(Engine, GreedySamplesAreEqual) {
  Request request = request_of(12, 16, 1, 0);
  Request other = request;
  other.first_sample = 3;
  other.sampling.seed = 99;
  const auto results = Machine().run({request, other});
  expect_same(results[0], results[1]);
}

TEST(Engine, FinishReasonsSayWhatEndedARequest) {
  const Request request = request_of(12, 16);
  const auto whole = Machine().run({request}).front();
  EXPECT_EQ(whole.finish, FinishReason::kLength);
  EXPECT_EQ(whole.tokens.size(), 16u);
  const auto first_of = [&](int32_t token) {
    return static_cast<std::size_t>(std::find(whole.tokens.begin(), whole.tokens.end(), token) -
                                    whole.tokens.begin()) +
           1;
  };

  const int32_t stop = whole.tokens[6];
  Request stopped = request;
  stopped.sampling.stop_token_ids = {stop};
  const auto by_id = Machine().run({stopped}).front();
  EXPECT_EQ(by_id.finish, FinishReason::kStop);
  EXPECT_EQ(by_id.tokens.size(), first_of(stop));
  EXPECT_EQ(by_id.tokens.back(), stop);

  expect_same(Machine({.eos_ids = {stop}}).run({request}).front(), by_id);
  Request ignoring = request;
  ignoring.sampling.ignore_eos = true;
  expect_same(Machine({.eos_ids = {stop}}).run({ignoring}).front(), whole);

  const auto by_callback =
      Machine().run({request}, [&](std::size_t, int32_t token) { return token != stop; });
  expect_same(by_callback.front(), by_id);
}

TEST(Engine, MinTokensForbidsEveryEndBeforeThem) {
  const auto whole = Machine().run({request_of(12, 16)}).front();
  Request request = request_of(12, 16);
  request.sampling.stop_token_ids = {whole.tokens[0]};
  request.sampling.min_tokens = 5;
  const std::vector<int32_t> eos = {whole.tokens[1], whole.tokens[2]};
  const auto result = Machine({.eos_ids = eos}).run({request}).front();
  ASSERT_GE(result.tokens.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_NE(result.tokens[i], whole.tokens[0]);
    EXPECT_NE(result.tokens[i], eos[0]);
    EXPECT_NE(result.tokens[i], eos[1]);
  }
}

TEST(Engine, LogitBiasForbidsAndForcesTokens) {
  const auto whole = Machine().run({request_of(12, 8)}).front();
  Request forbidden = request_of(12, 8);
  for (int32_t token : std::set<int32_t>(whole.tokens.begin(), whole.tokens.end())) {
    forbidden.sampling.logit_bias.push_back({.token = token, .bias = -100});
  }
  const auto others = Machine().run({forbidden}).front();
  for (int32_t token : others.tokens) {
    EXPECT_EQ(std::count(whole.tokens.begin(), whole.tokens.end(), token), 0);
  }
  Request forced = request_of(12, 8);
  forced.sampling.logit_bias = {{.token = 42, .bias = 100}};
  EXPECT_EQ(Machine().run({forced}).front().tokens, std::vector<int32_t>(8, 42));
}

// With a bias that leaves two tokens, the greatest frequency penalty makes them take turns.
TEST(Engine, PenaltiesCountWhatWasGenerated) {
  Request request = request_of(12, 12, 1, 0);
  request.sampling.logit_bias = {{.token = 5, .bias = 50}, {.token = 6, .bias = 50}};
  const auto without = Machine().run({request}).front();
  request.sampling.frequency_penalty = 2;
  const auto with = Machine().run({request}).front();
  EXPECT_NE(with.tokens, without.tokens);
  const auto fives = std::count(with.tokens.begin(), with.tokens.end(), 5);
  EXPECT_EQ(fives + std::count(with.tokens.begin(), with.tokens.end(), 6), 12);
  EXPECT_GT(fives, 2);
  EXPECT_LT(fives, 10);
}

TEST(Engine, ARepetitionPenaltyCountsThePromptToo) {
  Request request = request_of(12, 1, 1, 0);
  const int32_t likeliest = Machine().run({request}).front().tokens[0];
  request.prompt[3] = likeliest;
  const auto without = Machine().run({request}).front();
  request.sampling.repetition_penalty = 10;
  const auto with = Machine().run({request}).front();
  EXPECT_NE(bits(with.log_probs), bits(without.log_probs));
}

TEST(Engine, PenaltiesHaveTheSameBitsInABatchAndAfterAReusedPrefix) {
  std::vector<Request> requests;
  for (uint64_t i = 0; i < 3; ++i) {
    requests.push_back(request_of(30, 20, i));
    requests.back().sampling.repetition_penalty = 1.3f;
    requests.back().sampling.presence_penalty = 0.5f;
  }
  const auto alone = each_alone(requests);
  Machine machine({.max_running = 2});
  for (int round = 0; round < 2; ++round) {
    const auto results = machine.run(requests);
    for (std::size_t i = 0; i < requests.size(); ++i) expect_same(results[i], alone[i]);
  }
  expect_same(machine.run({requests[2]}).front(), alone[2]);
}

TEST(Engine, AbortEndsEveryRequestAndTheNextRunIsWhole) {
  Machine machine({.max_running = 2});
  const std::vector<Request> requests = {request_of(9, 30, 1), request_of(9, 30, 2), request_of(9, 30, 3)};
  const auto alone = each_alone(requests);
  int left = 9;
  const auto results = machine.run(requests, [&](std::size_t, int32_t) {
    if (--left == 0) machine.engine->abort_all();
    return true;
  });
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(results[i].finish, FinishReason::kAborted);
    ASSERT_EQ(results[i].tokens.size(), i < 2 ? 5u : 0u);
    EXPECT_TRUE(std::equal(results[i].tokens.begin(), results[i].tokens.end(), alone[i].tokens.begin()));
  }
  const auto again = machine.run(requests);
  for (std::size_t i = 0; i < 3; ++i) expect_same(again[i], alone[i]);
}

TEST(Engine, AnInterruptEndsARunBetweenTheChunksOfAPrompt) {
  int steps = 0;
  Machine machine({.prefill_rows = 10, .interrupted = [&] { return ++steps > 3; }});
  const auto result = machine.run({request_of(100, 5)}).front();
  EXPECT_EQ(result.finish, FinishReason::kAborted);
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_EQ(machine.prefill_rows(), 30);
  // What was computed is known to the next run, which has the bits of a fresh one.
  steps = -100;
  const auto whole = machine.run({request_of(100, 5)}).front();
  EXPECT_EQ(machine.cached_tokens(), 30);
  expect_same(whole, Machine().run({request_of(100, 5)}).front());
}

TEST(Engine, LogitsThatAreNoNumbersEndTheirSampleAlone) {
  Machine machine;
  Request wrong = request_of(9, 5);
  wrong.sampling.repetition_penalty = 1e-44f;  // divides a logit beyond fp32
  const Request right = request_of(9, 5, 2);
  const auto results = machine.engine->run({right, wrong, right});
  ASSERT_TRUE(results.ok()) << results.message();
  const SampleResult& failed = (*results)[1].samples.front();
  EXPECT_EQ(failed.finish, FinishReason::kError);
  EXPECT_NE(failed.message.find("infinite or no number"), std::string::npos);
  const auto alone = Machine().run({right}).front();
  for (std::size_t i : {0, 2}) {
    EXPECT_EQ((*results)[i].samples.front().tokens, alone.tokens);
    EXPECT_EQ(bits((*results)[i].samples.front().log_probs), bits(alone.log_probs));
  }
}

TEST(Engine, StatisticsCountRowsAndTokens) {
  Machine machine({.prefill_rows = 16});
  machine.run({request_of(20, 6, 1), request_of(30, 4, 2)});
  const EngineStats stats = machine.engine->stats();
  EXPECT_EQ(stats.prefill_rows, 50);
  EXPECT_EQ(stats.output_tokens, 10);
  EXPECT_EQ(stats.decode_rows, 8);
  EXPECT_EQ(stats.cached_tokens, 0);
  EXPECT_EQ(stats.running + stats.waiting, 0);
}

}  // namespace
}  // namespace invar
