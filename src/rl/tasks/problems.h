// The generators behind rl/tasks/task.h: each draws one problem of its kind; difficulty from 1.
#pragma once

#include "rl/tasks/task.h"

namespace invar {

// 1: a + b of digits. 2: a + b and a - b below 100, not negative. 3: products of a digit and two digits, sums below
// 1000. 4: three operands with precedence. 5: parentheses.
Problem draw_arithmetic(Draws& draws, int64_t difficulty);

// A word of 2 + difficulty (reverse: 3, 4, 5, 6) or 4 * difficulty (count_letters) letters.
Problem draw_reverse(Draws& draws, int64_t difficulty);
Problem draw_count_letters(Draws& draws, int64_t difficulty);

// 2 + difficulty numbers, all different, below 10, 100, 1000, 1000.
Problem draw_sorting(Draws& draws, int64_t difficulty);

// 1: 3 numbers up to 9, target up to 50. 2: 3 numbers up to 50, target up to 100. 3: 4 numbers. 4: 5 numbers. Targets
// are drawn uniformly from all that the numbers can make (rl/tasks/countdown.h), so every puzzle has a solution.
// Metadata: numbers, target.
Problem draw_countdown(Draws& draws, int64_t difficulty);

}  // namespace invar
