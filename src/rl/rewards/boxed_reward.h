// Answers of mathematics problems: the last \boxed{...}, compared with the label after both are brought to one form.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rl/rewards/rational.h"

namespace invar {

// One spelling of the many that LaTeX has for an answer. Gone: white space and its commands, \left and \right, $ and
// \$, degree and percent signs, units in \text{...} after a number, "x =" before it, a period at the end. The same:
// \dfrac, \tfrac and \frac; \frac12 and \frac{1}{2}; \sqrt2 and \sqrt{2}; 3/4 of integers and \frac{3}{4};
// .5 and 0.5. Source: the MATH data set's equivalence rules, Hendrycks et al. 2021, arXiv 2103.03874.
std::string normalised_answer(std::string_view answer);

// The value of a normalised answer that is an integer, a decimal or a fraction of integers, "1,234" included.
std::optional<Rational> answer_value(std::string_view normalised);

// Equal in normalised form, or both numbers of equal value, or lists in the same brackets whose parts are equivalent.
bool answers_equivalent(std::string_view a, std::string_view b);

// 1 where the response's last boxed answer is equivalent to the label, which may be boxed itself; 0 otherwise.
float boxed_reward(std::string_view response, std::string_view label);

}  // namespace invar
