#include "train/parameters.h"

#include <algorithm>

#include "model/registry.h"

namespace invar {

ParameterLayout::ParameterLayout(DecoderModel& model) {
  for (WeightPlace& place : weight_places(model)) {
    const void* key = place.packed;
    int64_t elements = 0;
    if (place.packed != nullptr) {
      elements = place.packed->n * place.packed->k;
    } else if (place.plain != nullptr) {
      key = place.plain;
      elements = place.plain->size();
    } else {
      key = place.bias;
      elements = place.bias->size();
    }
    if (find(key) == nullptr) {
      tensors_.push_back({.tensor = key, .begin = size_});
      size_ += elements;
    }
    const int64_t begin = begin_at(key);
    // A tied embedding: its table is the packed LM head's twin.
    if (place.packed != nullptr && place.plain != nullptr)
      tensors_.push_back({.tensor = place.plain, .begin = begin});
    named_.push_back({.place = place, .begin = begin + place.row * place.spec.width()});
  }
}

const ParameterLayout::Tensor* ParameterLayout::find(const void* tensor) const {
  const auto found =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const Tensor& t) { return t.tensor == tensor; });
  return found == tensors_.end() ? nullptr : &*found;
}

int64_t ParameterLayout::begin_at(const void* tensor) const {
  const Tensor* found = find(tensor);
  INVAR_CHECK(found != nullptr, "a tensor of another model");
  return found->begin;
}

const std::string& ParameterLayout::name_at(int64_t i) const {
  for (const Named& named : named_) {
    if (i >= named.begin && i < named.begin + named.place.spec.elements()) return named.place.spec.name;
  }
  INVAR_CHECK(false, "element {} of {}", i, size_);
  return named_.front().place.spec.name;
}

}  // namespace invar
