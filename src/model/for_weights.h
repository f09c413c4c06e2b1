// for_weights: the weights of a model, divided between threads.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/thread_pool.h"
#include "model/weights.h"

namespace invar {

// Calls body(i) once for every weight. The largest go first, each to the thread with the least to do: in name order the
// embedding and its neighbours would all be one thread's. Which thread has a weight changes no bit.
template <class Body>
void for_weights(const std::vector<WeightSpec>& specs, ThreadPool& pool, const Body& body) {
  std::vector<std::size_t> order(specs.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return specs[a].elements() > specs[b].elements(); });
  const auto threads = static_cast<std::size_t>(pool.threads());
  std::vector<std::vector<std::size_t>> shares(threads);
  std::vector<int64_t> load(threads);
  for (const std::size_t i : order) {
    const auto share = static_cast<std::size_t>(std::min_element(load.begin(), load.end()) - load.begin());
    shares[share].push_back(i);
    load[share] += specs[i].elements();
  }
  pool.parallel_for(static_cast<int64_t>(threads), [&](int64_t begin, int64_t end, int) {
    for (int64_t share = begin; share < end; ++share)
      for (const std::size_t i : shares[static_cast<std::size_t>(share)]) body(i);
  });
}

}  // namespace invar
