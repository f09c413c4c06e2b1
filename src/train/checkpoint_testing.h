// A run folder with checkpoints of a tiny model, for the tests of checkpoints.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/split_mix.h"
#include "train/checkpoint.h"

namespace invar {

// Every number is any 32 or 16 bits at all, NaNs and subnormals included: a checkpoint copies bits.
struct TinyTraining {
  std::vector<ParameterSlice> parameters;
  std::vector<bf16> weights;
  std::vector<float> masters, first_moments, second_moments;
  std::vector<ModelFile> model_files = {{"config.json", "{\"a\": 1}\n"}, {"tokenizer.json", "{}\n"}};

  TinyTraining() = default;
  TinyTraining(std::vector<ParameterSlice> slices, uint64_t seed) : parameters(std::move(slices)) {
    int64_t size = 0;
    for (const ParameterSlice& slice : parameters) size = std::max(size, slice.begin + slice.elements());
    weights.reserve(static_cast<std::size_t>(size));
    for (auto* floats : {&masters, &first_moments, &second_moments})
      floats->reserve(static_cast<std::size_t>(size));
    SplitMix64 random(seed);
    for (int64_t i = 0; i < size; ++i) {
      weights.push_back(bf16{static_cast<uint16_t>(random.next())});
      for (auto* floats : {&masters, &first_moments, &second_moments}) {
        floats->push_back(std::bit_cast<float>(static_cast<uint32_t>(random.next())));
      }
    }
  }
  // 37 * 11 + 20 + 5 * 7 elements, in another order than that of the names.
  static TinyTraining make(uint64_t seed) {
    return TinyTraining({{"b.weight", {37, 11}, 55}, {"c.bias", {20}, 0}, {"a.weight", {5, 7}, 20}}, seed);
  }

  CheckpointContents contents(CheckpointState state) const {
    return {.state = std::move(state),
            .model_files = model_files,
            .parameters = parameters,
            .arrays = {weights, masters, first_moments, second_moments}};
  }
  TrainingArrays<bf16, float> arrays() { return {weights, masters, first_moments, second_moments}; }
  void clear() {
    std::fill(weights.begin(), weights.end(), bf16{0});
    for (auto* floats : {&masters, &first_moments, &second_moments})
      std::fill(floats->begin(), floats->end(), 0.0f);
  }
  bool same_bits(const TinyTraining& other) const {
    const auto same = [](const auto& a, const auto& b) {
      return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]) == 0;
    };
    return same(weights, other.weights) && same(masters, other.masters) &&
           same(first_moments, other.first_moments) && same(second_moments, other.second_moments);
  }
};

inline CheckpointState state_of(int64_t step) {
  return {.step = step,
          .profile = "fma32",
          .chain = "c0ffee",
          .source = "models/tiny",
          .cursor = {{"epoch", 1}, {"index", step}},
          .buffers = Json::array({0.1, -0.0, 5e-324, "text"})};
}

class RunFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    run_ = testing::TempDir() + "invar_checkpoint_" + std::to_string(::getpid());
    std::filesystem::remove_all(run_);
    std::filesystem::create_directory(run_);
  }
  void TearDown() override { std::filesystem::remove_all(run_); }

  std::vector<std::string> names(const std::string& folder) const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      out.push_back(entry.path().filename());
    std::sort(out.begin(), out.end());
    return out;
  }
  static std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void overwrite(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  void save(int64_t step) const {
    const auto saved =
        save_checkpoint(run_, TinyTraining::make(static_cast<uint64_t>(step)).contents(state_of(step)));
    ASSERT_TRUE(saved.ok()) << saved.message();
  }

  std::string run_;
};

}  // namespace invar
