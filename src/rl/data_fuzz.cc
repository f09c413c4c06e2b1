// Any bytes as JSON lines: no crash, one-line errors, and every accepted row is a prompt that can be handed on.
#include <string_view>

#include "base/check.h"
#include "rl/data.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace invar;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<PromptSet> set = PromptSet::parse(text, "fuzz", {.line_bytes_max = 1 << 16, .rows_max = 64});
  if (!set.ok()) {
    for (const char c : set.message()) INVAR_CHECK(c >= 0x20 && c <= 0x7e, "{}", set.message());
    return 0;
  }
  INVAR_CHECK(set->size() >= 1 && set->size() <= 64, "{} rows", set->size());
  for (int64_t row = 0; row < set->size(); ++row) {
    const Prompt& prompt = set->at(row);
    INVAR_CHECK(prompt.content.is_string() || prompt.content.is_array(), "row {}", row);
    INVAR_CHECK(!prompt.content.empty() && prompt.metadata.is_object(), "row {}", row);
    INVAR_CHECK(prompt.tools.is_null() || prompt.tools.is_array(), "row {}", row);
    (void)label_text(prompt.label);
    (void)prompt.content.dump();
  }
  return 0;
}
