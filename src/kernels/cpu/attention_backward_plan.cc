#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "kernels/cpu/attention_backward_task.h"
#include "kernels/tiers.h"

namespace invar::cpu {
namespace {

// Products of a pair of positions: all five; those of dk and dv without dq's; those of dq without dk's and dv's.
constexpr int64_t kBothCost = 5, kKeysCost = 4, kQueriesCost = 3;

// Queries of a task that computes dq alone: the packing of keys is shared by so many.
constexpr int64_t kQueriesOfTask = 256;

struct Task {
  AttentionBackwardTask work;
  int64_t cost;
};

// The tasks of each thread. Only speed depends on it.
struct Shares {
  std::vector<std::vector<AttentionBackwardTask>> tasks;  // [threads]
  int64_t largest_cost = 0;
};

// Largest task first, each to the thread with the least to do.
Shares divide(std::vector<Task> tasks, int64_t threads) {
  std::ranges::stable_sort(tasks, std::ranges::greater{}, &Task::cost);
  Shares shares{std::vector<std::vector<AttentionBackwardTask>>(static_cast<std::size_t>(threads))};
  std::vector<int64_t> cost(static_cast<std::size_t>(threads));
  for (const Task& task : tasks) {
    const auto least = static_cast<std::size_t>(std::ranges::min_element(cost) - cost.begin());
    shares.tasks[least].push_back(task.work);
    cost[least] += task.cost;
  }
  shares.largest_cost = *std::ranges::max_element(cost);
  return shares;
}

// Pairs (i, j) with j <= i, j in [begin, end), i < rows.
int64_t pairs_of_keys(int64_t begin, int64_t end, int64_t rows) {
  return (end - begin) * (2 * rows - begin - end + 1) / 2;
}

// The work of a sequence and kv head in blocks of keys and of queries, some of it twice.
void add_parts(const AttentionBackwardTask& whole, std::vector<Task>& tasks) {
  for (int64_t j = 0; j < whole.rows; j += kKeyBlock) {
    AttentionBackwardTask part = whole;
    part.queries = false;
    part.key_begin = j;
    part.key_end = std::min(j + kKeyBlock, whole.rows);
    part.query_begin = j;
    tasks.push_back({part, kKeysCost * pairs_of_keys(part.key_begin, part.key_end, whole.rows)});
  }
  for (int64_t i = 0; i < whole.rows; i += kQueriesOfTask) {
    AttentionBackwardTask part = whole;
    part.keys = false;
    part.query_begin = i;
    part.query_end = std::min(i + kQueriesOfTask, whole.rows);
    part.key_end = part.query_end;
    const int64_t pairs = pairs_of_keys(0, part.query_end, part.query_end) - pairs_of_keys(0, i, i);
    tasks.push_back({part, kQueriesCost * pairs});
  }
}

// Sequences and kv heads whole; where they do not go round, the smallest of them in parts.
Shares plan(const AttentionBackwardArgs& args, const AttentionRowStat* stats, float c, int64_t threads) {
  std::vector<Task> whole;
  int64_t total = 0;
  for (const SequenceRows& sequence : args.sequences)
    for (int64_t g = 0; g < args.kv_heads; ++g) {
      const int64_t cost = kBothCost * pairs_of_keys(0, sequence.rows, sequence.rows);
      whole.push_back({{.args = &args,
                        .stats = stats,
                        .c = c,
                        .row_begin = sequence.row_begin,
                        .rows = sequence.rows,
                        .kv_head = g,
                        .key_begin = 0,
                        .key_end = sequence.rows,
                        .query_begin = 0,
                        .query_end = sequence.rows,
                        .keys = true,
                        .queries = true},
                       cost});
      total += cost;
    }
  std::ranges::stable_sort(whole, std::ranges::greater{}, &Task::cost);
  Shares best = divide(whole, threads);
  std::vector<Task> parts;
  for (int64_t in_parts = 1; in_parts <= threads && !whole.empty(); ++in_parts) {
    if (best.largest_cost * threads * 10 <= total * 11) break;
    add_parts(whole.back().work, parts);
    whole.pop_back();
    std::vector<Task> tasks = whole;
    tasks.insert(tasks.end(), parts.begin(), parts.end());
    Shares shares = divide(std::move(tasks), threads);
    if (shares.largest_cost < best.largest_cost) best = std::move(shares);
  }
  return best;
}

AttentionBackwardScratch scratch_at(float* memory, int64_t dim) {
  const auto take = [&](int64_t floats) { return std::exchange(memory, memory + floats); };
  constexpr int64_t kRows = AttentionBackwardScratch::kRows;
  AttentionBackwardScratch scratch;
  scratch.k_lines = take(kKeyBlock * dim);
  scratch.v_lines = take(kKeyBlock * dim);
  scratch.k_rows = take(kKeyBlock * dim);
  scratch.q = take(kQueryBlock * dim);
  scratch.d_out = take(kQueryBlock * dim);
  scratch.p = take(kQueryBlock * kKeyBlock);
  scratch.ds = take(kQueryBlock * kKeyBlock);
  scratch.s_rows = take(kRows * kKeyBlock);
  scratch.ds_rows = take(kRows * kKeyBlock);
  scratch.dq = take(kRows * dim);
  scratch.dk = take(kKeyBlock * dim);
  scratch.dv = take(kKeyBlock * dim);
  return scratch;
}

}  // namespace

void run_attention_backward(Queue& queue, const AttentionBackwardArgs& args, float c,
                            const AttentionBackwardKernels& kernels) {
  int64_t rows_end = 0;
  for (const SequenceRows& sequence : args.sequences)
    rows_end = std::max(rows_end, sequence.row_begin + sequence.rows);
  const int64_t threads = queue.pool().threads();
  const int64_t floats = AttentionBackwardScratch::floats(args.head_dim);
  auto* memory = reinterpret_cast<float*>(
      queue.scratch(static_cast<std::size_t>(threads * floats) * sizeof(float) +
                    static_cast<std::size_t>(rows_end * args.heads) * sizeof(AttentionRowStat)));
  auto* stats = reinterpret_cast<AttentionRowStat*>(memory + threads * floats);

  for (const SequenceRows& sequence : args.sequences)
    parallel_rows(queue, sequence.rows, args.heads * args.head_dim, [&](RowRange rows) {
      kernels.row_stats(args, c, sequence.row_begin + rows.begin, sequence.row_begin + rows.end, stats);
    });
  const Shares shares = plan(args, stats, c, threads);
  const auto run_share = [&](int64_t share) {
    const AttentionBackwardScratch scratch = scratch_at(memory + share * floats, args.head_dim);
    for (const AttentionBackwardTask& task : shares.tasks[static_cast<std::size_t>(share)])
      kernels.run(task, scratch);
  };
  queue.pool().parallel_for(threads, [&](int64_t begin, int64_t end, int) {
    for (int64_t share = begin; share < end; ++share) run_share(share);
  });
}

}  // namespace invar::cpu
