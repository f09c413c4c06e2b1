#include "model/fingerprint.h"

#include <bit>
#include <iterator>

#include "io/hash.h"
#include "model/decoder.h"
#include "numerics/version.h"

namespace invar {
namespace {

std::string bits_of(float value) { return fmt::format("{:08x}", std::bit_cast<uint32_t>(value)); }

}  // namespace

Result<std::string> model_fingerprint(const ModelConfig& config, Profile profile,
                                      std::string_view weights_digest) {
  INVAR_TRY(const RopeFrequencies rope, rope_frequencies(config.rope, config.head_dim));
  std::string text = "invar fingerprint 1\n";
  const auto line = [&](std::string_view key, const auto& value) {
    fmt::format_to(std::back_inserter(text), "{} {}\n", key, value);
  };
  line("numerics_version", kNumericsVersion);
  line("profile", profile_name(profile));
  line("architecture", architecture_name(config.architecture));
  line("vocab_size", config.vocab_size);
  line("hidden_size", config.hidden_size);
  line("intermediate_size", config.intermediate_size);
  line("layers", config.layers);
  line("heads", config.heads);
  line("kv_heads", config.kv_heads);
  line("head_dim", config.head_dim);
  line("rms_eps", bits_of(config.rms_eps));
  line("attention_scale", bits_of(attention_scale(config)));
  line("rope_factor", bits_of(rope.attention_factor));
  std::string frequencies;
  for (const float frequency : rope.inv_freq) frequencies += bits_of(frequency);
  line("rope_inv_freq", frequencies);
  line("tie_embeddings", config.tie_embeddings ? 1 : 0);
  line("qkv_bias", config.qkv_bias ? 1 : 0);
  line("output_bias", config.output_bias ? 1 : 0);
  line("qk_norm", config.qk_norm ? 1 : 0);
  line("weights", weights_digest);
  return sha256_hex(std::as_bytes(std::span<const char>(text)));
}

}  // namespace invar
