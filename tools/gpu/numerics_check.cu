// The contract's scalar code on a GPU: (1) every function of numerics/functions.h over all 2^32 inputs gives
// the CPU's bits; (2) NUM-H16 equals the tensor core's mma.sync.m16n8k16 on random operands of several kinds.
//
//   nvcc -O3 -std=c++20 --fmad=false -Isrc -Xcompiler=-ffp-contract=off,-march=x86-64-v3 \
//        -gencode=arch=compute_90a,code=sm_90a tools/gpu/numerics_check.cu -o /tmp/check && /tmp/check
#include <cuda_runtime.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "numerics/functions.h"
#include "numerics/h16.h"

#define CHECK(call)                                                         \
  do {                                                                      \
    cudaError_t e = (call);                                                 \
    if (e != cudaSuccess) {                                                 \
      std::printf("%s:%d %s\n", __FILE__, __LINE__, cudaGetErrorString(e)); \
      std::exit(1);                                                         \
    }                                                                       \
  } while (0)

namespace {

constexpr int kFunctions = 8;
const char* kNames[kFunctions] = {"exp", "exp2", "exp2p", "log", "log1p", "sigmoid", "silu", "rsqrt"};

__host__ __device__ inline uint32_t apply(int function, uint32_t bits) {
  namespace num = invar::num;
  const float x = num::as_float(bits);
  float y = 0;
  switch (function) {
    case 0: y = num::exp(x); break;
    case 1: y = num::exp2(x); break;
    case 2: y = num::exp2p(x < 0 ? x : -x); break;
    case 3: y = num::log(x); break;
    case 4: y = num::log1p(x); break;
    case 5: y = num::sigmoid(x); break;
    case 6: y = num::silu(x); break;
    case 7: y = num::rsqrt(x); break;
  }
  return y != y ? 0x7fffffffu : num::as_int(y);  // any NaN equals any NaN
}

__host__ __device__ inline uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// The sum of mix(input, output) modulo 2^64: any order of inputs, and a changed bit changes it.
__global__ void hash_function(int function, unsigned long long* sum) {
  uint64_t local = 0;
  for (uint64_t x = blockIdx.x * uint64_t(blockDim.x) + threadIdx.x; x < (1ull << 32);
       x += uint64_t(gridDim.x) * blockDim.x)
    local += mix(x << 32 | apply(function, uint32_t(x)));
  atomicAdd(sum, local);
}

uint64_t hash_on_cpu(int function) {
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<uint64_t> sums(threads);
  std::vector<std::thread> pool;
  for (unsigned t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      uint64_t local = 0;
      for (uint64_t x = t; x < (1ull << 32); x += threads)
        local += mix(x << 32 | apply(function, uint32_t(x)));
      sums[t] = local;
    });
  for (auto& thread : pool) thread.join();
  uint64_t sum = 0;
  for (uint64_t s : sums) sum += s;
  return sum;
}

// A random bf16 of a kind: 0 any bits but specials, 1 near one, 2 wide exponents, 3 subnormal-heavy, 4 any bits at all.
__device__ invar::bf16 random_bf16(int kind, uint64_t& state) {
  state = mix(state + 0x9e3779b97f4a7c15ull);
  const uint32_t r = uint32_t(state >> 20);
  const uint16_t sign = (r & 1) << 15, fraction = (r >> 1) & 127;
  uint32_t exponent = (r >> 8) & 255;
  if (kind == 0) exponent = exponent % 255;
  if (kind == 1) exponent = 120 + exponent % 14;
  if (kind == 2) exponent = 87 + exponent % 81;
  if (kind == 3) exponent = exponent % 4 == 0 ? 0 : exponent % 140;
  return {uint16_t(sign | exponent << 7 | fraction)};
}

