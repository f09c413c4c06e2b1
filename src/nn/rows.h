// Rows<T>: a view of a row-major matrix whose rows are `stride` elements apart.
#pragma once

#include <cstdint>

#include "numerics/bf16.h"

namespace invar {

template <class T>
struct Rows {
  T* data;
  int64_t stride;  // elements between rows

  T* row(int64_t r) const { return data + r * stride; }
  // The same rows from column c on.
  Rows columns(int64_t c) const { return {data + c, stride}; }
  operator Rows<const T>() const { return {data, stride}; }
};

}  // namespace invar
