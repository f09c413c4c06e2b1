#include "verify/axes.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "kernels/queue.h"

namespace invar {
namespace {

std::string show_number(int64_t value) { return std::to_string(value); }
std::string show_tier(int64_t value) { return std::string(tier_name(static_cast<Tier>(value))); }
std::string show_order(int64_t value) { return value == 0 ? "listed" : fmt::format("shuffled:{}", value); }
std::string show_arrival(int64_t value) { return value == 0 ? "together" : fmt::format("spread:{}", value); }
std::string show_preempt(int64_t value) { return value == 0 ? "never" : fmt::format("random:{}", value); }
std::string show_pool(int64_t value) { return value == kPoolAmple ? "ample" : "tight"; }
std::string show_cache(int64_t value) {
  constexpr const char* kNames[] = {"off", "shared", "hit", "partial", "evicted"};
  return kNames[value];
}

// The reference's value first, no value twice.
std::vector<int64_t> with_first(int64_t first, std::vector<int64_t> values) {
  std::erase(values, first);
  values.insert(values.begin(), first);
  return values;
}

}  // namespace

Machine this_machine(bool small, bool quick, int64_t batch_max) {
  Machine machine{.batch_max = batch_max, .quick = quick};
  for (Tier tier : fast_tiers()) machine.tiers.insert(machine.tiers.begin(), static_cast<int64_t>(tier));
  machine.fast_tiers = static_cast<int64_t>(machine.tiers.size()) + (small ? 1 : 0);
  machine.tiers.push_back(static_cast<int64_t>(Tier::kRef));
  machine.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return machine;
}

std::vector<Axis> local_axes(const Machine& machine) {
  const bool quick = machine.quick;
  using Values = std::vector<int64_t>;
  const Values seeds = quick ? Values{0, 1} : Values{0, 1, 2, 3};
  const Values threads = with_first(machine.threads, quick ? Values{1, 3} : Values{1, 2, 3, 5});
  const Values batches = quick ? Values{1, 2, machine.batch_max} : Values{1, 2, 3, 5, 8, machine.batch_max};
  const Values chunks = quick ? Values{512, 16, 100} : Values{512, 333, 128, 100, 64, 16, 7, 1};
  const Values pages = quick ? Values{16, 128} : Values{16, 32, 64, 128};
  return {
      {kOrder, "order", "of the requests", seeds, seeds.size(), true, show_order},
      {kArrival, "arrival", "between the steps", seeds, seeds.size(), true, show_arrival},
      {kPreempt, "preemption", "of all, at random steps", seeds, seeds.size(), true, show_preempt},
      {kPool, "pool", "pages of the KV cache", {kPoolAmple, kPoolTight}, 2, false, show_pool},
      {kCache,
       "cache",
       "what it holds",
       {kCacheOff, kCacheShared, kCacheHit, kCachePartial, kCacheEvicted},
       5,
       false,
       show_cache},
      {kPage, "page", "tokens", pages, pages.size(), false, show_number},
      // More threads than cores are slow.
      {kThreads, "threads", "", threads, std::min<std::size_t>(3, threads.size()), false, show_number},
      {kBatch, "batch", "samples that run together", batches, batches.size(), false, show_number},
      {kChunk, "chunk", "prefill rows of a step", chunks, std::min<std::size_t>(7, chunks.size()), false,
       show_number},
      {kIsa, "isa", "", machine.tiers, static_cast<std::size_t>(machine.fast_tiers), false, show_tier},
  };
}

std::vector<Axis> server_axes(int64_t batch_max) {
  return {{kOrder, "order", "of the requests", {0, 1, 2, 3}, 4, true, show_order},
          {kBatch, "batch", "prompts of one request", {1, 2, 3, batch_max}, 4, false, show_number}};
}

Setting reference_setting(std::span<const Axis> axes) {
  Setting setting;
  for (const Axis& axis : axes) setting[axis.id] = axis.values.front();
  return setting;
}

std::string describe(const Setting& setting, const Setting& reference, std::span<const Axis> axes) {
  std::string text;
  for (const Axis& axis : axes) {
    if (setting[axis.id] == reference[axis.id]) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", axis.name, axis.show(setting[axis.id]));
  }
  return text.empty() ? "the reference setting" : text;
}

std::string describe_values(const Axis& axis) {
  std::string text;
  for (std::size_t i = 1; i < axis.values.size() && !axis.seeded; ++i)
    text += (text.empty() ? "" : ", ") + axis.show(axis.values[i]);
  if (axis.seeded) text = fmt::format("{} random", axis.values.size() - 1);
  text += fmt::format(" against {}", axis.show(axis.values.front()));
  if (axis.what[0] != '\0') text += fmt::format(" ({})", axis.what);
  return text;
}

}  // namespace invar
