// The bits of this numerics version (tests/goldens/bits.json): every kernel for fixed inputs, every tiny model for
// fixed requests. They must be the same on every machine, compiler and tier.
//
// A change of bits is a decision: raise kNumericsVersion, write it into CHANGELOG.md under Bits, and only then
//   INVAR_WRITE_GOLDENS=1 ./dev test 'models/.*Bits'
// which writes the file again, from the best tier; then run the tests once more.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <numeric>

#include "engine/model_executor.h"
#include "engine/engine.h"
#include "io/hash.h"
#include "io/json.h"
#include "kernel_bits.h"
#include "numerics/version.h"
#include "run_model.h"

namespace invar {
namespace {

constexpr const char* kPath = INVAR_SOURCE_DIR "/tests/goldens/bits.json";
constexpr const char* kHowToChange =
    ". If that is meant: raise kNumericsVersion (src/numerics/version.h), say in CHANGELOG.md under Bits what changed, "
    "commit with a trailer 'Bits: ...', and write the goldens with INVAR_WRITE_GOLDENS=1. If it is not, this is a bug.";
constexpr const char* kModels[] = {"llama", "llama3-rope", "qwen2", "qwen3", "qwen3-yarn"};

// Prompts of 3, 40, 130 and 280 tokens, greedy and sampled with each filter; from integers alone.
std::vector<Request> fixed_requests(int64_t vocab) {
  std::vector<Request> requests;
  for (int64_t length : {3, 40, 130, 280}) {
    const auto index = static_cast<int64_t>(requests.size());
    Request request;
    for (int64_t i = 0; i < length; ++i)
      request.prompt.push_back(static_cast<int32_t>((i * i + 31 * i + index) % vocab));
    request.prompt_log_probs = true;
    request.sampling.seed = 1000 + static_cast<uint64_t>(index);
    request.sampling.max_tokens = 10;
    request.sampling.ignore_eos = true;
    request.sampling.temperature = 0.5f * static_cast<float>(index);
    if (index == 1) request.sampling.top_k = 50;
    if (index == 2) request.sampling.top_p = 0.75f;
    if (index == 3) request.sampling.min_p = 0.0625f;
    requests.push_back(std::move(request));
  }
  return requests;
}

template <class T>
void add(Sha256& sum, const std::vector<T>& values) {
  sum.add_u64(values.size()).add(std::as_bytes(std::span<const T>(values)));
}

using Hashes = std::map<std::string, std::string>;  // "fma32/models/llama/logits" -> SHA-256

// Adds hashes of all logits of one prompt, and of tokens and log-probs of the requests.
void add_model(const std::string& name, Queue& queue, const std::string& place, Hashes& hashes) {
  const DecoderModel model = load_model(golden_folder(name));
  const auto requests = fixed_requests(model.config.vocab_size);
  const std::vector<int32_t>& prompt = requests.back().prompt;
  std::vector<int32_t> rows(prompt.size());
  std::iota(rows.begin(), rows.end(), 0);
  Sha256 logits;
  add(logits, logits_of_rows(model, queue, prompt, rows));

  auto executor = ModelExecutor::create(model, queue, {.kv_bytes = int64_t{1} << 28}, "");
  INVAR_CHECK(executor.ok(), "{}", executor.message());
  auto engine = Engine::create(**executor, queue, {.prefill_rows = 256, .max_running = 4});
  INVAR_CHECK(engine.ok(), "{}", engine.message());
  const auto results = (*engine)->run(requests);
  INVAR_CHECK(results.ok(), "{}", results.message());
  Sha256 generated;
  for (const RequestResult& result : *results) {
    add(generated, result.samples.front().tokens);
    add(generated, result.samples.front().log_probs);
    add(generated, result.prompt_log_probs);
  }
  hashes[place + "/logits"] = hex(logits.digest());
  hashes[place + "/generate"] = hex(generated.digest());
}

// ref runs kernels only: it is slow, and tests/invariance holds every other tier's models to it.
Hashes bits_of(Tier tier) {
  ThreadPool pool(2);
  Hashes hashes = {{"numerics_version", fmt::format("{}", kNumericsVersion)}};
  for (Profile profile : kAllProfiles) {
    Queue queue(pool, profile, tier);
    const std::string root(profile_name(profile));
    for (const auto& [kernel, hash] : kernel_bits(queue)) hashes[root + "/kernels/" + kernel] = hash;
    if (tier == Tier::kRef) continue;
    for (const char* name : kModels) add_model(name, queue, root + "/models/" + name, hashes);
  }
  return hashes;
}

class Bits : public testing::TestWithParam<Tier> {};

TEST_P(Bits, OfKernelsAndModelsAreThoseOfThisNumericsVersion) {
  const Tier tier = GetParam();
  if (!tier_supported(tier)) GTEST_SKIP() << "this CPU has no " << tier_name(tier);
  const Hashes found = bits_of(tier);
  if (std::getenv("INVAR_WRITE_GOLDENS") != nullptr) {
    if (tier != best_tier()) GTEST_SKIP() << "the best tier writes " << kPath;
    std::ofstream(kPath) << Json(found).dump(1) << "\n";
    GTEST_SKIP() << "wrote " << kPath;
  }
  const auto file = read_json_file(kPath);
  ASSERT_TRUE(file.ok()) << file.message();
  const auto expected = file->get<Hashes>();
  for (const auto& [place, hash] : found) {
    const auto golden = expected.find(place);
    EXPECT_EQ(hash, golden == expected.end() ? "nothing" : golden->second)
        << place << " has other bits on tier " << tier_name(tier) << kHowToChange;
  }
  if (tier != Tier::kRef) {
    EXPECT_EQ(found.size(), expected.size()) << kPath << " has entries that no test makes";
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Bits,
                         testing::ValuesIn(kAllTiers),
                         [](const auto& info) { return std::string(tier_name(info.param)); });

}  // namespace
}  // namespace invar
