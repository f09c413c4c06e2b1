#include "model/update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "model/registry.h"
#include "model/weight_digest.h"

namespace invar {
namespace {

constexpr const char* kModels[] = {"llama", "llama3-rope", "qwen2", "qwen3", "qwen3-yarn"};
constexpr uint64_t kSeed = 20240701;

WeightSource open(const std::string& name) {
  auto source = WeightSource::open(INVAR_SOURCE_DIR "/tests/goldens/models/" + name);
  INVAR_CHECK(source.ok(), "{}", source.message());
  return std::move(*source);
}

DecoderModel load(const WeightSource& source, ThreadPool* pool = nullptr) {
  auto model = load_decoder(source, pool);
  INVAR_CHECK(model.ok(), "{}", model.message());
  return std::move(*model);
}

// Any bits: subnormals, infinities and NaN payloads are kept too.
std::vector<bf16> random_bits(int64_t count, std::mt19937_64& random) {
  std::vector<bf16> out(static_cast<std::size_t>(count));
  for (bf16& value : out) value = {static_cast<uint16_t>(random())};
  return out;
}

std::vector<bf16> read(const DecoderModel& model, const std::string& name) {
  const auto values = read_weight(model, name);
  INVAR_CHECK(values.ok(), "{}", values.message());
  return {values->span().begin(), values->span().end()};
}

// Every byte that a model keeps of its weights, in the order of the structures.
std::vector<std::vector<std::byte>> memory(const DecoderModel& model) {
  std::vector<std::vector<std::byte>> out;
  const auto add = [&](const auto& buffer) {
    const auto bytes = std::as_bytes(buffer.span());
    out.emplace_back(bytes.begin(), bytes.end());
  };
  const auto add_linear = [&](const Linear& linear) {
    add(linear.weight.data);
    add(linear.bias);
  };
  add(model.embedding.table);
  add(model.final_norm.weight);
  add_linear(model.lm_head);
  for (const DecoderBlock& block : model.blocks) {
    add(block.attention_norm.weight);
    add(block.mlp_norm.weight);
    for (const Linear* linear :
         {&block.attention.qkv, &block.attention.o, &block.mlp.gate_up, &block.mlp.down})
      add_linear(*linear);
    if (block.attention.q_norm) add(block.attention.q_norm->weight);
    if (block.attention.k_norm) add(block.attention.k_norm->weight);
  }
  return out;
}

class Update : public testing::TestWithParam<const char*> {
 protected:
  WeightSource source_ = open(GetParam());
  std::mt19937_64 random_{kSeed};
};

TEST_P(Update, EveryWeightReadsBackAsTheFileHasIt) {
  const DecoderModel model = load(source_);
  for (const WeightSpec& spec : source_.specs()) {
    const auto expected = source_.load(spec.name, spec.shape);
    ASSERT_TRUE(expected.ok());
    EXPECT_TRUE(std::ranges::equal(expected->span(), read(model, spec.name))) << spec.name;
  }
}

TEST_P(Update, AModelMadeAndFilledByNameHasTheMemoryOfOneLoadedAtAnyThreadCount) {
  const auto expected = memory(load(source_));
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(memory(load(source_, &pool)), expected) << threads << " threads";
    auto model = make_decoder(source_.config());
    ASSERT_TRUE(model.ok());
    for (const WeightSpec& spec : source_.specs()) {
      const auto values = source_.load(spec.name, spec.shape);
      ASSERT_TRUE(update_weight(*model, spec.name, spec.shape, values->span(), &pool).ok()) << spec.name;
    }
    EXPECT_EQ(memory(*model), expected) << threads << " threads";
  }
}

TEST_P(Update, ReplacingOneWeightLeavesEveryOtherAndMovesNothing) {
  std::printf("seed %lu\n", kSeed);
  DecoderModel model = load(source_);
  std::map<std::string, std::vector<bf16>> expected;
  for (const WeightSpec& spec : source_.specs()) expected[spec.name] = read(model, spec.name);
  const bf16* qkv = model.blocks.front().attention.qkv.weight.data.data();
  ThreadPool pool(3);
  for (const WeightSpec& spec : source_.specs()) {
    expected[spec.name] = random_bits(spec.elements(), random_);
    ASSERT_TRUE(update_weight(model, spec.name, spec.shape, expected[spec.name], &pool).ok()) << spec.name;
    for (const WeightSpec& other : source_.specs())
      ASSERT_EQ(read(model, other.name), expected[other.name]) << other.name << " after " << spec.name;
  }
  EXPECT_EQ(model.blocks.front().attention.qkv.weight.data.data(), qkv);
}

TEST_P(Update, ATiedEmbeddingIsReplacedInTheLmHeadToo) {
  DecoderModel model = load(source_);
  const ModelConfig& config = source_.config();
  const std::vector<int64_t> shape = {config.vocab_size, config.hidden_size};
  const auto values = random_bits(config.vocab_size * config.hidden_size, random_);
  ASSERT_TRUE(update_weight(model, "model.embed_tokens.weight", shape, values, nullptr).ok());
  std::vector<bf16> head(values.size());
  unpack_rows(model.lm_head.weight, 0, config.vocab_size, head.data());
  EXPECT_EQ(head == values, config.tie_embeddings);
}

TEST_P(Update, AWrongNameShapeOrCountIsOneLineAndChangesNothing) {
  DecoderModel model = load(source_);
  const auto before = memory(model);
  const auto refused = [&](const std::string& name, std::vector<int64_t> shape, std::size_t count) {
    const std::vector<bf16> values(count, bf16{0x3f80});
    const Status status = update_weight(model, name, shape, values, nullptr);
    EXPECT_FALSE(status.ok()) << name;
    return status.ok() ? "" : status.message();
  };
  const std::string q = "model.layers.1.self_attn.q_proj.weight";
  const int64_t q_rows = source_.config().heads * source_.config().head_dim;
  EXPECT_EQ(refused(q, {q_rows, 63}, static_cast<std::size_t>(q_rows) * 63),
            fmt::format("{}: expected shape [{}, 64], found [{}, 63]", q, q_rows, q_rows));
  EXPECT_EQ(refused(q, {q_rows * 64}, static_cast<std::size_t>(q_rows) * 64),
            fmt::format("{}: expected shape [{}, 64], found [{}]", q, q_rows, q_rows * 64));
  EXPECT_EQ(refused("model.norm.weight", {64}, 63),
            "model.norm.weight: expected 64 values for shape [64], found 63");
  for (const char* name : {"", "model.norm", "model.layers.2.mlp.up_proj.weight", "model.layers..weight",
                           "model.layers.-1.mlp.up_proj.weight", "model.layers.00.mlp.up_proj.weight",
                           "model.layers.99999999999999999999.x", "model.layers.0.mlp.up_proj.bias"}) {
    EXPECT_NE(refused(name, {64}, 64).find("expected the name of a weight of this"), std::string::npos)
        << name;
    EXPECT_FALSE(read_weight(model, name).ok()) << name;
  }
  EXPECT_EQ(memory(model), before);
}

TEST_P(Update, TheDigestOfAModelIsThatOfItsSourceAtAnyThreadCount) {
  const DecoderModel model = load(source_);
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    const WeightDigest digest = WeightDigest::of(model, pool);
    EXPECT_EQ(digest, WeightDigest::of(source_, pool));
    EXPECT_EQ(digest.combined(), source_.weights_digest(pool));
    for (const WeightSpec& spec : source_.specs()) {
      const auto values = source_.load(spec.name, spec.shape);
      EXPECT_EQ(digest.weight(spec.name), sha256_hex(std::as_bytes(values->span()))) << spec.name;
    }
  }
}

TEST_P(Update, TheDigestFollowsUpdatesOfSingleWeights) {
  DecoderModel model = load(source_);
  ThreadPool pool(2);
  WeightDigest digest = WeightDigest::of(model, pool);
  const WeightDigest first = digest;
  for (const WeightSpec& spec : source_.specs()) {
    std::vector<bf16> values = read(model, spec.name);
    values.back().bits ^= 1;
    ASSERT_TRUE(update_weight(model, spec.name, spec.shape, values, &pool).ok());
    const std::string before = digest.combined();
    digest.update(spec.name, values);
    EXPECT_NE(digest.combined(), before) << spec.name;
    EXPECT_EQ(digest, WeightDigest::of(model, pool)) << spec.name;
    values.back().bits ^= 1;
    ASSERT_TRUE(update_weight(model, spec.name, spec.shape, values, &pool).ok());
    digest.update(spec.name, values);
    EXPECT_EQ(digest, first) << spec.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Update, testing::ValuesIn(kModels), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace invar
