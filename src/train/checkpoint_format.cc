#include "train/checkpoint_format.h"

#include <algorithm>
#include <limits>

#include "io/quote.h"

namespace invar::checkpoint_format {

Json to_json(const StateFile& file) {
  const CheckpointState& state = file.state;
  return {
      {"format", kFormat},        {"step", state.step},       {"numerics_version", state.numerics_version},
      {"profile", state.profile}, {"chain", state.chain},     {"source", state.source},
      {"cursor", state.cursor},   {"buffers", state.buffers}, {"files", file.digests}};
}

Result<StateFile> from_json(const Json& json, const std::string& where) {
  INVAR_TRY(const JsonObject object, JsonObject::from(json, where));
  INVAR_TRY(const int64_t format, object.require_int("format", 1, std::numeric_limits<int>::max()));
  if (format != kFormat) {
    return error("{}: format: expected {}, found {}: another version of this program wrote it", where,
                 kFormat, format);
  }
  StateFile file;
  CheckpointState& state = file.state;
  INVAR_TRY(state.step, object.require_int("step", 0, std::numeric_limits<int64_t>::max()));
  INVAR_TRY(const int64_t version,
            object.require_int("numerics_version", 0, std::numeric_limits<int>::max()));
  state.numerics_version = static_cast<int>(version);
  INVAR_TRY(state.profile, object.require_string("profile"));
  INVAR_TRY(state.chain, object.require_string("chain"));
  INVAR_TRY(state.source, object.require_string("source"));
  if (const Json* cursor = object.find("cursor")) state.cursor = *cursor;
  if (const Json* buffers = object.find("buffers")) state.buffers = *buffers;
  INVAR_TRY(const JsonObject digests, object.require_object("files"));
  for (const auto& item : digests.json().items()) {
    const std::string& name = item.key();
    const bool one_line = std::none_of(name.begin(), name.end(), [](char c) { return c >= 0 && c < 0x20; });
    if (name.empty() || name.find('/') != name.npos || name[0] == '.' || !one_line) {
      return error("{}: expected the names of files in this folder, found {}", digests.where(),
                   quote(name));
    }
    INVAR_TRY(file.digests[name], digests.require_string(name));
  }
  return file;
}

}  // namespace invar::checkpoint_format
