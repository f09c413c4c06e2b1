// Communicator: the port between a rank and all others of its group. It adds integers and moves bytes; floats never
// meet across ranks, so which algorithm adds in which order changes no bit (docs/adr/0006-integer-all-reduce.md).
//
// Every rank calls the same collectives in the same order with spans of the same size: anything else is a bug. A
// collective returns an error on every rank that is left when a rank has failed or gone; the group is of no use then.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace invar {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;  // of [0, size())
  virtual int size() const = 0;  // >= 1

  // values[i] becomes the sum over all ranks of their values[i], exactly. Where that is no int64 it becomes the nearest
  // one, and `overflow` is set on every rank; it is never cleared. Cost: one pass over the values beside add_modulo();
  // three times that of add_modulo() where a value is within a factor of size() of int64's ends.
  Status all_reduce_sum(std::span<int64_t> values, bool& overflow);

  // values[i] becomes the largest of all ranks'.
  virtual Status all_reduce_max(std::span<uint64_t> values) = 0;
  // bytes become those of rank `root`.
  virtual Status broadcast(std::span<std::byte> bytes, int root) = 0;
  // Returns once every rank has called it.
  virtual Status barrier() = 0;

 protected:
  // values[i] becomes the sum over all ranks modulo 2^64: an all-reduce of MPI_UINT64_T or ncclUint64. Any number of
  // values; who cannot take them at once cuts them.
  virtual Status add_modulo(std::span<uint64_t> values) = 0;

 private:
  Status sum_in_halves(std::span<int64_t> values, bool& overflow);
};

// A float as an integer of the same order, for all_reduce_max: -0 is below +0, NaNs are beyond the infinities.
inline uint64_t ordered_bits(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
}
inline float from_ordered_bits(uint64_t ordered) {
  const auto bits = static_cast<uint32_t>(ordered);
  return std::bit_cast<float>(bits >> 31 != 0 ? bits & 0x7fffffffu : ~bits);
}

}  // namespace invar
