#include "kernels/grad_square_sum.h"

#include <algorithm>
#include <mutex>

namespace invar {

SquareSum grad_square_sum(const Queue& queue, std::span<const int64_t> gradient) {
  constexpr int64_t kBlock = 4096;
  const int64_t size = std::ssize(gradient);
  SquareSum total;
  std::mutex mutex;
  queue.pool().parallel_for((size + kBlock - 1) / kBlock, [&](int64_t begin, int64_t end, int) {
    SquareSum sum;
    add_squares(sum, gradient.data() + begin * kBlock, std::min(end * kBlock, size) - begin * kBlock);
    const std::lock_guard lock(mutex);  // integers: the order of arrival does not matter
    add_to(total, sum);
  });
  return total;
}

}  // namespace invar
