#include "model/update.h"

#include <algorithm>
#include <bit>

#include "io/quote.h"
#include "model/registry.h"

namespace invar {
namespace {

constexpr int64_t kElementsWorthThreads = 1 << 16;

// A widened bf16 back to its bits: NaN payloads too, which NUM-BF16 would not keep.
bf16 narrow(float widened) { return {static_cast<uint16_t>(std::bit_cast<uint32_t>(widened) >> 16)}; }

Error no_such_weight(const ModelConfig& config, std::string_view name) {
  return error("expected the name of a weight of this {} of {} layers, found {}",
               architecture_name(config.architecture), config.layers, quote(name));
}

// Rows [begin, end) of the weight.
void write_rows(const WeightPlace& place, std::span<const bf16> values, int64_t begin, int64_t end) {
  const int64_t width = place.spec.width();
  const bf16* from = values.data() + begin * width;
  if (place.plain != nullptr) std::copy_n(from, (end - begin) * width, place.plain->data() + begin * width);
  if (place.packed != nullptr) pack_rows(*place.packed, place.row + begin, {.data = from, .n = end - begin});
  if (place.bias != nullptr)
    std::transform(from, from + (end - begin), place.bias->data() + place.row + begin,
                   [](bf16 value) { return to_float(value); });
}

}  // namespace

void write_weight(const WeightPlace& place, std::span<const bf16> values, ThreadPool* pool) {
  INVAR_CHECK(static_cast<int64_t>(values.size()) == place.spec.elements(), "{} values of {}", values.size(),
              place.spec.name);
  const int64_t rows = place.spec.rows();
  if (pool == nullptr || place.spec.elements() < kElementsWorthThreads)
    return write_rows(place, values, 0, rows);
  // Rows are elements of their own even where two threads meet in one panel.
  pool->parallel_for(rows, [&](int64_t begin, int64_t end, int) { write_rows(place, values, begin, end); });
}

void read_rows(const WeightPlace& place, int64_t row, std::span<bf16> out) {
  const int64_t width = place.spec.width();
  const auto count = static_cast<int64_t>(out.size());
  if (place.plain != nullptr) {
    std::copy_n(place.plain->data() + row * width, count, out.data());
  } else if (place.packed != nullptr) {
    unpack_rows(*place.packed, place.row + row, count / width, out.data());
  } else {
    const float* from = place.bias->data() + place.row + row;
    std::transform(from, from + count, out.data(), narrow);
  }
}

Result<WeightPlace> fitting_place(DecoderModel& model, std::string_view hf_name,
                                  const std::vector<int64_t>& shape, std::size_t count) {
  const std::optional<WeightPlace> place = weight_place(model, hf_name);
  if (!place) return no_such_weight(model.config, hf_name);
  if (shape != place->spec.shape) {
    return error("{}: expected shape {}, found {}", hf_name, shape_text(place->spec.shape),
                 shape_text(shape));
  }
  if (static_cast<int64_t>(count) != place->spec.elements()) {
    return error("{}: expected {} values for shape {}, found {}", hf_name, place->spec.elements(),
                 shape_text(shape), count);
  }
  return *place;
}

Status update_weight(DecoderModel& model, std::string_view hf_name, const std::vector<int64_t>& shape,
                     std::span<const bf16> values, ThreadPool* pool) {
  INVAR_TRY(const WeightPlace place, fitting_place(model, hf_name, shape, values.size()));
  write_weight(place, values, pool);
  return Ok{};
}

Result<Buffer<bf16>> read_weight(const DecoderModel& model, std::string_view hf_name) {
  // Places are writable; this one is only read.
  const std::optional<WeightPlace> place = weight_place(const_cast<DecoderModel&>(model), hf_name);
  if (!place) return no_such_weight(model.config, hf_name);
  Buffer<bf16> out(place->spec.elements());
  read_rows(*place, 0, out.span());
  return out;
}

}  // namespace invar
