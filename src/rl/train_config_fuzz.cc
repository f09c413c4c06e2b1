// Any bytes as a training run's TOML and, each behind a zero byte, values of --set: no crash, one-line errors, and the
// text of an accepted configuration is read again as the same one.
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "rl/train_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace invar;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> sets;
  for (std::size_t zero = text.rfind('\0'); zero != text.npos; zero = text.rfind('\0')) {
    sets.emplace_back(text.substr(zero + 1));
    text = text.substr(0, zero);
  }
  const Result<TrainConfig> config = parse_train_config(text, "fuzz", sets);
  if (!config.ok()) {
    for (const char c : config.message())  // may name a character of the text
      INVAR_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "{}", config.message());
    return 0;
  }
  INVAR_CHECK(config->rollout.groups_a_round >= 1 && config->algorithm.constant_length >= 1);
  const std::string written = train_config_text(*config);
  const Result<TrainConfig> again = parse_train_config(written, "written", {});
  INVAR_CHECK(again.ok(), "{}", again.message());
  INVAR_CHECK(train_config_text(*again) == written, "{}", written);
  return 0;
}
