// How many virtual lanes should NUM-RED have? Times RMSNorm rows on a GPU for several lane counts, beside a
// plain copy, and checks the 2048-lane order bit for bit against a scalar model of docs/numerics.md.
//
//   nvcc -O3 -std=c++20 --fmad=false -gencode=arch=compute_90a,code=sm_90a tools/gpu/red_lanes.cu -o /tmp/red
//   && /tmp/red
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#define CHECK(call)                                                         \
  do {                                                                      \
    cudaError_t e = (call);                                                 \
    if (e != cudaSuccess) {                                                 \
      std::printf("%s:%d %s\n", __FILE__, __LINE__, cudaGetErrorString(e)); \
      std::exit(1);                                                         \
    }                                                                       \
  } while (0)

struct alignas(16) Chunk {
  __nv_bfloat16 v[8];
};

// One row by a group of kThreads threads (a warp or several), 8 elements a thread and sweep.
template <int kThreads, int kRowsPerBlock>
__global__ void __launch_bounds__(kThreads* kRowsPerBlock)
    rms_norm(const __nv_bfloat16* x, const __nv_bfloat16* w, __nv_bfloat16* out, int rows, int dim,
             float eps) {
  __shared__ float fold[kRowsPerBlock][32];
  const int t = threadIdx.x % kThreads;
  const int row = blockIdx.x * kRowsPerBlock + threadIdx.x / kThreads;
  if (row >= rows) return;  // kRowsPerBlock > 1 only with one warp a row: no block barrier is skipped
  const Chunk* in = reinterpret_cast<const Chunk*>(x + int64_t(row) * dim);
  const int chunks = dim / 8;
  float s[8] = {};
  constexpr int kKeep = 4;  // chunks held in registers for the second pass
  Chunk kept[kKeep];
#pragma unroll
  for (int i = 0; i < kKeep; ++i) {
    const int c = t + i * kThreads;
    if (c < chunks) {
      kept[i] = in[c];
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const float f = __bfloat162float(kept[i].v[j]);
        s[j] = __fmaf_rn(f, f, s[j]);
      }
    }
  }
  for (int c = t + kKeep * kThreads; c < chunks; c += kThreads) {
    const Chunk chunk = in[c];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const float f = __bfloat162float(chunk.v[j]);
      s[j] = __fmaf_rn(f, f, s[j]);
    }
  }
  float sum = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
#pragma unroll
  for (int stride = 16; stride > 0; stride /= 2) sum += __shfl_xor_sync(~0u, sum, stride);
  if constexpr (kThreads > 32) {
    constexpr int kWarps = kThreads / 32;
    if (t % 32 == 0) fold[threadIdx.x / kThreads][t / 32] = sum;
    __syncthreads();
    float v[kWarps];
#pragma unroll
    for (int i = 0; i < kWarps; ++i) v[i] = fold[0][i];
#pragma unroll
    for (int stride = kWarps / 2; stride > 0; stride /= 2)
#pragma unroll
      for (int i = 0; i < stride; ++i) v[i] += v[i + stride];
    sum = v[0];
  }
  const float rstd = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(sum, float(dim)), eps)));
  const Chunk* gain = reinterpret_cast<const Chunk*>(w);
  Chunk* to = reinterpret_cast<Chunk*>(out + int64_t(row) * dim);
  for (int i = 0, c = t; c < chunks; ++i, c += kThreads) {
    const Chunk chunk = i < kKeep ? kept[i < kKeep ? i : 0] : in[c];
    const Chunk g = gain[c];
    Chunk result;
#pragma unroll
    for (int j = 0; j < 8; ++j)
      result.v[j] = __float2bfloat16_rn(__bfloat162float(chunk.v[j]) * rstd * __bfloat162float(g.v[j]));
    to[c] = result;
  }
}

