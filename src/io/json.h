// JSON from files and requests: bounded parsing, and getters whose errors name the place.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace invar {

using Json = nlohmann::json;  // objects sort their keys, so iteration order is fixed

struct JsonLimits {
  int64_t bytes_max = 64 << 20;
  int depth_max = 64;  // of nested arrays and objects; keeps recursive readers off the end of the stack
};

// Strict JSON (UTF-8, no comments, no NaN, no second key of one name). Errors: one line
// "<where>: byte N: ...", N counted from 0.
Result<Json> parse_json(std::string_view text, const std::string& where, const JsonLimits& limits = {});
Result<Json> read_json_file(const std::string& path, const JsonLimits& limits = {});

// An object and where it came from: "config.json" or "config.json: rope_scaling". Absent keys and nulls are the same
// thing (Hugging Face writes both). A key of another type is an error:
// `config.json: hidden_size: expected an integer of 1 to 1048576, found "abc"`.
class JsonObject {
 public:
  // Errors: `json` is not an object. `json` must outlive this.
  static Result<JsonObject> from(const Json& json, std::string where);

  const std::string& where() const { return where_; }
  const Json& json() const { return *json_; }
  const Json* find(std::string_view key) const;  // nullptr when absent or null
  bool has(std::string_view key) const { return find(key) != nullptr; }

  // "<where>: <key>: expected <expected>, found <value>"
  Error mismatch(std::string_view key, std::string_view expected) const;

  Result<int64_t> require_int(std::string_view key, int64_t low, int64_t high) const;
  Result<int64_t> get_int(std::string_view key, int64_t low, int64_t high, int64_t otherwise) const;
  // Integers count as numbers; low <= value <= high.
  Result<double> require_number(std::string_view key, double low, double high) const;
  Result<double> get_number(std::string_view key, double low, double high, double otherwise) const;
  Result<bool> get_bool(std::string_view key, bool otherwise) const;
  Result<std::string> require_string(std::string_view key) const;
  Result<std::string> get_string(std::string_view key, std::string otherwise) const;
  // One integer or an array of integers, as eos_token_id is written; empty when absent.
  Result<std::vector<int64_t>> get_ints(std::string_view key, int64_t low, int64_t high) const;
  Result<JsonObject> require_object(std::string_view key) const;

 private:
  JsonObject(const Json& json, std::string where) : json_(&json), where_(std::move(where)) {}
  const Json* json_;
  std::string where_;
};

}  // namespace invar
