#include "train/checkpoint.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/seed_testing.h"
#include "train/checkpoint_testing.h"

namespace invar {
namespace {

namespace fs = std::filesystem;
using CheckpointTest = RunFolderTest;

TEST_F(CheckpointTest, EveryBitOfWeightsMastersMomentsAndStateComesBack) {
  const uint64_t seed = run_seed();
  const TinyTraining before = TinyTraining::make(seed);
  const auto saved = save_checkpoint(run_, before.contents(state_of(123)));
  ASSERT_TRUE(saved.ok()) << saved.message();
  EXPECT_EQ(saved->path, run_ + "/checkpoint-000123");
  EXPECT_EQ(names(saved->path),
            (std::vector<std::string>{"config.json", "model.safetensors", "optimizer.safetensors",
                                      "state.json", "state.sha256", "tokenizer.json"}));
  EXPECT_EQ(names(run_).size(), 1u);

  const auto checkpoint = Checkpoint::open(saved->path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  EXPECT_EQ(checkpoint->digest(), saved->digest);
  EXPECT_EQ(checkpoint->state(), state_of(123));
  EXPECT_TRUE(std::signbit(checkpoint->state().buffers[1].get<double>()));
  TinyTraining after = TinyTraining::make(seed + 1);
  EXPECT_FALSE(after.same_bits(before));
  const Status read = checkpoint->read(after.parameters, after.arrays());
  ASSERT_TRUE(read.ok()) << read.message();
  EXPECT_TRUE(after.same_bits(before));
  EXPECT_EQ(contents(saved->path + "/tokenizer.json"), "{}\n");
}

TEST_F(CheckpointTest, TheBytesDependOnTheContentsAlone) {
  const TinyTraining training = TinyTraining::make(5);
  const auto first = save_checkpoint(run_, training.contents(state_of(1)));
  std::map<std::string, std::string> bytes;
  for (const std::string& name : names(first->path)) bytes[name] = contents(first->path + "/" + name);
  const auto second = save_checkpoint(run_, training.contents(state_of(1)));
  ASSERT_TRUE(second.ok()) << second.message();
  EXPECT_EQ(first->digest, second->digest);
  for (const auto& [name, before] : bytes) EXPECT_EQ(contents(second->path + "/" + name), before) << name;
}

TEST_F(CheckpointTest, ManyWeightsGoIntoShardsOfTheSizeAskedFor) {
  const TinyTraining before = TinyTraining::make(8);
  // b.weight alone is larger than a shard; a.weight and c.bias would fit together, but b.weight is between them.
  const auto saved = save_checkpoint(run_, before.contents(state_of(2)), 200);
  ASSERT_TRUE(saved.ok()) << saved.message();
  for (const char* name : {"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                           "model-00003-of-00003.safetensors", "model.safetensors.index.json"}) {
    EXPECT_TRUE(fs::exists(saved->path + "/" + name)) << name;
  }
  const auto index = read_json_file(saved->path + "/model.safetensors.index.json");
  EXPECT_EQ((*index)["metadata"]["total_size"], 2 * (37 * 11 + 20 + 35));
  EXPECT_EQ((*index)["weight_map"]["b.weight"], "model-00002-of-00003.safetensors");
  const auto checkpoint = Checkpoint::open(saved->path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.message();
  TinyTraining after = TinyTraining::make(9);
  ASSERT_TRUE(checkpoint->read(after.parameters, after.arrays()).ok());
  EXPECT_TRUE(after.same_bits(before));
}

TEST_F(CheckpointTest, AnyFlippedBitOfAnyFileIsNoticed) {
  const uint64_t seed = run_seed();
  SplitMix64 random(seed);
  ASSERT_TRUE(save_checkpoint(run_, TinyTraining::make(seed).contents(state_of(7)), 200).ok());
  const std::string folder = checkpoint_path(run_, 7);
  for (const std::string& name : names(folder)) {
    const std::string path = folder + "/" + name, whole = contents(path);
    std::vector<std::size_t> places = {0, whole.size() - 1};
    for (int i = 0; i < 30; ++i) places.push_back(random.next() % whole.size());
    for (const std::size_t place : places) {
      std::string flipped = whole;
      flipped[place] = static_cast<char>(flipped[place] ^ (1 << random.next() % 8));
      overwrite(path, flipped);
      ASSERT_FALSE(Checkpoint::open(folder).ok()) << name << " byte " << place;
    }
    overwrite(path, whole.substr(0, whole.size() - 1));
    ASSERT_FALSE(Checkpoint::open(folder).ok()) << name << " cut off";
    overwrite(path, whole + "\n");
    ASSERT_FALSE(Checkpoint::open(folder).ok()) << name << " with a byte more";
    overwrite(path, "");
    ASSERT_FALSE(Checkpoint::open(folder).ok()) << name << " empty";
    fs::remove(path);
    ASSERT_FALSE(Checkpoint::open(folder).ok()) << name << " missing";
    overwrite(path, whole);
    const auto open = Checkpoint::open(folder);
    ASSERT_TRUE(open.ok()) << open.message();
  }
}

TEST_F(CheckpointTest, MessagesSayWhatIsWrongAndWhere) {
  save(7);
  const std::string folder = checkpoint_path(run_, 7);
  overwrite(folder + "/generation_config.json", "{}");
  EXPECT_EQ(Checkpoint::open(folder).message(),
            folder + ": found \"generation_config.json\", which is no part of the checkpoint; move it away");
  fs::remove(folder + "/generation_config.json");
  overwrite(folder + "/.hidden", "");  // desktop programs leave such
  EXPECT_TRUE(Checkpoint::open(folder).ok());
  overwrite(folder + "/config.json", "{}");
  EXPECT_NE(Checkpoint::open(folder).message().find("config.json: expected the SHA-256 "), std::string::npos);
  fs::rename(folder, checkpoint_path(run_, 8));
  EXPECT_NE(Checkpoint::open(checkpoint_path(run_, 8)).message().find("the folder was renamed"),
            std::string::npos);
}

TEST_F(CheckpointTest, AnotherModelIsRefused) {
  save(7);
  const auto checkpoint = Checkpoint::open(checkpoint_path(run_, 7));
  TinyTraining other({{"a.weight", {7, 5}, 0}, {"b.weight", {37, 11}, 35}, {"c.bias", {20}, 442}}, 1);
  EXPECT_EQ(checkpoint->read(other.parameters, other.arrays()).message(),
            run_ + "/checkpoint-000007: tensor a.weight: expected BF16 [7, 5], found BF16 [5, 7]");
  other.parameters[0].name = "d.weight";
  EXPECT_EQ(checkpoint->read(other.parameters, other.arrays()).message(),
            run_ + "/checkpoint-000007: expected a tensor d.weight, found none");
  other.parameters.pop_back();
  EXPECT_EQ(
      checkpoint->read(other.parameters, other.arrays()).message(),
      run_ + "/checkpoint-000007: expected 2 weights and 3 numbers of the optimizer for each, found 3 and 9");
}

TEST_F(CheckpointTest, AStateThatJsonCannotHoldIsRefused) {
  const TinyTraining training = TinyTraining::make(3);
  for (const Json& bad : {Json("\xff"), Json(std::numeric_limits<double>::quiet_NaN()),
                          Json(-std::numeric_limits<double>::infinity()), Json::binary({1, 2})}) {
    CheckpointState state = state_of(3);
    state.buffers = Json::array({bad});
    ASSERT_FALSE(save_checkpoint(run_, training.contents(state)).ok());
    EXPECT_TRUE(names(run_).empty());
  }
}

TEST_F(CheckpointTest, TheNewestThatIsWholeIsFoundAndTheOthersAreNamed) {
  auto latest = latest_checkpoint(run_);
  ASSERT_TRUE(latest.ok()) << latest.message();
  EXPECT_FALSE(latest->checkpoint.has_value());
  for (const int64_t step : {5, 10, 1000000, 20}) save(step);
  overwrite(run_ + "/checkpoint-000030", "a file");
  fs::create_directory(run_ + "/checkpoint-40");            // not our spelling
  fs::create_directory(run_ + "/checkpoint-000050.tmp-0");  // a killed writer's
  latest = latest_checkpoint(run_);
  ASSERT_TRUE(latest->checkpoint.has_value());
  EXPECT_EQ(latest->checkpoint->state().step, 1000000);
  EXPECT_TRUE(latest->skipped.empty());

  overwrite(checkpoint_path(run_, 1000000) + "/optimizer.safetensors", "torn");
  fs::remove(checkpoint_path(run_, 20) + "/state.json");
  latest = latest_checkpoint(run_);
  ASSERT_TRUE(latest->checkpoint.has_value());
  EXPECT_EQ(latest->checkpoint->state(), state_of(10));
  ASSERT_EQ(latest->skipped.size(), 3u);  // 1000000, 30, 20
  EXPECT_NE(latest->skipped[0].find("checkpoint-1000000/optimizer.safetensors"), std::string::npos);
  EXPECT_NE(latest->skipped[1].find("checkpoint-000030: expected the folder of a checkpoint"),
            std::string::npos);
  EXPECT_NE(latest->skipped[2].find("checkpoint-000020/state.json: cannot open"), std::string::npos);
  EXPECT_FALSE(latest_checkpoint(run_ + "/none").ok());
}

TEST_F(CheckpointTest, PruningKeepsTheLastOnesAndEveryNth) {
  for (int64_t step = 1; step <= 9; ++step) save(step);
  const auto steps = [&] { return *checkpoint_steps(run_); };
  ASSERT_TRUE(prune_checkpoints(run_, 9, {.keep_last = 2, .keep_every = 3}).ok());
  EXPECT_EQ(steps(), (std::vector<int64_t>{3, 6, 8, 9}));
  // A run that went back to 6 and wrote 7: the newer ones are not counted, and not touched.
  save(7);
  ASSERT_TRUE(prune_checkpoints(run_, 7, {.keep_last = 1}).ok());
  EXPECT_EQ(steps(), (std::vector<int64_t>{7, 8, 9}));
  ASSERT_TRUE(prune_checkpoints(run_, 9, {.keep_last = 100}).ok());
  EXPECT_EQ(steps(), (std::vector<int64_t>{7, 8, 9}));
  EXPECT_EQ(names(run_).size(), 3u);
}

TEST_F(CheckpointTest, WhatKilledWritersLeftIsRemovedAndNothingElse) {
  save(1);
  for (const char* name : {"checkpoint-000002.tmp-0", "checkpoint-000002.tmp-17"}) {
    fs::create_directory(run_ + "/" + name);
    overwrite(run_ + "/" + name + "/model.safetensors", "half");
  }
  for (const char* name : {"notes.tmp-0", "checkpoint-000002.tmp-x", "checkpoint-2.tmp-0"}) {
    fs::create_directory(run_ + "/" + name);
  }
  const auto removed = remove_unfinished_checkpoints(run_);
  ASSERT_TRUE(removed.ok()) << removed.message();
  EXPECT_EQ(*removed, 2);
  EXPECT_EQ(names(run_), (std::vector<std::string>{"checkpoint-000001", "checkpoint-000002.tmp-x",
                                                   "checkpoint-2.tmp-0", "notes.tmp-0"}));
}

}  // namespace
}  // namespace invar
