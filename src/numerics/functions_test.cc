#include "numerics/functions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "numerics/exhaustive_test.h"
#include "numerics/pair_test.h"
#include "numerics/sin_cos.h"

namespace invar {
namespace {

using pair_test::Pair;

constexpr float kInf = num::kInfinity;

struct Function {
  const char* name;
  float (*ours)(float);
  Pair (*paired)(Pair);     // null where scalar only
  double (*exact)(double);  // the C library's binary64, whose own error is below 2^-28 ulp of fp32
  double error_bound;       // ulp; the exhaustive maximum, rounded up in the fourth digit
  uint64_t hash;            // of the default stride
  uint64_t exhaustive_hash;
};

void PrintTo(const Function& function, std::ostream* out) { *out << function.name; }

const Function kFunctions[] = {
    {"exp", [](float x) { return num::exp(x); }, [](Pair x) { return num::exp(x); },
     [](double x) { return std::exp(x); }, 0.8914, 0x3f18f4d87f770a2full, 0xd3ca0b8448abcba6ull},
    {"exp2", [](float x) { return num::exp2(x); }, [](Pair x) { return num::exp2(x); },
     [](double x) { return std::exp2(x); }, 0.8831, 0x7be61e3a8691ebfdull, 0x3518e7a037d269d1ull},
    // Attention weights: from 127 on undefined, below -126 it is 2^-126.
    {"exp2p", [](float x) { return x >= 127 ? 0.0f : num::exp2p(x); },
     [](Pair x) { return select(less(x, Pair(127.0f)), num::exp2p(x), select(equal(x, x), Pair(0.0f), x)); },
     [](double x) { return x >= 127        ? 0.0
                           : std::isnan(x) ? x
                                           : std::exp2(std::fmax(x, -126)); }, 54.07,
     0x7944dc90e9ab3f48ull, 0x72a6f25e37b61909ull},
    {"log", [](float x) { return num::log(x); }, [](Pair x) { return num::log(x); },
     [](double x) { return std::log(x); }, 0.9339, 0x499b80bb56d8ef8cull, 0x96a17fbc143e3216ull},
    {"log1p", [](float x) { return num::log1p(x); }, [](Pair x) { return num::log1p(x); },
     [](double x) { return std::log1p(x); }, 1.5476, 0xd33be64f6b3a73ffull, 0x4e690914c0ce3cf8ull},
    {"sigmoid", [](float x) { return num::sigmoid(x); }, [](Pair x) { return num::sigmoid(x); },
     [](double x) { return 1 / (1 + std::exp(-x)); }, 2.4019, 0x699d4b1cd7e75e70ull, 0x1360a7842d774ef2ull},
    {"silu", [](float x) { return num::silu(x); }, [](Pair x) { return num::silu(x); },
     [](double x) { return x == -kInf ? -0.0 : x / (1 + std::exp(-x)); }, 3.3442, 0xcc064ac376b6113cull,
     0x551532ce9d66cbabull},
    {"rsqrt", [](float x) { return num::rsqrt(x); }, [](Pair x) { return num::rsqrt(x); },
     [](double x) { return 1 / std::sqrt(x); }, 1.4904, 0x48e2fb39b44d22ebull, 0x6a6100a5b8781c56ull},
    {"sin", [](float x) { return num::sin(x); }, nullptr, [](double x) { return std::sin(x); }, 0.5001,
     0x39e98a11b0add066ull, 0x836ce2e258b3929full},
    {"cos", [](float x) { return num::cos(x); }, nullptr, [](double x) { return std::cos(x); }, 0.5001,
     0x2dd3c5b3f4018820ull, 0x10e7b637cb994c86ull},
};

struct Sweep {
  double worst = 0;
  uint32_t worst_input = 0;
  uint64_t hash = 0;
  int64_t wrong_specials = 0;
  uint32_t wrong_input = 0;
  int64_t paired_differences = 0;

