#include "kernels/cpu/amx.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/cpu/amx_tiles.h"

namespace invar {
namespace {

// Intel SDM, LDTILECFG: palette 1, the rows of each tile and their bytes.
struct alignas(64) TileConfig {
  uint8_t palette;
  uint8_t start_row;
  uint8_t reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};
static_assert(sizeof(TileConfig) == 64);

constexpr TileConfig whole_tiles() {
  TileConfig config = {};
  config.palette = 1;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = 16;
  }
  return config;
}
constexpr TileConfig kWholeTiles = whole_tiles();

bool cpu_has_bf16_tiles() {
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kBf16) != 0 && (edx & kTile) != 0;
}

}  // namespace

bool amx_permitted() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return cpu_has_bf16_tiles() && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

void amx_begin() { __asm__ volatile("ldtilecfg %0" : : "m"(kWholeTiles)); }
void amx_end() { __asm__ volatile("tilerelease"); }

void amx_products(const AmxProblem& problem, float* out) {
  constexpr int64_t kSize = AmxProblem::kSize, kK = AmxProblem::kK;
  bf16 pairs[kK / 2 * kSize * 2];  // w^T: [k / 2, n, 2]
  for (int64_t k = 0; k < kK; ++k)
    for (int64_t n = 0; n < kSize; ++n) pairs[(k / 2 * kSize + n) * 2 + k % 2] = problem.w[n * kK + k];
  amx_begin();
  tile_zero<0>();
  for (int64_t k = 0; k < kK; k += 32) {
    tile_load<1>(problem.a + k, kK * static_cast<int64_t>(sizeof(bf16)));
    tile_load<2>(pairs + k * kSize, 64);
    tile_dot<0, 1, 2>();
  }
  tile_store<0>(out, 64);
  amx_end();
}

}  // namespace invar
