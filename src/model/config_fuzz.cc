// Any bytes as a configuration: GGUF if they begin like one, else config.json and, behind a zero byte,
// generation_config.json. No crash, and the weights of an accepted configuration have sane sizes.
#include <algorithm>
#include <span>
#include <string_view>

#include "base/check.h"
#include "model/config.h"
#include "model/weights.h"

namespace {

using namespace invar;

Result<ModelConfig> parse(std::string_view text) {
  if (text.substr(0, 4) == "GGUF") {
    INVAR_TRY(const GgufFile file,
              GgufFile::from_memory(std::as_bytes(std::span(text.data(), text.size())), "fuzz"));
    return parse_gguf_config(file);
  }
  const std::size_t zero = text.find('\0');
  INVAR_TRY(const Json config, parse_json(text.substr(0, zero), "fuzz"));
  if (zero == std::string_view::npos) return parse_hf_config(config, nullptr, "fuzz");
  INVAR_TRY(const Json generation, parse_json(text.substr(zero + 1), "fuzz"));
  return parse_hf_config(config, &generation, "fuzz");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Result<ModelConfig> config = parse({reinterpret_cast<const char*>(data), size});
  if (!config.ok()) {
    INVAR_CHECK(config.message().find('\n') == std::string::npos, "{}", config.message());
    return 0;
  }
  INVAR_CHECK(check_config(*config, "fuzz").ok());
  config->layers = std::min<int64_t>(config->layers, 3);  // the layers are alike
  for (const WeightSpec& spec : weight_specs(*config)) {
    int64_t elements = 1;
    for (const int64_t dim : spec.shape) {
      INVAR_CHECK(dim >= 1 && elements <= (int64_t{1} << 42) / dim, "{}", spec.name);
      elements *= dim;
    }
    INVAR_CHECK(!gguf_name(spec.name).empty());
  }
  return 0;
}
