// How fast is attention? Prefill against the peak of fp32 FMAs, decode against reading as many bytes, in one process.
//
//   attention [threads [profile [tier]]]     one line a shape, its best run
//
// One thread is timed by its own CPU clock, so that work of others on the same core does not count; more by the wall.
#include <fmt/format.h>
#include <immintrin.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/attention.h"

namespace invar {
namespace {

clockid_t clock_id = CLOCK_MONOTONIC;

double now() {
  timespec time;
  clock_gettime(clock_id, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double seconds_of(int64_t repeats, const std::function<void()>& body) {
  const double begin = now();
  for (int64_t i = 0; i < repeats; ++i) body();
  return (now() - begin) / static_cast<double>(repeats);
}

// Seconds of one call, of the best run of about 1 ms or one call: other work on the machine only ever adds, and
// short runs fit between it.
double measure(const std::function<void()>& body) {
  body();
  const int64_t repeats = std::max<int64_t>(1, static_cast<int64_t>(0.001 / seconds_of(1, body)));
  double best = 1e9, total = 0;
  for (int i = 0; i < 9 || (i < 400 && total < 0.4); ++i) {
    const double seconds = seconds_of(repeats, body);
    best = std::min(best, seconds);
    total += seconds * static_cast<double>(repeats);
  }
  return best;
}

// GFLOP/s of independent FMAs in registers on all threads.
__attribute__((target("avx512f"))) float fma_chains_avx512(int64_t steps) {
  __m512 acc[24];
  for (int i = 0; i < 24; ++i) acc[i] = _mm512_set1_ps(static_cast<float>(i));
  __m512 x = _mm512_set1_ps(0.5f);
  __asm__ volatile("" : "+v"(x));
  for (int64_t s = 0; s < steps; ++s)
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) acc[i] = _mm512_fmadd_ps(acc[i], x, x);
  for (int i = 1; i < 24; ++i) acc[0] = _mm512_add_ps(acc[0], acc[i]);
  return _mm512_cvtss_f32(acc[0]);
}
float fma_chains_avx2(int64_t steps) {
  __m256 acc[12];
  for (int i = 0; i < 12; ++i) acc[i] = _mm256_set1_ps(static_cast<float>(i));
  __m256 x = _mm256_set1_ps(0.5f);
  __asm__ volatile("" : "+x"(x));
  for (int64_t s = 0; s < steps; ++s)
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) acc[i] = _mm256_fmadd_ps(acc[i], x, x);
  for (int i = 1; i < 12; ++i) acc[0] = _mm256_add_ps(acc[0], acc[i]);
  return _mm256_cvtss_f32(acc[0]);
}

volatile float sink;

double fma_peak_gflops(ThreadPool& pool, Tier tier) {
  constexpr int64_t kSteps = 20'000;
  const bool wide = tier == Tier::kAvx512 || tier == Tier::kAvx512Bf16;
  double best = 1e9;
  for (int i = 0; i < 200; ++i)
    best = std::min(best, seconds_of(1, [&] {
                      pool.parallel_for(pool.threads(), [&](int64_t, int64_t, int) {
                        sink = wide ? fma_chains_avx512(kSteps) : fma_chains_avx2(kSteps);
                      });
                    }));
  const double flops = static_cast<double>(kSteps * pool.threads()) * (wide ? 24 * 16 : 12 * 8) * 2;
  return flops / best * 1e-9;
}

// GB/s of reading `bytes` that were just read, in ascending order on all threads.
double read_gbs(ThreadPool& pool, const Buffer<bf16>& data, int64_t bytes) {
  const auto read = [&](int64_t begin, int64_t end, int) {
    const __m256i* p = reinterpret_cast<const __m256i*>(data.data());
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (int64_t i = begin * 4; i + 3 < end * 4; i += 4) {
      a = _mm256_xor_si256(a, p[i]);
      b = _mm256_xor_si256(b, p[i + 1]);
      c = _mm256_xor_si256(c, p[i + 2]);
      d = _mm256_xor_si256(d, p[i + 3]);
    }
    a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
    sink = static_cast<float>(_mm256_extract_epi32(a, 0));
  };
  return static_cast<double>(bytes) / measure([&] { pool.parallel_for(bytes / 128, read); }) * 1e-9;
}

struct Model {
  int64_t heads, kv_heads, dim;
};

// A cache of `sequences` sequences of `length` positions in shuffled pages, and queries for all of them.
struct Setup {
  Setup(const Model& m, int64_t page_size, int64_t sequences, int64_t length, int64_t rows)
      : layout{m.kv_heads, m.dim, page_size},
        pages_each((length + page_size - 1) / page_size),
        k(sequences * pages_each * layout.page_elements()),
        v(k.size()),
        q(sequences * rows * m.heads * m.dim),
        out(q.size()),
        table(static_cast<std::size_t>(sequences * pages_each)) {
    std::mt19937 random(1);
    for (Buffer<bf16>* b : {&k, &v, &q})
      for (bf16& x : b->span()) x = to_bf16(static_cast<float>(random() >> 8) * 0x1p-22f - 2.0f);
    std::iota(table.begin(), table.end(), 0);
    for (std::size_t i = table.size(); i > 1; --i) std::swap(table[i - 1], table[random() % i]);
    for (int64_t s = 0; s < sequences; ++s)
      chunks.push_back({s * rows, rows, length - rows, table.data() + s * pages_each});
    const int64_t width = m.heads * m.dim;
    args = {.q = q.data(),
            .out = out.data(),
            .q_stride = width,
            .out_stride = width,
            .k_pages = k.data(),
            .v_pages = v.data(),
            .layout = layout,
            .heads = m.heads,
            .scale = 0.125f,
            .chunks = chunks};
  }
  KvLayout layout;
  int64_t pages_each;
  Buffer<bf16> k, v, q, out;
  std::vector<int32_t> table;
  std::vector<SequenceChunk> chunks;
  AttentionArgs args;
};

void prefill(Queue& queue, const Model& m, int64_t tokens, double peak) {
  Setup setup(m, 64, 1, tokens, tokens);
  const double seconds = measure([&] { attention(queue, setup.args); });
  const double flop =
      4.0 * static_cast<double>(m.heads * m.dim) * static_cast<double>(tokens * (tokens + 1) / 2);
  fmt::print(
      "prefill {:>5} tokens, {}/{} heads x {}: {:9.1f} us  {:7.2f} GFLOP/s  {:5.1f} % of the FMA peak\n",
      tokens, m.heads, m.kv_heads, m.dim, seconds * 1e6, flop / seconds * 1e-9,
      flop / seconds * 1e-9 / peak * 100);
}

void decode(Queue& queue, const Model& m, int64_t sequences, int64_t length, int64_t page_size) {
  Setup setup(m, page_size, sequences, length, 1);
  const double seconds = measure([&] { attention(queue, setup.args); });
  const double bytes = 4.0 * static_cast<double>(m.kv_heads * m.dim * length * sequences);
  const double read = read_gbs(queue.pool(), setup.k, static_cast<int64_t>(bytes) / 2);
  fmt::print(
      "decode {:>2} x {:>5} positions, {}/{} heads x {}, page {:>3}: {:9.1f} us  {:6.2f} GB/s  {:5.1f} % of "
      "reading\n",
      sequences, length, m.heads, m.kv_heads, m.dim, page_size, seconds * 1e6, bytes / seconds * 1e-9,
      bytes / seconds * 1e-9 / read * 100);
}

}  // namespace
}  // namespace invar

