// Bounds of model sizes: well above every model we know, low enough that products stay inside 64 bits.
#pragma once

#include <cstdint>

namespace invar {

inline constexpr int64_t kVocabMax = int64_t{1} << 22;
inline constexpr int64_t kHiddenMax = int64_t{1} << 17;
inline constexpr int64_t kIntermediateMax = int64_t{1} << 20;
inline constexpr int64_t kLayersMax = 1024;
inline constexpr int64_t kHeadsMax = 1024;
inline constexpr int64_t kHeadDimMax = 1024;
inline constexpr int64_t kPositionsMax = int64_t{1} << 27;
inline constexpr int64_t kParametersMax = int64_t{1} << 42;

}  // namespace invar