// One m16n8k16 a warp: D = A B^T + C by the tensor core, and each of its 128 outputs by h16().
__global__ void compare_mma(int kind, int repeats, uint64_t seed, unsigned long long* different) {
  __shared__ invar::bf16 a[16][16], w[8][16];
  const int lane = threadIdx.x;
  uint64_t state = mix(seed + blockIdx.x * 64ull + lane);
  for (int repeat = 0; repeat < repeats; ++repeat) {
    __syncwarp();
    for (int i = lane; i < 256; i += 32) a[i / 16][i % 16] = random_bf16(kind, state);
    for (int i = lane; i < 128; i += 32) w[i / 16][i % 16] = random_bf16(kind, state);
    __syncwarp();
    const int g = lane / 4, t = lane % 4;
    float c[4], d[4];
    for (int i = 0; i < 4; ++i) {
      state = mix(state + 1);
      const uint32_t high = random_bf16(kind, state).bits;
      c[i] = state % 5 == 0 ? 0.0f : invar::num::as_float(high << 16 | uint32_t(state & 0xffff));
    }
    const auto pair = [](const invar::bf16* p) { return uint32_t(p[0].bits) | uint32_t(p[1].bits) << 16; };
    const uint32_t a0 = pair(&a[g][2 * t]), a1 = pair(&a[g + 8][2 * t]), a2 = pair(&a[g][2 * t + 8]),
                   a3 = pair(&a[g + 8][2 * t + 8]);
    const uint32_t b0 = pair(&w[g][2 * t]), b1 = pair(&w[g][2 * t + 8]);
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
        "{%10,%11,%12,%13};"
        : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
    for (int i = 0; i < 4; ++i) {
      const int row = g + (i / 2) * 8, column = 2 * t + i % 2;
      const float expected = invar::h16(c[i], a[row], w[column]);
      if (invar::num::as_int(expected) != invar::num::as_int(d[i]) && atomicAdd(different, 1ull) < 3)
        printf("  c %08x: tensor core %08x, h16 %08x\n", invar::num::as_int(c[i]), invar::num::as_int(d[i]),
               invar::num::as_int(expected));
    }
  }
}

}  // namespace

int main() {
  cudaDeviceProp prop;
  CHECK(cudaGetDeviceProperties(&prop, 0));
  std::printf("%s, %u CPU threads\n", prop.name, std::thread::hardware_concurrency());
  unsigned long long* value;
  CHECK(cudaMalloc(&value, 8));
  int failures = 0;
  for (int f = 0; f < kFunctions; ++f) {
    CHECK(cudaMemset(value, 0, 8));
    hash_function<<<132 * 8, 256>>>(f, value);
    CHECK(cudaDeviceSynchronize());
    unsigned long long gpu;
    CHECK(cudaMemcpy(&gpu, value, 8, cudaMemcpyDeviceToHost));
    const uint64_t cpu = hash_on_cpu(f);
    std::printf("%-8s all 2^32 inputs: GPU %016llx CPU %016llx %s\n", kNames[f], gpu, (unsigned long long)cpu,
                gpu == cpu ? "equal" : "DIFFERENT");
    failures += gpu != cpu;
  }
  const char* kinds[] = {"any finite bits", "near one", "exponents 2^-40..2^40", "subnormal-heavy",
                         "any bits, specials too"};
  for (int kind = 0; kind < 5; ++kind) {
    CHECK(cudaMemset(value, 0, 8));
    const int blocks = 132 * 32, repeats = 2000;
    compare_mma<<<blocks, 32>>>(kind, repeats, 1234 + kind, value);
    CHECK(cudaDeviceSynchronize());
    unsigned long long different;
    CHECK(cudaMemcpy(&different, value, 8, cudaMemcpyDeviceToHost));
    std::printf("NUM-H16 against mma.sync.m16n8k16, %s: %llu of %lld outputs differ\n", kinds[kind],
                different, 128ll * blocks * repeats);
    failures += different != 0;
  }
  std::printf(failures == 0 ? "all equal\n" : "%d FAILURES\n", failures);
  return failures != 0;
}
