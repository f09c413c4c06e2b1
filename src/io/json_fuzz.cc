// Any bytes as JSON: no crash, no second opinion on what was accepted, one-line errors in plain characters.
#include <string_view>

#include "base/check.h"
#include "io/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace invar;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Result<Json> json = parse_json(text, "fuzz", {.bytes_max = 1 << 16, .depth_max = 16});
  if (!json.ok()) {
    for (const char c : json.message()) INVAR_CHECK(c >= 0x20 && c <= 0x7e, "{}", json.message());
    return 0;
  }
  INVAR_CHECK(*json == Json::parse(text), "the library reads another document");
  const Result<JsonObject> object = JsonObject::from(*json, "fuzz");
  if (!object.ok()) return 0;
  for (const auto& item : json->items()) {
    (void)object->get_int(item.key(), -5, 5, 0).ok();
    (void)object->get_number(item.key(), -5, 5, 0).ok();
    (void)object->get_bool(item.key(), false).ok();
    (void)object->get_string(item.key(), "").ok();
    (void)object->get_ints(item.key(), -5, 5).ok();
    (void)object->require_object(item.key()).ok();
  }
  return 0;
}
