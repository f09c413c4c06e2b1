#include "rl/data.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "io/hash.h"
#include "io/mapped_file.h"
#include "io/quote.h"
#include "numerics/philox.h"

namespace invar {
namespace {

using OrderedJson = nlohmann::ordered_json;

// Rows [begin, end) as Python slices them: negative numbers count from the end, borders outside are cut.
struct Slice {
  std::optional<int64_t> begin, end;
};
struct SlicedPath {
  std::string path;
  std::optional<Slice> slice;
};

// Digits with an optional minus, or nothing.
bool parse_border(std::string_view text, std::optional<int64_t>& border) {
  if (text.empty()) return true;
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return false;
  border = value;
  return true;
}

Result<SlicedPath> split_path(const std::string& path) {
  const std::size_t at = path.rfind("@[");
  if (at == std::string::npos || path.back() != ']') return SlicedPath{.path = path, .slice = {}};
  const std::string_view inside = std::string_view(path).substr(at + 2, path.size() - at - 3);
  const std::size_t colon = inside.find(':');
  Slice slice;
  if (colon == std::string_view::npos || !parse_border(inside.substr(0, colon), slice.begin) ||
      !parse_border(inside.substr(colon + 1), slice.end))
    return error("{}: expected a slice of rows such as @[0:100] or @[-50:], found {}", path.substr(0, at),
                 quote(path.substr(at)));
  return SlicedPath{.path = path.substr(0, at), .slice = slice};
}

std::size_t border_of(std::optional<int64_t> border, std::size_t rows, std::size_t otherwise) {
  if (!border) return otherwise;
  const auto count = static_cast<int64_t>(rows);
  const int64_t from_start = *border < 0 ? std::max<int64_t>(*border + count, 0) : std::min(*border, count);
  return static_cast<std::size_t>(from_start);
}

struct Line {
  int64_t number;  // from 1
  std::string_view text;
};

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r") == std::string_view::npos; }

Result<std::vector<Line>> split_lines(std::string_view text, const std::string& where,
                                      const DataOptions& options) {
  std::vector<Line> lines;
  int64_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (is_blank(line)) continue;
    if (line.back() == '\r') line.remove_suffix(1);
    if (static_cast<int64_t>(line.size()) > options.line_bytes_max)
      return error("{}:{}: expected lines of at most {} bytes, found {}", where, number,
                   options.line_bytes_max, line.size());
    if (static_cast<int64_t>(lines.size()) == options.rows_max)
      return error("{}:{}: expected at most {} rows, found more", where, number, options.rows_max);
    lines.push_back({number, line});
  }
  return lines;
}

// The shape that chat templates read: a list of {role, content, ...}.
Status check_chat(const Json& chat, const std::string& where, const std::string& key) {
  if (chat.empty()) return error("{}: {}: expected at least one message, found an empty list", where, key);
  for (std::size_t i = 0; i < chat.size(); ++i) {
    const Json& message = chat[i];
    if (!message.is_object())
      return error("{}: {}[{}]: expected a message, an object with a role", where, key, i);
    const auto role = message.find("role");
    if (role == message.end() || !role->is_string() || role->get_ref<const std::string&>().empty())
      return error("{}: {}[{}]: expected a role such as \"user\", found none", where, key, i);
    const auto content = message.find("content");
    if (content != message.end() && !content->is_string() && !content->is_array() && !content->is_null())
      return error("{}: {}[{}]: expected content that is text or a list of parts", where, key, i);
  }
  return Ok{};
}

Error missing_prompt(const JsonObject& row, const std::string& key) {
  std::string keys;
  for (const auto& item : row.json().items()) {
    if (keys.size() > 200) {
      keys += ", ...";
      break;
    }
    keys += (keys.empty() ? "" : ", ") + quote(item.key());
  }
  return error("{}: expected a prompt under the key {}, found {}; prompt_key names the key", row.where(),
               quote(key), keys.empty() ? "an empty object" : "the keys " + keys);
}

Result<OrderedJson> read_tools(const Json& value, const OrderedJson& ordered, const std::string& where,
                               const std::string& key) {
  if (value.is_array()) return ordered;
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    INVAR_TRY(const Json parsed, parse_json(text, where + ": " + key));
    if (parsed.is_array()) return OrderedJson::parse(text);
  }
  return error("{}: {}: expected a list of tools, or one as text", where, key);
}

