// WeightDigest: SHA-256 of every weight and of all of them together.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "io/hash.h"
#include "model/decoder.h"
#include "model/weights.h"

namespace invar {

class WeightDigest {
 public:
  // Hashes every weight, in parallel. A model and the source it was loaded from have equal digests.
  static WeightDigest of(const DecoderModel& model, ThreadPool& pool);
  static WeightDigest of(const WeightSource& source, ThreadPool& pool);

  // Hashes the new values of one weight, on this thread; the others keep their hashes. The name and the number of
  // values are those of a weight (update_weight has checked them).
  void update(std::string_view name, std::span<const bf16> values);

  // The same for several weights, in parallel.
  struct NewValues {
    std::string_view name;
    std::span<const bf16> values;
  };
  void update(std::span<const NewValues> weights, ThreadPool& pool);

  // 64 hex digits that stand for every bit of every weight: SHA-256 over the weights in name order of
  //   u64 bytes of name, name, u64 rank, u64 dimensions, SHA-256 of the bf16 values (little endian),
  // u64 being 8 bytes, little endian. Independent of the file format, the sharding and the thread count. Hashes about
  // 100 bytes a weight.
  std::string combined() const;

  // 64 hex digits of one weight: SHA-256 of its bf16 values. The name is that of a weight.
  std::string weight(std::string_view name) const;

  friend bool operator==(const WeightDigest&, const WeightDigest&) = default;

 private:
  std::size_t index(std::string_view name) const;

  std::vector<WeightSpec> specs_;  // in name order
  std::vector<Sha256Digest> digests_;
};

}  // namespace invar
