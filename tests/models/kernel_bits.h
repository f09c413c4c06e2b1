// SHA-256 of what each kernel gives for fixed inputs, made of plain integers.
#pragma once

#include <map>
#include <string>

#include "kernels/queue.h"

namespace invar {

// kernel -> hash of all bits of its outputs, for the queue's profile.
std::map<std::string, std::string> kernel_bits(Queue& queue);

}  // namespace invar
