// This program's operator new: it counts, and fails where a test asks for it. Of the calling thread alone.
#pragma once

#include <cstdint>

namespace invar {

int64_t allocations_of_thread();

// While it lives, allocation number `after` (from 0) throws std::bad_alloc, and with `all_later` each one behind it.
class FailingAllocation {
 public:
  explicit FailingAllocation(int64_t after, bool all_later = false);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  bool failed() const;
};

}  // namespace invar
