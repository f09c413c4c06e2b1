// Rewards from the text of a response alone: an exact answer, the last number, the last \boxed{}, a format, a length.
//
// Every one is a pure function of its arguments, linear in the text (or close to it), and gives 0 for text it cannot
// read: a model may write anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace invar {

struct ExactOptions {
  bool ignore_case = false;         // of ASCII letters
  bool ignore_spaces = true;        // all white space; otherwise only around the text
  bool ignore_final_period = true;  // one "." at the end
};

// 1 where the response is the label, 0 otherwise.
float exact_reward(std::string_view response, std::string_view label, const ExactOptions& options = {});

struct NumericOptions {
  double absolute_tolerance = 0;  // right when abs(x - label) <= max(absolute, relative * abs(label))
  double relative_tolerance = 0;
};

// The last number in a text: digits with an optional sign, comma groups of thousands ("1,234"), decimals, exponent. A
// minus right after a digit, letter or closing bracket is a subtraction. Source of the habit: GSM8K scorers.
std::optional<double> last_number(std::string_view text);

// 1 where the last number of the response is the label's. Errors: a label that is not one finite number.
Result<float> numeric_reward(std::string_view response, std::string_view label,
                             const NumericOptions& options = {});

// The contents of the \boxed{...} or \fbox{...} whose brace closes last, or of "\boxed 7" the 7. Boxes that never
// close are none.
std::optional<std::string_view> last_boxed(std::string_view text);

// The contents of the last <answer>...</answer>, if any.
std::optional<std::string_view> last_answer_tag(std::string_view text);

// 1 where the text is <think>...</think> and then <answer>...</answer>, each tag once, white space between and
// around. Source: DeepSeek-AI 2025, "DeepSeek-R1", arXiv 2501.12948, its format reward.
float think_answer_format_reward(std::string_view response);

struct OverlongOptions {
  int64_t tokens_max;     // beyond it the penalty is whole
  int64_t buffer_tokens;  // it grows linearly over the last so many; 1 .. tokens_max
};

// DAPO's soft punishment: 0 up to tokens_max - buffer, down to -1 at tokens_max and beyond.
// Source: Yu et al. 2025, "DAPO", arXiv 2503.14476, equation 13. Errors: a buffer out of range.
Result<float> overlong_penalty(int64_t tokens, const OverlongOptions& options);

// -abs(tokens - target) / target, at least -1: how far a length is off. target >= 1.
float length_penalty(int64_t tokens, int64_t target);

}  // namespace invar
