// Gradients against PyTorch's autograd in fp32 (tools/oracle/make_gradient_goldens.py).
//
// Bounds. Activations, their gradients and the golden itself are rounded to bf16, 2^-9 of each number, a few dozen
// times between the loss and a weight, at random: the gradient of a tensor of hundreds of numbers keeps its direction
// within 1 - cosine < 2e-3 and its length within 3 %. A wrong formula (a missing term, a scale, a wrong row) misses
// both by far: the test shows it for two.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "io/safetensors.h"
#include "numerics/grid_sum.h"
#include "train_model.h"

namespace invar {
namespace {

template <class T>
std::vector<T> values(const SafetensorsFile& file, const std::string& name) {
  const SafetensorsTensor& tensor = file.tensors().at(name);
  std::vector<T> out(static_cast<std::size_t>(tensor.elements()));
  INVAR_CHECK(tensor.data.size() == out.size() * sizeof(T), "{}", name);
  std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
  return out;
}

std::vector<TrainCase> golden_cases(const SafetensorsFile& file) {
  std::vector<TrainCase> cases;
  for (int i = 0; i < 3; ++i) {
    const std::string in = fmt::format("in.{}.", i);
    cases.push_back({.tokens = values<int32_t>(file, in + "tokens"),
                     .scored_begin = values<int32_t>(file, in + "scored_begin")[0],
                     .temperature = values<float>(file, in + "temperature")[0],
                     .d_log_prob = values<float>(file, in + "d_log_prob"),
                     .d_entropy = values<float>(file, in + "d_entropy")});
  }
  return cases;
}

struct Likeness {
  double cosine, length;  // of both 1 where they are equal
};
Likeness likeness(const std::vector<double>& found, const std::vector<double>& expected) {
  const auto dot = [](const auto& a, const auto& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  const double found_2 = dot(found, found), expected_2 = dot(expected, expected);
  return {.cosine = dot(found, expected) / std::sqrt(found_2 * expected_2),
          .length = std::sqrt(found_2 / expected_2)};
}
bool alike(const Likeness& l) { return 1 - l.cosine < 2e-3 && std::abs(l.length - 1) < 0.03; }

class GradientGolden : public testing::TestWithParam<std::tuple<std::string, Profile>> {};

TEST_P(GradientGolden, OfEveryWeightIsPyTorchsWithinTheRoundingsOfBf16) {
  const auto& [name, profile] = GetParam();
  auto file = SafetensorsFile::open(golden_folder(name) + "/gradients.safetensors");
  ASSERT_TRUE(file.ok()) << file.message();
  const std::vector<TrainCase> cases = golden_cases(*file);
  DecoderModel model = load_model(golden_folder(name));
  const ParameterLayout layout(model);
  Gradients gradients(model, layout);
  ThreadPool pool(2);
  Queue queue(pool, profile);
  Gradient out;
  add_gradient(model, queue, cases, {0, 1, 2}, 3, gradients, out);
  ASSERT_TRUE(gradients.check().ok());

  std::size_t at = 0;
  for (int i = 0; i < 3; ++i) {
    const auto log_probs = values<float>(*file, fmt::format("out.{}.log_prob", i));
    const auto entropies = values<float>(*file, fmt::format("out.{}.entropy", i));
    for (std::size_t t = 0; t < log_probs.size(); ++t, ++at) {
      ASSERT_NEAR(out.log_probs[at], log_probs[t], 0.1) << i << " " << t;
      ASSERT_NEAR(out.entropies[at], entropies[t], 0.1) << i << " " << t;
    }
  }
  for (const ParameterLayout::Named& named : layout.named()) {
    std::vector<double> found, expected;
    for (bf16 x : values<bf16>(*file, named.place.spec.name)) expected.push_back(to_float(x));
    for (std::size_t i = 0; i < expected.size(); ++i)
      found.push_back(from_grid(gradients.sums()[static_cast<std::size_t>(named.begin) + i]));
    const Likeness l = likeness(found, expected);
    EXPECT_TRUE(alike(l)) << named.place.spec.name << ": cosine " << l.cosine << ", length " << l.length;
    if (expected.size() < 2) continue;
    // The bounds can fail: rows shifted by one, or a tenth too long.
    std::rotate(found.begin(), found.begin() + 1, found.end());
    EXPECT_FALSE(alike(likeness(found, expected))) << named.place.spec.name;
    EXPECT_FALSE(alike({.cosine = l.cosine, .length = 1.1 * l.length}));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GradientGolden,
                         testing::Combine(testing::Values("llama", "qwen2", "qwen3"),
                                          testing::ValuesIn(kAllProfiles)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" +
                                  std::string(profile_name(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace invar
