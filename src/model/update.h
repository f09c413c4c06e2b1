// Weights of a running model, replaced and read back by name: between two steps of an engine, never during one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "model/parts.h"

namespace invar {

// Overwrites the weight `hf_name` of the model in place: allocates nothing, and changes no bit of another weight. A
// model so updated has the bits of one loaded with these values. shape: as weight_specs(model.config) has it; values:
// row by row, shape's product of them. pool: divides the rows between threads; may be null.
//
// What depends on weights is the caller's: cached keys and values are of the old ones, and so are WeightDigest and
// model_fingerprint.
//
// Errors: no such weight, another shape, another number of values. Then nothing has changed.
Status update_weight(DecoderModel& model, std::string_view hf_name, const std::vector<int64_t>& shape,
                     std::span<const bf16> values, ThreadPool* pool);

// The values of the weight `hf_name`, bit for bit as they were loaded or last updated. Errors: no such weight.
Result<Buffer<bf16>> read_weight(const DecoderModel& model, std::string_view hf_name);

// The place of the weight `hf_name`, which `count` values of this shape fit: for who writes several weights or none.
// Errors: those of update_weight.
Result<WeightPlace> fitting_place(DecoderModel& model, std::string_view hf_name,
                                  const std::vector<int64_t>& shape, std::size_t count);

// The same once the place is known. values: all of the weight; out: rows [row, row + rows), whole rows.
void write_weight(const WeightPlace& place, std::span<const bf16> values, ThreadPool* pool);
void read_rows(const WeightPlace& place, int64_t row, std::span<bf16> out);

}  // namespace invar
