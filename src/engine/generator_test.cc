#include "engine/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>

#include "model/registry.h"

namespace invar {
namespace {

constexpr int64_t kVocab = 199;
constexpr int64_t kContext = 2048;

const DecoderModel& tiny_model() {
  static const DecoderModel model = [] {
    auto source = WeightSource::open(INVAR_SOURCE_DIR "/tests/goldens/models/llama");
    INVAR_CHECK(source.ok(), "{}", source.message());
    auto loaded = load_decoder(*source);
    INVAR_CHECK(loaded.ok(), "{}", loaded.message());
    return std::move(*loaded);
  }();
  return model;
}

// One thread, so that a generator of each test costs little.
struct Machine {
  explicit Machine(GenerateOptions options = {}) : generator(tiny_model(), queue, std::move(options)) {}

  std::vector<GenerateResult> run(const std::vector<GenerateRequest>& requests,
                                  const TokenCallback& on_token = {}) {
    auto results = generator.run(requests, on_token);
    INVAR_CHECK(results.ok(), "{}", results.message());
    return std::move(*results);
  }
  std::string refusal(const GenerateRequest& request) {
    const auto results = generator.run({&request, 1});
    return results.ok() ? "" : results.message();
  }

  ThreadPool pool{1};
  Queue queue{pool, Profile::kFma32, best_tier()};
  Generator generator;
};

GenerateRequest request_of(int64_t prompt, int64_t output, uint64_t seed = 1, float temperature = 1.0f) {
  GenerateRequest request;
  for (int64_t i = 0; i < prompt; ++i) {
    request.prompt.push_back(
        static_cast<int32_t>((seed * 31 + static_cast<uint64_t>(i * i + 7 * i)) % kVocab));
  }
  request.sampling.temperature = temperature;
  request.sampling.max_tokens = output;
  request.sampling.seed = seed;
  return request;
}

std::vector<uint32_t> bits(const std::vector<float>& values) {
  std::vector<uint32_t> out;
  for (float value : values) out.push_back(std::bit_cast<uint32_t>(value));
  return out;
}

void expect_same(const GenerateResult& a, const GenerateResult& b) {
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(bits(a.log_probs), bits(b.log_probs));
  EXPECT_EQ(bits(a.prompt_log_probs), bits(b.prompt_log_probs));
  EXPECT_EQ(a.finish, b.finish);
}

std::vector<GenerateResult> each_alone(const std::vector<GenerateRequest>& requests) {
  std::vector<GenerateResult> results;
  for (const GenerateRequest& request : requests)
    results.push_back(std::move(Machine().run({request}).front()));
  return results;
}

int64_t bytes_of_pages(int64_t pages, int64_t page_size) {
  const DecoderModel& model = tiny_model();
  return pages * static_cast<int64_t>(model.blocks.size()) * model.kv_layout(page_size).page_elements() * 2 *
         static_cast<int64_t>(sizeof(bf16));
}

TEST(Generator, NoRequestsGiveNoResults) { EXPECT_TRUE(Machine().run({}).empty()); }

TEST(Generator, RequestsThatCannotRunAreRefused) {
  Machine machine;
  EXPECT_NE(machine.refusal(GenerateRequest{}).find("the prompt is empty"), std::string::npos);
  GenerateRequest unknown = request_of(3, 3);
  unknown.prompt[1] = kVocab;
  EXPECT_NE(machine.refusal(unknown).find("unknown token id 199"), std::string::npos);
  unknown.prompt[1] = -1;
  EXPECT_NE(machine.refusal(unknown).find("unknown token id -1"), std::string::npos);
  GenerateRequest sampling = request_of(3, 3);
  sampling.sampling.top_p = 0;
  EXPECT_NE(machine.refusal(sampling).find("top_p"), std::string::npos);
  EXPECT_NE(machine.refusal(request_of(kContext, 1)).find("context of 2048"), std::string::npos);
  EXPECT_EQ(machine.refusal(request_of(kContext - 1, 1)), "");
}

TEST(Generator, NothingRunsWhenOneRequestIsRefused) {
  Machine machine;
  int calls = 0;
  const std::vector<GenerateRequest> requests = {request_of(3, 3), GenerateRequest{}};
  const auto results =
      machine.generator.run(requests, [&](std::size_t, int32_t, float) { return ++calls > 0; });
  ASSERT_FALSE(results.ok());
  EXPECT_NE(results.message().find("request 1"), std::string::npos);
  EXPECT_EQ(calls, 0);
}

TEST(Generator, ARequestLargerThanTheCacheIsRefused) {
  Machine machine({.page_size = 16, .kv_bytes_max = bytes_of_pages(3, 16)});
  EXPECT_EQ(machine.refusal(request_of(40, 8)), "");
  EXPECT_NE(machine.refusal(request_of(40, 9)).find("KV cache"), std::string::npos);
}

TEST(Generator, RequestsWaitForPagesAndGetTheBitsTheyHaveAlone) {
  std::vector<GenerateRequest> requests;
  for (uint64_t i = 0; i < 6; ++i) requests.push_back(request_of(5 + static_cast<int64_t>(i) * 9, 12, i));
  const auto alone = each_alone(requests);
  for (int64_t pages : {4, 5, 9, 100}) {
    Machine machine({.step_rows = 20, .page_size = 16, .kv_bytes_max = bytes_of_pages(pages, 16)});
    for (int round = 0; round < 2; ++round) {
      const auto results = machine.run(requests);
      for (std::size_t i = 0; i < requests.size(); ++i) expect_same(results[i], alone[i]);
    }
  }
}

TEST(Generator, BatchPlacesAreNeverExceeded) {
  std::vector<GenerateRequest> requests;
  for (uint64_t i = 0; i < 5; ++i) requests.push_back(request_of(4, 3, i));
  Machine machine({.batch_max = 1});
  std::vector<std::size_t> order;
  const auto results = machine.run(requests, [&](std::size_t i, int32_t, float) {
    order.push_back(i);
    return true;
  });
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order.size(), 15u);
}

TEST(Generator, AConversationReusesItsPagesAndKeepsItsBits) {
  Machine machine({.page_size = 16});
  GenerateRequest turn = request_of(50, 20);
  int reuses = 0;
  for (int i = 0; i < 6; ++i) {
    const auto result = machine.run({turn}).front();
    expect_same(result, Machine().run({turn}).front());
    const GenerateStats& stats = machine.generator.stats();
    EXPECT_EQ(stats.prompt_tokens + stats.reused_tokens, static_cast<int64_t>(turn.prompt.size()));
    // All of the last turn but its last token, which was drawn and never computed; nothing where the pool had to grow.
    if (stats.reused_tokens != 0) {
      EXPECT_EQ(stats.reused_tokens, static_cast<int64_t>(turn.prompt.size()) - 6);
      ++reuses;
    }
    turn.prompt.insert(turn.prompt.end(), result.tokens.begin(), result.tokens.end());
    for (int32_t token : {3, 1, 4, 1, 5}) turn.prompt.push_back(token);
  }
  EXPECT_GE(reuses, 3);
}

TEST(Generator, APrefixThatEndsInsideAPageIsReusedAndKeepsItsBits) {
  Machine machine({.page_size = 32});
  const GenerateRequest first = request_of(70, 5);
  machine.run({first});
  for (int64_t shared : {69, 33, 32, 31, 1}) {
    GenerateRequest next = request_of(80, 6);
    next.prompt[shared] = (next.prompt[shared] + 1) % static_cast<int32_t>(kVocab);
    expect_same(machine.run({next}).front(), Machine().run({next}).front());
    EXPECT_EQ(machine.generator.stats().reused_tokens, shared);
    machine.run({first});
  }
}

TEST(Generator, TheSamePromptAgainIsComputedFromItsLastTokenOnly) {
  Machine machine;
  const GenerateRequest request = request_of(40, 4);
  const auto first = machine.run({request}).front();
  expect_same(machine.run({request}).front(), first);
  EXPECT_EQ(machine.generator.stats().prompt_tokens, 1);
}

TEST(Generator, PromptLogProbsComputeTheWholePrompt) {
  Machine machine;
  GenerateRequest request = request_of(40, 4);
  const auto without = machine.run({request}).front();
  request.prompt_log_probs = true;
  const auto with = machine.run({request}).front();
  EXPECT_EQ(with.prompt_log_probs.size(), 39u);
  EXPECT_EQ(machine.generator.stats().reused_tokens, 0);
  EXPECT_EQ(with.tokens, without.tokens);
}

TEST(Generator, PromptLogProbsAreEqualForEveryChunking) {
  GenerateRequest request = request_of(150, 3);
  request.prompt_log_probs = true;
  const auto whole = Machine({.step_rows = 512}).run({request, request});
  EXPECT_EQ(whole[0].prompt_log_probs.size(), 149u);
  for (int64_t rows : {1, 2, 7, 64, 65, 149, 150}) {
    for (const auto& result : Machine({.step_rows = rows}).run({request, request}))
      expect_same(result, whole[0]);
  }
}

// A drawn token's log-prob is that of a prompt that already holds it, at temperature 1.
TEST(Generator, LogProbsOfAnAnswerAreThePromptLogProbsOfTheSameTokens) {
  GenerateRequest request = request_of(20, 10);
  const auto answer = Machine().run({request}).front();
  GenerateRequest scored = request;
  scored.prompt.insert(scored.prompt.end(), answer.tokens.begin(), answer.tokens.end());
  scored.prompt_log_probs = true;
  scored.sampling.max_tokens = 1;
  const auto found = Machine().run({scored}).front().prompt_log_probs;
  EXPECT_EQ(bits({found.end() - 10, found.end()}), bits(answer.log_probs));
}

TEST(Generator, SamplesDifferAndEachIsWhatItIsAlone) {
  std::vector<GenerateRequest> requests;
  for (uint64_t i = 0; i < 5; ++i) {
    requests.push_back(request_of(12, 16));
    requests.back().sample = i;
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

TEST(Generator, GreedySamplesAreEqual) {
  GenerateRequest request = request_of(12, 16, 1, 0);
  GenerateRequest other = request;
  other.sample = 3;
  other.sampling.seed = 99;
  const auto results = Machine().run({request, other});
  expect_same(results[0], results[1]);
}

TEST(Generator, FinishReasonsSayWhatEndedARequest) {
  const GenerateRequest request = request_of(12, 16);
  const auto whole = Machine().run({request}).front();
  EXPECT_EQ(whole.finish, FinishReason::kLength);
  EXPECT_EQ(whole.tokens.size(), 16u);
  const auto first_of = [&](int32_t token) {
    return static_cast<std::size_t>(std::find(whole.tokens.begin(), whole.tokens.end(), token) -
                                    whole.tokens.begin()) +
           1;
  };

  const int32_t stop = whole.tokens[6];
  GenerateRequest stopped = request;
  stopped.sampling.stop_token_ids = {stop};
  const auto by_id = Machine().run({stopped}).front();
  EXPECT_EQ(by_id.finish, FinishReason::kStop);
  EXPECT_EQ(by_id.tokens.size(), first_of(stop));
  EXPECT_EQ(by_id.tokens.back(), stop);

  expect_same(Machine({.eos_ids = {stop}}).run({request}).front(), by_id);
  GenerateRequest ignoring = request;
  ignoring.sampling.ignore_eos = true;
  expect_same(Machine({.eos_ids = {stop}}).run({ignoring}).front(), whole);

  const auto by_callback =
      Machine().run({request}, [&](std::size_t, int32_t token, float) { return token != stop; });
  expect_same(by_callback.front(), by_id);
}

TEST(Generator, MinTokensForbidsEveryEndBeforeThem) {
  const auto whole = Machine().run({request_of(12, 16)}).front();
  GenerateRequest request = request_of(12, 16);
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

TEST(Generator, LogitBiasForbidsAndForcesTokens) {
  const auto whole = Machine().run({request_of(12, 8)}).front();
  GenerateRequest forbidden = request_of(12, 8);
  for (int32_t token : std::set<int32_t>(whole.tokens.begin(), whole.tokens.end())) {
    forbidden.sampling.logit_bias.push_back({.token = token, .bias = -100});
  }
  const auto others = Machine().run({forbidden}).front();
  for (int32_t token : others.tokens) {
    EXPECT_EQ(std::count(whole.tokens.begin(), whole.tokens.end(), token), 0);
  }
  GenerateRequest forced = request_of(12, 8);
  forced.sampling.logit_bias = {{.token = 42, .bias = 100}};
  EXPECT_EQ(Machine().run({forced}).front().tokens, std::vector<int32_t>(8, 42));
}

// With a bias that leaves two tokens, the greatest frequency penalty makes them take turns.
TEST(Generator, PenaltiesCountWhatWasGenerated) {
  GenerateRequest request = request_of(12, 12, 1, 0);
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

TEST(Generator, ARepetitionPenaltyCountsThePromptToo) {
  GenerateRequest request = request_of(12, 1, 1, 0);
  const int32_t likeliest = Machine().run({request}).front().tokens[0];
  request.prompt[3] = likeliest;
  const auto without = Machine().run({request}).front();
  request.sampling.repetition_penalty = 10;
  const auto with = Machine().run({request}).front();
  EXPECT_NE(bits(with.log_probs), bits(without.log_probs));
}

TEST(Generator, PenaltiesHaveTheSameBitsInABatchAndAfterAReusedPrefix) {
  std::vector<GenerateRequest> requests;
  for (uint64_t i = 0; i < 3; ++i) {
    requests.push_back(request_of(30, 20, i));
    requests.back().sampling.repetition_penalty = 1.3f;
    requests.back().sampling.presence_penalty = 0.5f;
  }
  const auto alone = each_alone(requests);
  Machine machine({.batch_max = 2});
  for (int round = 0; round < 2; ++round) {
    const auto results = machine.run(requests);
    for (std::size_t i = 0; i < requests.size(); ++i) expect_same(results[i], alone[i]);
  }
  expect_same(machine.run({requests[2]}).front(), alone[2]);
}

TEST(Generator, AbortEndsEveryRequestAndTheNextRunIsWhole) {
  Machine machine({.batch_max = 2});
  const std::vector<GenerateRequest> requests = {request_of(9, 30, 1), request_of(9, 30, 2),
                                                 request_of(9, 30, 3)};
  const auto alone = each_alone(requests);
  int left = 9;
  const auto results = machine.run(requests, [&](std::size_t, int32_t, float) {
    if (--left == 0) machine.generator.abort();
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

TEST(Generator, AnInterruptEndsARunBetweenTheChunksOfAPrompt) {
  int steps = 0;
  Machine machine({.step_rows = 10, .interrupted = [&] { return ++steps > 3; }});
  const auto result = machine.run({request_of(100, 5)}).front();
  EXPECT_EQ(result.finish, FinishReason::kAborted);
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_EQ(machine.generator.stats().prompt_tokens, 30);
  // What was computed is known to the next run, which has the bits of a fresh one.
  steps = -100;
  const auto whole = machine.run({request_of(100, 5)}).front();
  EXPECT_EQ(machine.generator.stats().reused_tokens, 30);
  expect_same(whole, Machine().run({request_of(100, 5)}).front());
}

TEST(Generator, LogitsThatAreNoNumbersAreAnErrorAndTheNextRunIsWhole) {
  Machine machine;
  GenerateRequest request = request_of(9, 5);
  request.sampling.repetition_penalty = 1e-44f;  // divides a logit beyond fp32
  EXPECT_NE(machine.refusal(request).find("infinite or no number"), std::string::npos);
  expect_same(machine.run({request_of(9, 5)}).front(), Machine().run({request_of(9, 5)}).front());
}

TEST(Generator, StatisticsCountTokens) {
  Machine machine({.step_rows = 16});
  machine.run({request_of(20, 6, 1), request_of(30, 4, 2)});
  const GenerateStats& stats = machine.generator.stats();
  EXPECT_EQ(stats.prompt_tokens, 50);
  EXPECT_EQ(stats.output_tokens, 10);
  EXPECT_EQ(stats.reused_tokens, 0);
  EXPECT_GT(stats.decode_tokens, 0);
  EXPECT_LE(stats.decode_tokens, 8);
}

}  // namespace
}  // namespace invar