  void merge(const Sweep& other) {
    if (other.worst > worst) worst = other.worst, worst_input = other.worst_input;
    if (other.wrong_specials > 0) wrong_input = other.wrong_input;
    hash += other.hash;
    wrong_specials += other.wrong_specials;
    paired_differences += other.paired_differences;
  }
};

// NaN for NaN, infinities and zeros (with their signs) for what rounds to them; else the error.
void compare(Sweep& sweep, uint32_t input, float got, double exact) {
  const float rounded = static_cast<float>(exact);
  const bool special = std::isnan(rounded) || std::isinf(rounded) || exact == 0;
  const bool right = std::isnan(rounded) ? std::isnan(got) : num::as_int(got) == num::as_int(rounded);
  if (special ? !right : std::isnan(got) || std::isinf(got)) {
    ++sweep.wrong_specials;
    sweep.wrong_input = input;
  } else if (!special) {
    const double error = error_ulp(got, exact);
    if (error > sweep.worst) sweep.worst = error, sweep.worst_input = input;
  }
}

bool same(float a, float b) { return num::as_int(a) == num::as_int(b) || (a != a && b != b); }

class Functions : public testing::TestWithParam<Function> {};
INSTANTIATE_TEST_SUITE_P(All, Functions, testing::ValuesIn(kFunctions),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(Functions, StaysWithinItsErrorBoundAndKeepsItsBits) {
  const Function& f = GetParam();
  const Sweep sweep = for_all_inputs<Sweep>([&](Sweep& state, uint32_t input) {
    const float x = num::as_float(input);
    const float y = f.ours(x);
    compare(state, input, y, f.exact(x));
    state.hash += hash_term(input, y);
    if (f.paired == nullptr || input % 1009 != 0) return;
    const Pair pair = f.paired(Pair(x, -x));
    if (!same(pair.lane[0], y) || !same(pair.lane[1], f.ours(-x))) ++state.paired_differences;
  });
  EXPECT_EQ(0, sweep.wrong_specials) << f.name << "(" << num::as_float(sweep.wrong_input) << ")";
  EXPECT_LE(sweep.worst, f.error_bound) << "ulp, at " << num::as_float(sweep.worst_input);
  EXPECT_EQ(0, sweep.paired_differences) << "lanes of a vector type that differ from the scalar";
  const uint64_t expected = slow_tests() ? f.exhaustive_hash : f.hash;
  EXPECT_EQ(expected, sweep.hash) << "a result bit changed: raise kNumericsVersion if that is intended";
  RecordProperty("max_error_ulp", std::to_string(sweep.worst));
  std::printf("%-8s max error %.4f ulp at %a, hash 0x%016llx\n", f.name, sweep.worst,
              num::as_float(sweep.worst_input), static_cast<unsigned long long>(sweep.hash));
}

TEST(FunctionsExact, NamedPointsHaveNamedValues) {
  EXPECT_EQ(1.0f, num::exp(0.0f));
  EXPECT_EQ(1.0f, num::exp(-0.0f));
  EXPECT_EQ(0u, num::as_int(num::exp(-kInf)));
  EXPECT_EQ(kInf, num::exp(kInf));
  EXPECT_EQ(kInf, num::exp(0x1.62e43p+6f));  // the first fp32 whose exponential overflows
  EXPECT_LT(num::exp(0x1.62e42ep+6f), kInf);
  EXPECT_EQ(0x1p-149f, num::exp(-103.5f));  // 2^-149.32
  for (int n = -149; n <= 127; ++n) EXPECT_EQ(std::ldexp(1.0f, n), num::exp2(static_cast<float>(n))) << n;
  for (int n = -126; n <= 0; ++n) EXPECT_EQ(std::ldexp(1.0f, n), num::exp2p(static_cast<float>(n))) << n;
  EXPECT_EQ(0x1p-126f, num::exp2p(-kInf));
  EXPECT_EQ(0u, num::as_int(num::log(1.0f)));
  EXPECT_EQ(-kInf, num::log(-0.0f));
  EXPECT_EQ(0x80000000u, num::as_int(num::log1p(-0.0f)));
  EXPECT_EQ(0.5f, num::sigmoid(0.0f));
  EXPECT_EQ(0x80000000u, num::as_int(num::silu(-kInf)));
  EXPECT_EQ(0x80000000u, num::as_int(num::sin(-0.0f)));
  EXPECT_TRUE(std::isnan(num::cos(kInf)));
  const float nan = num::as_float(0x7fffffffu);
  EXPECT_TRUE(std::isnan(num::exp2p(nan)));
  EXPECT_TRUE(std::isnan(num::exp2p(-nan)));
}

struct Differences {
  int64_t count = 0;
  void merge(const Differences& other) { count += other.count; }
};

TEST(FunctionsExact, LogOfNormalNumbersHasTheBitsOfLog) {
  const auto differing = for_all_inputs<Differences>([](Differences& state, uint32_t input) {
    const float x = num::as_float(input);
    if (x >= 0x1p-126f && x < kInf)
      state.count += num::as_int(num::log(x)) != num::as_int(num::log_normal(x));
  });
  EXPECT_EQ(0, differing.count);
}

}  // namespace
}  // namespace invar
