// Any bytes as a template over a fixed conversation and small limits: it must end with a text or one line, soon.
#include <cstdint>
#include <cstdlib>

#include "text/chat_template.h"

static const nlohmann::ordered_json& messages() {
  static const auto json = nlohmann::ordered_json::parse(R"([
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Grüße 日本 👩‍🚀", "n": 7, "f": 2.5, "flag": true, "nothing": null},
    {"role": "assistant", "content": [{"type": "text", "text": "a\nb"}],
     "tool_calls": [{"name": "f", "arguments": {"x": [1, 2]}}]}
  ])");
  return json;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  invar::jinja::Limits limits;
  limits.source_bytes_max = 1 << 14;
  limits.steps_max = 20'000;
  limits.bytes_max = 1 << 20;
  limits.output_bytes_max = 1 << 18;
  auto parsed = invar::ChatTemplate::parse(std::string(reinterpret_cast<const char*>(data), size), limits);
  if (!parsed.ok()) return 0;
  invar::ChatOptions options;
  options.add_generation_prompt = true;
  options.bos_token = "<s>";
  options.tools = messages()[2]["tool_calls"];
  options.now = invar::jinja::DateTime{.year = 2024, .month = 2, .day = 29, .hour = 13};
  const auto first = parsed->render_with_spans(messages(), options);
  const auto second = parsed->render_with_spans(messages(), options);
  if (first.ok() != second.ok()) std::abort();
  if (!first.ok()) {
    if (first.message() != second.message() || first.message().find('\n') != std::string::npos) std::abort();
    return 0;
  }
  if (first.value().text != second.value().text) std::abort();
  for (const auto& span : first.value().generation_spans) {
    if (span.begin < 0 || span.begin > span.end || span.end > static_cast<int64_t>(first.value().text.size()))
      std::abort();
  }
  return 0;
}
