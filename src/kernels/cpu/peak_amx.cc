#include "kernels/cpu/amx.h"
#include "kernels/cpu/amx_tiles.h"
#include "kernels/cpu/peak_tiers.h"

namespace invar {

double peak_amx(int64_t iterations) {
  constexpr int kFlop = 2 * 16 * 16 * 32;  // of a tile_dot
  alignas(64) const bf16 zeros[16 * 32] = {};
  amx_begin();
  tile_zero<0>();
  tile_zero<1>();
  tile_zero<2>();
  tile_zero<3>();
  tile_load<4>(zeros, 64);
  tile_load<5>(zeros, 64);
  tile_load<6>(zeros, 64);
  tile_load<7>(zeros, 64);
  for (int64_t i = 0; i < iterations; ++i) {
    tile_dot<0, 4, 6>();
    tile_dot<1, 4, 7>();
    tile_dot<2, 5, 6>();
    tile_dot<3, 5, 7>();
  }
  amx_end();
  return static_cast<double>(iterations) * 4 * kFlop;
}

}  // namespace invar
