// The words of a configuration for the values of an enum.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/quote.h"

namespace invar {

template <class T>
struct Named {
  std::string_view name;
  T value;
};

// The value called `name`. Errors: "<what>: expected one of a, b, c; found "d"".
template <class T, std::size_t kCount>
Result<T> find_named(const Named<T> (&entries)[kCount], std::string_view what, std::string_view name) {
  std::string names;
  for (const Named<T>& entry : entries) {
    if (entry.name == name) return entry.value;
    names += names.empty() ? "" : ", ";
    names += entry.name;
  }
  return error("{}: expected one of {}; found {}", what, names, quote(name));
}

}  // namespace invar