static float bf(uint16_t b) {
  uint32_t u = uint32_t(b) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

// docs/numerics.md, NUM-RED: 2048 lanes.
static float num_red(const uint16_t* x, int n) {
  static thread_local float lane[256][8];
  std::memset(lane, 0, sizeof lane);
  for (int i = 0; i < n; ++i)
    lane[(i / 8) % 256][i % 8] = std::fma(bf(x[i]), bf(x[i]), lane[(i / 8) % 256][i % 8]);
  float v[256];
  for (int t = 0; t < 256; ++t) {
    const float* s = lane[t];
    v[t] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
  }
  for (int g = 0; g < 8; ++g)
    for (int stride = 16; stride > 0; stride /= 2)
      for (int t = 0; t < stride; ++t) v[g * 32 + t] += v[g * 32 + t + stride];
  for (int stride = 4; stride > 0; stride /= 2)
    for (int g = 0; g < stride; ++g) v[g * 32] += v[(g + stride) * 32];
  return v[0];
}

template <class Launch>
static float time_us(Launch launch) {
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  constexpr int kLaunches = 50;
  CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  for (int i = 0; i < kLaunches; ++i) launch(stream, i);
  CHECK(cudaStreamEndCapture(stream, &graph));
  CHECK(cudaGraphInstantiate(&exec, graph, 0));
  cudaEvent_t a, b;
  CHECK(cudaEventCreate(&a));
  CHECK(cudaEventCreate(&b));
  std::vector<float> times;
  for (int r = 0; r < 12; ++r) {
    CHECK(cudaEventRecord(a, stream));
    CHECK(cudaGraphLaunch(exec, stream));
    CHECK(cudaEventRecord(b, stream));
    CHECK(cudaStreamSynchronize(stream));
    float ms;
    CHECK(cudaEventElapsedTime(&ms, a, b));
    if (r >= 2) times.push_back(ms * 1000 / kLaunches);
  }
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

int main() {
  cudaDeviceProp prop;
  CHECK(cudaGetDeviceProperties(&prop, 0));
  std::printf(
      "%s; RMSNorm, bf16, us a launch (median of 10 graphs of 50), cycling over >= 256 MB where rows are "
      "many\n",
      prop.name);
  std::printf("%6s %6s | %9s %9s %9s %9s %9s | %9s\n", "C", "rows", "warp/row", "128 thr", "256 thr",
              "512 thr", "1024 thr", "copy");
  std::mt19937 rng(1);
  for (int dim : {128, 576, 4096, 8192}) {
    for (int rows : {1, 8, 64, 512, 8192}) {
      const int64_t elements = int64_t(rows) * dim;
      const int copies = int(std::min<int64_t>(50, std::max<int64_t>(1, (256 << 20) / (elements * 2))));
      std::vector<uint16_t> host(elements);
      for (auto& h : host) h = uint16_t(((rng() & 1) << 15) | ((120 + rng() % 12) << 7) | (rng() & 127));
      __nv_bfloat16 *x, *w, *out;
      CHECK(cudaMalloc(&x, elements * 2 * copies));
      CHECK(cudaMalloc(&out, elements * 2 * copies));
      CHECK(cudaMalloc(&w, dim * 2));
      for (int i = 0; i < copies; ++i)
        CHECK(cudaMemcpy(x + i * elements, host.data(), elements * 2, cudaMemcpyHostToDevice));
      std::vector<uint16_t> gain(dim, 0x3f80);
      CHECK(cudaMemcpy(w, gain.data(), dim * 2, cudaMemcpyHostToDevice));
      const float eps = 1e-5f;
      auto at = [&](__nv_bfloat16* p, int i) { return p + (i % copies) * elements; };
      float us[6];
      us[0] = time_us([&](cudaStream_t s, int i) {
        rms_norm<32, 4><<<(rows + 3) / 4, 128, 0, s>>>(at(x, i), w, at(out, i), rows, dim, eps);
      });
      us[1] = time_us([&](cudaStream_t s, int i) {
        rms_norm<128, 1><<<rows, 128, 0, s>>>(at(x, i), w, at(out, i), rows, dim, eps);
      });
      us[3] = time_us([&](cudaStream_t s, int i) {
        rms_norm<512, 1><<<rows, 512, 0, s>>>(at(x, i), w, at(out, i), rows, dim, eps);
      });
      us[4] = time_us([&](cudaStream_t s, int i) {
        rms_norm<1024, 1><<<rows, 1024, 0, s>>>(at(x, i), w, at(out, i), rows, dim, eps);
      });
      us[2] = time_us([&](cudaStream_t s, int i) {
        rms_norm<256, 1><<<rows, 256, 0, s>>>(at(x, i), w, at(out, i), rows, dim, eps);
      });
      us[5] = time_us([&](cudaStream_t s, int i) {
        CHECK(cudaMemcpyAsync(at(out, i), at(x, i), elements * 2, cudaMemcpyDeviceToDevice, s));
      });
      rms_norm<256, 1><<<rows, 256>>>(x, w, out, rows, dim, eps);
      CHECK(cudaDeviceSynchronize());
      std::vector<uint16_t> got(elements);
      CHECK(cudaMemcpy(got.data(), out, elements * 2, cudaMemcpyDeviceToHost));
      int64_t different = 0;
      for (int r = 0; r < std::min(rows, 512); ++r) {
        const float rstd = 1.0f / std::sqrt(num_red(&host[int64_t(r) * dim], dim) / float(dim) + eps);
        for (int c = 0; c < dim; ++c) {
          const float y = bf(host[int64_t(r) * dim + c]) * rstd * 1.0f;
          uint32_t u;
          std::memcpy(&u, &y, 4);
          different += uint16_t((u + 0x7fff + ((u >> 16) & 1)) >> 16) != got[int64_t(r) * dim + c];
        }
      }
      std::printf("%6d %6d | %9.2f %9.2f %9.2f %9.2f %9.2f | %9.2f  %lld bits differ from the scalar order\n",
                  dim, rows, us[0], us[1], us[2], us[3], us[4], us[5], (long long)different);
      CHECK(cudaFree(x));
      CHECK(cudaFree(out));
      CHECK(cudaFree(w));
    }
  }
}
