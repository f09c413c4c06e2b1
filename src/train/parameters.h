// ParameterLayout: every trained number of a model in one flat array: gradients, masters and moments are arrays of this
// layout, and a weight of a checkpoint is a part of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/parts.h"

namespace invar {

class ParameterLayout {
 public:
  explicit ParameterLayout(DecoderModel& model);

  // A weight by its Hugging Face name: elements [begin, begin + place.spec.elements()), row-major.
  struct Named {
    WeightPlace place;
    int64_t begin;
  };

  int64_t size() const { return size_; }
  std::span<const Named> named() const { return named_; }  // in name order

  // Where a tensor of the model begins; of tied weights both tensors begin at the same element.
  int64_t begin_of(const PackedWeight& weight) const { return begin_at(&weight); }
  int64_t begin_of(const Buffer<bf16>& weight) const { return begin_at(&weight); }
  int64_t begin_of(const Buffer<float>& bias) const { return begin_at(&bias); }

  // The name of the weight that has element i.
  const std::string& name_at(int64_t i) const;

 private:
  struct Tensor {
    const void* tensor;
    int64_t begin;
  };
  const Tensor* find(const void* tensor) const;
  int64_t begin_at(const void* tensor) const;

  std::vector<Named> named_;
  std::vector<Tensor> tensors_;
  int64_t size_ = 0;
};

}  // namespace invar
