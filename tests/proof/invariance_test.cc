// The same prompt and seed give the same tokens and log-prob bits whatever is around them: `invar verify`'s proof, on
// tiny models, with a new seed each time.
#include <gtest/gtest.h>

#include "base/seed_testing.h"
#include "model/registry.h"
#include "verify/local_target.h"
#include "verify/report.h"
#include "verify/verifier.h"

namespace invar {
namespace {

class Invariance : public testing::TestWithParam<std::tuple<const char*, Profile>> {};

TEST_P(Invariance, NothingAroundARequestChangesItsBits) {
  const auto [name, profile] = GetParam();
  auto source = WeightSource::open(std::string(INVAR_SOURCE_DIR "/tests/goldens/models/") + name);
  ASSERT_TRUE(source.ok()) << source.message();
  auto model = load_decoder(*source);
  ASSERT_TRUE(model.ok()) << model.message();
  const PlanOptions options{.size = {.trials = 3,
                                     .batch_max = 6,
                                     .products = 8,
                                     .output_tokens = 6,
                                     .prompt_tokens_max = 400,
                                     .restarts = 0,
                                     .brief = true},
                            .seed = run_seed(),
                            .context = model->config.max_position,
                            .encode = encode_by_word(model->config.vocab_size)};
  // Few values on each axis, for time; tests/invariance has more of them.
  const Machine machine = this_machine(true, true, options.size.batch_max);
  LocalTarget target(*model, {.profile = profile, .axes = local_axes(machine)});
  const Plan plan = make_plan(options, target.axes());
  Verifier verifier(target, plan, {});
  const Status status = verifier.run({});
  ASSERT_TRUE(status.ok()) << status.message();
  Evidence evidence;
  for (const RowResult& row : verifier.results()) {
    EXPECT_FALSE(row.failed()) << table_row(row);
    EXPECT_EQ(row.distinct, 1) << table_row(row);
    evidence += row.evidence;
  }
  EXPECT_GT(evidence.preemptions, 0);
  EXPECT_GT(evidence.evicted_pages, 0);
  EXPECT_GT(evidence.cached_tokens, 0);
}

// One model of each profile, for time: tests/invariance has every architecture in each.
INSTANTIATE_TEST_SUITE_P(Models, Invariance,
                         testing::Values(std::tuple("llama", Profile::kFma32),
                                         std::tuple("qwen3", Profile::kTc16),
                                         std::tuple("qwen2", Profile::kAmx32)),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param),
                                              profile_name(std::get<1>(info.param)));
                         });

}  // namespace
}  // namespace invar
