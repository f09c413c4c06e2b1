// For tests: the tiny models below tests/goldens/models.
#pragma once

#include <string>
#include <utility>

#include "model/registry.h"

namespace invar {

inline std::string golden_folder(const std::string& name) {
  return INVAR_SOURCE_DIR "/tests/goldens/models/" + name;
}

// A golden model, or one at any other path. Aborts when it does not load.
inline DecoderModel load_model(const std::string& path) {
  auto source = WeightSource::open(path);
  INVAR_CHECK(source.ok(), "{}", source.message());
  auto model = load_decoder(*source);
  INVAR_CHECK(model.ok(), "{}", model.message());
  return std::move(*model);
}

}  // namespace invar
