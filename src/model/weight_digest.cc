#include "model/weight_digest.h"

#include <algorithm>

#include "model/for_weights.h"
#include "model/registry.h"
#include "model/update.h"

namespace invar {
namespace {

// Row by row out of the packing, through a piece that stays in cache.
Sha256Digest hash(const WeightPlace& place) {
  constexpr int64_t kPiece = 32768;
  const int64_t rows = place.spec.rows(), width = place.spec.width();
  const int64_t step = std::max(PackedWeight::kPanel, kPiece / width);
  Buffer<bf16> piece(std::min(rows, step) * width);
  Sha256 sum;
  for (int64_t row = 0; row < rows; row += step) {
    const auto size = static_cast<std::size_t>(std::min(step, rows - row) * width);
    read_rows(place, row, piece.span().first(size));
    sum.add(std::as_bytes(piece.span().first(size)));
  }
  return sum.digest();
}

}  // namespace

WeightDigest WeightDigest::of(const DecoderModel& model, ThreadPool& pool) {
  // Places are writable; these are only read.
  const std::vector<WeightPlace> places = weight_places(const_cast<DecoderModel&>(model));
  WeightDigest digest;
  for (const WeightPlace& place : places) digest.specs_.push_back(place.spec);
  digest.digests_.resize(places.size());
  for_weights(digest.specs_, pool, [&](std::size_t i) { digest.digests_[i] = hash(places[i]); });
  return digest;
}

WeightDigest WeightDigest::of(const WeightSource& source, ThreadPool& pool) {
  WeightDigest digest;
  digest.specs_ = source.specs();
  digest.digests_.resize(digest.specs_.size());
  for_weights(digest.specs_, pool, [&](std::size_t i) {
    const WeightSpec& spec = digest.specs_[i];
    const Result<Buffer<bf16>> values = source.load(spec.name, spec.shape);
    INVAR_CHECK(values.ok(), "{}", values.message());  // open() has checked every weight
    digest.digests_[i] = Sha256().add(std::as_bytes(values->span())).digest();
  });
  return digest;
}

std::size_t WeightDigest::index(std::string_view name) const {
  const auto it = std::lower_bound(specs_.begin(), specs_.end(), name,
                                   [](const WeightSpec& spec, std::string_view n) { return spec.name < n; });
  INVAR_CHECK(it != specs_.end() && it->name == name, "no weight {}", name);
  return static_cast<std::size_t>(it - specs_.begin());
}

void WeightDigest::update(std::string_view name, std::span<const bf16> values) {
  const std::size_t i = index(name);
  INVAR_CHECK(static_cast<int64_t>(values.size()) == specs_[i].elements(), "{} values of {}", values.size(),
              name);
  digests_[i] = Sha256().add(std::as_bytes(values)).digest();
}

void WeightDigest::update(std::span<const NewValues> weights, ThreadPool& pool) {
  std::vector<const NewValues*> of_spec(specs_.size());
  for (const NewValues& weight : weights) of_spec[index(weight.name)] = &weight;
  for_weights(specs_, pool, [&](std::size_t i) {
    if (of_spec[i] != nullptr) update(of_spec[i]->name, of_spec[i]->values);
  });
}

std::string WeightDigest::combined() const {
  Sha256 all;
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    all.add_u64(specs_[i].name.size()).add(specs_[i].name).add_u64(specs_[i].shape.size());
    for (const int64_t dim : specs_[i].shape) all.add_u64(static_cast<uint64_t>(dim));
    all.add(std::as_bytes(std::span<const uint8_t>(digests_[i])));
  }
  return hex(all.digest());
}

std::string WeightDigest::weight(std::string_view name) const { return hex(digests_[index(name)]); }

}  // namespace invar
