#include "comm/communicator.h"

#include <algorithm>
#include <vector>

namespace invar {
namespace {

// Values whose halves are sent together.
constexpr std::size_t kHalvesAtOnce = std::size_t{1} << 15;

uint64_t magnitude(int64_t v) {
  return v < 0 ? uint64_t{0} - static_cast<uint64_t>(v) : static_cast<uint64_t>(v);
}

}  // namespace

Status Communicator::all_reduce_sum(std::span<int64_t> values, bool& overflow) {
  uint64_t largest = 0;
  for (int64_t v : values) largest = std::max(largest, magnitude(v));
  INVAR_RETURN_IF_ERROR(all_reduce_max({&largest, 1}));
  // Below this no partial sum of any order wraps. All ranks have the same `largest`, and go the same way.
  if (largest <= static_cast<uint64_t>(INT64_MAX) / static_cast<uint64_t>(size()))
    return add_modulo({reinterpret_cast<uint64_t*>(values.data()), values.size()});
  return sum_in_halves(values, overflow);
}

// The low and the high 32 bits of the values are added apart: neither can wrap, and together they are the exact sum.
Status Communicator::sum_in_halves(std::span<int64_t> values, bool& overflow) {
  std::vector<uint64_t> halves;
  while (!values.empty()) {
    const std::span<int64_t> some = values.first(std::min(values.size(), kHalvesAtOnce));
    values = values.subspan(some.size());
    halves.resize(2 * some.size());
    for (std::size_t i = 0; i < some.size(); ++i) {
      halves[2 * i] = static_cast<uint32_t>(some[i]);
      halves[2 * i + 1] = static_cast<uint64_t>(some[i] >> 32);
    }
    INVAR_RETURN_IF_ERROR(add_modulo(halves));
    for (std::size_t i = 0; i < some.size(); ++i) {
      // The low half carries into the high one.
      const int64_t high =
          static_cast<int64_t>(halves[2 * i + 1]) + static_cast<int64_t>(halves[2 * i] >> 32);
      const auto low = static_cast<int64_t>(halves[2 * i] & 0xffffffffu);
      if (high < INT32_MIN || high > INT32_MAX) {
        overflow = true;
        some[i] = high < 0 ? INT64_MIN : INT64_MAX;
      } else {
        some[i] = high * (int64_t{1} << 32) + low;
      }
    }
  }
  return Ok{};
}

}  // namespace invar
