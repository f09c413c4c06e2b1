#include "io/json.h"

#include <algorithm>
#include <utility>

#include "io/mapped_file.h"
#include "io/quote.h"

namespace invar {
namespace {

// nlohmann's message without its own position and without the text of the file, which may hold any bytes.
std::string parse_reason(const std::string& what) {
  std::string reason = what;
  if (const auto column = reason.find(", column "); column != std::string::npos) {
    if (const auto end = reason.find(": ", column); end != std::string::npos) reason.erase(0, end + 2);
  } else if (const auto end = reason.find("] "); end != std::string::npos) {
    reason.erase(0, end + 2);
  }
  if (const auto last = reason.find("; last read: '"); last != std::string::npos) {
    reason.erase(last, reason.rfind('\'') + 1 - last);
  }
  for (char& c : reason) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return reason;
}

// Builds the document event by event, so that depth and second keys are seen as they come.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(int depth_max) : depth_max_(depth_max) {}

  Json take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }
  int64_t position() const { return position_; }  // -1: not known

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return fail("binary value"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    const auto [it, inserted] = open_.back()->get_ref<Json::object_t&>().emplace(name, nullptr);
    if (!inserted) return fail("the key " + quote(name) + " occurs twice in one object");
    slot_ = &it->second;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& problem) override {
    position_ = position == 0 ? 0 : static_cast<int64_t>(position) - 1;
    return fail(parse_reason(problem.what()));
  }

 private:
  Json* place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json* parent = open_.back();
    if (parent->is_array()) {
      auto& array = parent->get_ref<Json::array_t&>();
      array.push_back(std::move(value));
      return &array.back();
    }
    *slot_ = std::move(value);
    return slot_;
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json container) {
    if (static_cast<int>(open_.size()) == depth_max_) {
      return fail(fmt::format("expected at most {} nested arrays and objects", depth_max_));
    }
    // A container's address holds while it is open: only it grows meanwhile, not its parents.
    open_.push_back(place(std::move(container)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  int depth_max_;
  Json root_;
  std::vector<Json*> open_;  // from the outside in
  Json* slot_ = nullptr;     // where the value of the last key goes
  std::string problem_;
  int64_t position_ = -1;
};

// One short piece of text for "found ...".
std::string describe(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return fmt::format("an array of {}", value.size());
    case Json::value_t::string: return quote(value.get_ref<const std::string&>());
    default: return value.dump();
  }
}

std::string range(std::string_view kind, int64_t low, int64_t high) {
  return fmt::format("{} of {} to {}", kind, low, high);
}

// Whole numbers that fit; 3.0 is not an integer.
std::optional<int64_t> as_int(const Json& value, int64_t low, int64_t high) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
    return std::nullopt;
  const auto number = value.get<int64_t>();
  if (number < low || number > high) return std::nullopt;
  return number;
}

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& where, const JsonLimits& limits) {
  if (static_cast<int64_t>(text.size()) > limits.bytes_max) {
    return error("{}: expected at most {} bytes of JSON, found {}", where, limits.bytes_max, text.size());
  }
  Builder builder(limits.depth_max);
  if (!Json::sax_parse(text, &builder)) {
    if (builder.position() < 0) return error("{}: {}", where, builder.problem());
    return error("{}: byte {}: {}", where, builder.position(), builder.problem());
  }
  return builder.take();
}

Result<Json> read_json_file(const std::string& path, const JsonLimits& limits) {
  INVAR_TRY(const std::string text, read_file(path, limits.bytes_max));
  return parse_json(text, path, limits);
}

Result<JsonObject> JsonObject::from(const Json& json, std::string where) {
  if (!json.is_object()) return error("{}: expected an object, found {}", where, describe(json));
  return JsonObject(json, std::move(where));
}

const Json* JsonObject::find(std::string_view key) const {
  const auto it = json_->find(key);
  return it == json_->end() || it->is_null() ? nullptr : &*it;
}

Error JsonObject::mismatch(std::string_view key, std::string_view expected) const {
  const Json* value = find(key);
  return error("{}: {}: expected {}, found {}", where_, key, expected, value ? describe(*value) : "nothing");
}

Result<int64_t> JsonObject::require_int(std::string_view key, int64_t low, int64_t high) const {
  const Json* value = find(key);
  const std::optional<int64_t> number = value ? as_int(*value, low, high) : std::nullopt;
  if (!number) return mismatch(key, range("an integer", low, high));
  return *number;
}

Result<int64_t> JsonObject::get_int(std::string_view key, int64_t low, int64_t high,
                                    int64_t otherwise) const {
  if (!has(key)) return otherwise;
  return require_int(key, low, high);
}

Result<double> JsonObject::require_number(std::string_view key, double low, double high) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_number() ||
      !(value->get<double>() >= low && value->get<double>() <= high)) {
    return mismatch(key, fmt::format("a number of {} to {}", low, high));
  }
  return value->get<double>();
}

Result<double> JsonObject::get_number(std::string_view key, double low, double high, double otherwise) const {
  if (!has(key)) return otherwise;
  return require_number(key, low, high);
}

Result<bool> JsonObject::get_bool(std::string_view key, bool otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) return mismatch(key, "true or false");
  return value->get<bool>();
}

Result<std::string> JsonObject::require_string(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_string()) return mismatch(key, "a string");
  return value->get<std::string>();
}

Result<std::string> JsonObject::get_string(std::string_view key, std::string otherwise) const {
  if (!has(key)) return otherwise;
  return require_string(key);
}

Result<std::vector<int64_t>> JsonObject::get_ints(std::string_view key, int64_t low, int64_t high) const {
  const Json* value = find(key);
  std::vector<int64_t> out;
  if (value == nullptr) return out;
  const std::string expected = "integers of " + std::to_string(low) + " to " + std::to_string(high);
  if (!value->is_array()) {
    const std::optional<int64_t> number = as_int(*value, low, high);
    if (!number) return mismatch(key, expected);
    return std::vector<int64_t>{*number};
  }
  for (const Json& item : *value) {
    const std::optional<int64_t> number = as_int(item, low, high);
    if (!number)
      return error("{}: {}: expected {}, found {} among them", where_, key, expected, describe(item));
    out.push_back(*number);
  }
  return out;
}

Result<JsonObject> JsonObject::require_object(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_object()) return mismatch(key, "an object");
  return JsonObject(*value, where_ + ": " + std::string(key));
}

}  // namespace invar