int main(int argc, char** argv) {
  using namespace invar;
  ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 1);
  if (pool.threads() == 1) clock_id = CLOCK_THREAD_CPUTIME_ID;
  for (Profile profile : {Profile::kFma32, Profile::kTc16})
    for (Tier tier : {Tier::kAvx2, Tier::kAvx512, Tier::kAvx512Bf16}) {
      if (argc > 2 && profile_name(profile) != argv[2]) continue;
      if (argc > 3 && tier_name(tier) != argv[3]) continue;
      if (!tier_supported(tier)) continue;
      Queue queue(pool, profile, tier);
      const double peak = fma_peak_gflops(pool, tier);
      fmt::print("\n{} {}, {} threads, FMA peak {:.1f} GFLOP/s\n", profile_name(profile), tier_name(tier),
                 pool.threads(), peak);
      const Model smol{9, 3, 64}, wide{32, 8, 128};
      for (int64_t tokens : {128, 512, 2048}) prefill(queue, smol, tokens, peak);
      prefill(queue, wide, 1024, peak);
      for (int64_t length : {128, 1024, 8192}) decode(queue, smol, 1, length, 16);
      decode(queue, smol, 16, 1024, 16);
      decode(queue, smol, 16, 1024, 128);
      decode(queue, wide, 1, 8192, 64);
    }
}
