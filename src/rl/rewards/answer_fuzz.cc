// Any bytes as a response, and as a label: no crash, scores within their range, an answer equal to itself.
#include <string_view>
#include <vector>

#include "base/check.h"
#include "rl/rewards/boxed_reward.h"
#include "rl/rewards/countdown_reward.h"
#include "rl/rewards/text_reward.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace invar;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::string_view response = all.substr(0, size / 2), label = all.substr(size / 2);
  INVAR_CHECK(answers_equivalent(response, response), "");
  INVAR_CHECK(answers_equivalent(response, label) == answers_equivalent(label, response), "");
  const float boxed = boxed_reward(all, label);
  INVAR_CHECK(boxed == 0.0f || boxed == 1.0f, "{}", boxed);
  (void)numeric_reward(response, label).ok();
  (void)last_number(all);
  const float format = think_answer_format_reward(all);
  INVAR_CHECK(format == 0.0f || format == 1.0f, "{}", format);
  INVAR_CHECK(exact_reward(all, all) == 1.0f, "");
  const std::vector<int64_t> numbers = {1, 2, 3};
  const float countdown = countdown_reward(all, numbers, 6);
  INVAR_CHECK(countdown == 0.0f || countdown == 0.1f || countdown == 1.0f, "{}", countdown);
  if (const auto expression = parse_expression(all)) {
    INVAR_CHECK(!expression->numbers.empty() && expression->value.denominator() > 0, "");
    if (all.find('(') == std::string_view::npos && size <= 1000)
      INVAR_CHECK(parse_expression("(" + std::string(all) + ")").has_value(), "");
  }
  return 0;
}