Result<Prompt> parse_row(const Line& line, const std::string& file, const DataOptions& options) {
  const std::string where = fmt::format("{}:{}", file, line.number);
  INVAR_TRY(Json json, parse_json(line.text, where, {.bytes_max = options.line_bytes_max}));
  INVAR_TRY(const JsonObject row, JsonObject::from(json, where));
  Prompt prompt;
  const Json* content = row.find(options.prompt_key);
  const Json* tools = row.find(options.tools_key);
  if (content == nullptr) return missing_prompt(row, options.prompt_key);
  // Templates print objects as they were written, and Json sorts keys: what they may print is read once more.
  OrderedJson ordered;
  if (content->is_array() || tools != nullptr) ordered = OrderedJson::parse(line.text);
  if (content->is_string()) {
    if (content->get_ref<const std::string&>().empty())
      return error("{}: {}: expected a prompt, found empty text", where, options.prompt_key);
    prompt.content = content->get_ref<const std::string&>();
  } else if (content->is_array()) {
    INVAR_RETURN_IF_ERROR(check_chat(*content, where, options.prompt_key));
    prompt.content = ordered[options.prompt_key];
  } else {
    return row.mismatch(options.prompt_key, "text or a list of messages");
  }
  if (const Json* label = row.find(options.label_key)) prompt.label = *label;
  if (const Json* metadata = row.find(options.metadata_key)) {
    if (!metadata->is_object()) return row.mismatch(options.metadata_key, "an object");
    prompt.metadata = *metadata;
  }
  if (tools != nullptr) {
    INVAR_TRY(prompt.tools, read_tools(*tools, ordered[options.tools_key], where, options.tools_key));
  }
  return prompt;
}

struct FileRows {
  std::vector<Prompt> prompts;
  std::string digest;
};

Result<FileRows> parse_rows(std::string_view text, const std::string& where,
                            const std::optional<Slice>& slice, const DataOptions& options) {
  INVAR_TRY(const std::vector<Line> all, split_lines(text, where, options));
  if (all.empty()) return error("{}: expected at least one row, found none", where);
  std::span<const Line> lines = all;
  if (slice) {
    const std::size_t begin = border_of(slice->begin, all.size(), 0);
    const std::size_t end = border_of(slice->end, all.size(), all.size());
    if (begin >= end)
      return error("{}: expected a slice with rows in it; of {} rows it takes none", where, all.size());
    lines = lines.subspan(begin, end - begin);
  }
  FileRows rows;
  Sha256 digest;
  for (const std::string* key :
       {&options.prompt_key, &options.label_key, &options.metadata_key, &options.tools_key})
    digest.add_u64(key->size()).add(*key);
  rows.prompts.reserve(lines.size());
  for (const Line& line : lines) {
    INVAR_TRY(Prompt prompt, parse_row(line, where, options));
    rows.prompts.push_back(std::move(prompt));
    digest.add_u64(line.text.size()).add(line.text);
  }
  rows.digest = hex(digest.digest());
  return rows;
}

}  // namespace

Result<PromptSet> PromptSet::read(const std::string& path, const DataOptions& options) {
  INVAR_TRY(const SlicedPath sliced, split_path(path));
  if (sliced.path.ends_with(".parquet"))
    return error(
        "{}: Parquet is not read here; expected JSON lines: pandas writes them by "
        "to_json(orient=\"records\", "
        "lines=True)",
        sliced.path);
  INVAR_TRY(const MappedFile file, MappedFile::open(sliced.path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  INVAR_TRY(FileRows rows, parse_rows(text, sliced.path, sliced.slice, options));
  PromptSet set;
  set.prompts_ = std::move(rows.prompts);
  set.digest_ = std::move(rows.digest);
  return set;
}

Result<PromptSet> PromptSet::parse(std::string_view text, const std::string& where,
                                   const DataOptions& options) {
  INVAR_TRY(FileRows rows, parse_rows(text, where, {}, options));
  PromptSet set;
  set.prompts_ = std::move(rows.prompts);
  set.digest_ = std::move(rows.digest);
  return set;
}

DataCursor::DataCursor(const Options& options, int64_t taken) : options_(options), taken_(taken) {
  INVAR_CHECK(options.rows >= 1 && taken >= 0, "rows = {}, taken = {}", options.rows, taken);
}

DataCursor::Pick DataCursor::at(int64_t ordinal) {
  INVAR_CHECK(ordinal >= 0, "ordinal = {}", ordinal);
  const int64_t epoch = ordinal / options_.rows;
  const int64_t position = ordinal % options_.rows;
  if (!options_.shuffle) return {.ordinal = ordinal, .epoch = epoch, .row = position};
  if (epoch != epoch_) {
    const uint64_t seed = derive_seed(options_.seed, static_cast<uint64_t>(epoch));
    std::vector<std::pair<uint64_t, int64_t>> keyed(static_cast<std::size_t>(options_.rows));
    for (std::size_t i = 0; i < keyed.size(); ++i) keyed[i] = {derive_seed(seed, i), static_cast<int64_t>(i)};
    std::sort(keyed.begin(), keyed.end());
    order_.resize(keyed.size());
    for (std::size_t i = 0; i < keyed.size(); ++i) order_[i] = keyed[i].second;
    epoch_ = epoch;
  }
  return {.ordinal = ordinal, .epoch = epoch, .row = order_[static_cast<std::size_t>(position)]};
}

}  // namespace invar
