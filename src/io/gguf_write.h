// Writing GGUF metadata.
#pragma once

#include <string>
#include <string_view>

#include "io/gguf.h"

namespace invar {

// The bytes of a GGUF version 3 file without tensors: general.architecture and the keys of `file` that begin with
// `prefix`, in key order: read again, they have the same types and values. (Of arrays of float64 GgufFile keeps fp32:
// so those come back.)
std::string gguf_metadata(const GgufFile& file, std::string_view prefix);

}  // namespace invar
