// Runs a program and returns what it printed.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace invar {

// The path of the program that runs now.
Result<std::string> own_program();

// Standard output of `program` with these arguments, at most bytes_max; its standard error is ours. Errors: it cannot
// be started, it prints more, or it ends with another status than 0.
Result<std::string> run_program(const std::string& program, const std::vector<std::string>& arguments,
                                std::size_t bytes_max);

}  // namespace invar
