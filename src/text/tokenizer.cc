#include "text/tokenizer.h"

#include <algorithm>

#include "io/gguf.h"
#include "io/json.h"
#include "io/mapped_file.h"

namespace invar {

struct Tokenizer::Work {
  BpeScratch bpe;
  SpmScratch spm;
  std::vector<int32_t> ids;
};

Tokenizer::Tokenizer(TokenizerParts parts) : parts_(std::move(parts)) {
  for (Token& token : parts_.tokens) token.bytes = token_bytes_of(parts_.decoder, token.text);
  size_t bytes = 0;
  for (const VocabEntry& name : parts_.names) bytes += name.token.size();
  names_.reserve(parts_.names.size(), bytes);
  for (size_t i = parts_.names.size(); i-- > 0;) names_.insert(parts_.names[i].token, parts_.names[i].id);
  parts_.names = {};
}

Status Tokenizer::encode_normalized(std::string_view text, size_t head_bytes, Work& work) const {
  if (const auto* spm = std::get_if<Spm>(&parts_.model)) {
    spm->encode(text, work.spm, work.ids);
    return Ok{};
  }
  const Bpe& bpe = std::get<Bpe>(parts_.model);
  Pieces pieces(text, head_bytes);
  INVAR_RETURN_IF_ERROR(parts_.pre_tokenizer.apply(pieces));
  for (const Span& span : pieces.spans) {
    INVAR_RETURN_IF_ERROR(
        bpe.encode(pieces.text.substr(span.begin, span.end - span.begin), work.bpe, work.ids));
  }
  return Ok{};
}

Status Tokenizer::encode_segment(std::string_view text, size_t head_bytes, bool parse_special,
                                 Work& work) const {
  std::string normalized;
  if (!parts_.normalizer.steps.empty()) {
    INVAR_TRY(normalized, parts_.normalizer.apply(text, kNormalizedBytesMax, &head_bytes));
    text = normalized;
  }
  if (parts_.added_normalized.empty()) return encode_normalized(text, head_bytes, work);
  for (const Segment& segment : parts_.added_normalized.find(text, parse_special)) {
    if (segment.id >= 0) {
      work.ids.push_back(segment.id);
      continue;
    }
    INVAR_RETURN_IF_ERROR(encode_normalized(text.substr(segment.begin, segment.end - segment.begin),
                                            head_bytes - std::min(head_bytes, segment.begin), work));
  }
  return Ok{};
}

Result<std::vector<int32_t>> Tokenizer::encode(std::string_view utf8, const EncodeOptions& options) const {
  if (utf8.size() > kEncodeBytesMax) {
    return error("text of {} bytes; at most {} can be encoded at once", utf8.size(), kEncodeBytesMax);
  }
  if (const size_t at = find_invalid_utf8(utf8); at != utf8.npos) {
    return error("text is not UTF-8: byte {} (0x{:02x}) does not belong to a well-formed sequence", at,
                 static_cast<unsigned>(static_cast<unsigned char>(utf8[at])));
  }
  Work work;
  work.ids.reserve(utf8.size() / 3 + 8);
  if (options.add_special_tokens) work.ids = parts_.prefix_ids;
  for (const Segment& segment : parts_.added.find(utf8, options.parse_special)) {
    if (segment.id >= 0) {
      work.ids.push_back(segment.id);
      continue;
    }
    const size_t head_bytes = segment.begin == 0 ? utf8_length(static_cast<unsigned char>(utf8[0])) : 0;
    INVAR_RETURN_IF_ERROR(encode_segment(utf8.substr(segment.begin, segment.end - segment.begin), head_bytes,
                                         options.parse_special, work));
  }
  if (options.add_special_tokens) {
    work.ids.insert(work.ids.end(), parts_.suffix_ids.begin(), parts_.suffix_ids.end());
  }
  return std::move(work.ids);
}

std::string Tokenizer::decode(std::span<const int32_t> ids, const DecodeOptions& options) const {
  DecodeState state(parts_.decoder);
  std::string out;
  for (int32_t id : ids) {
    if (!is_token(id) || (options.skip_special_tokens && is_special(id))) continue;
    state.push(parts_.tokens[id].text, out);
  }
  state.finish(out);
  return out;
}

std::string_view Tokenizer::token_bytes(int32_t id) const {
  return is_token(id) ? std::string_view(parts_.tokens[id].bytes) : std::string_view();
}

std::optional<int32_t> Tokenizer::token_id(std::string_view token) const {
  const int32_t id = names_.find(token);
  return id >= 0 ? std::optional<int32_t>(id) : std::nullopt;
}

namespace {

// A token of tokenizer_config.json: its text, or an object with a "content".
std::string config_token(const Json& config, const char* key) {
  const auto it = config.find(key);
  if (it == config.end()) return {};
  if (it->is_string()) return it->get<std::string>();
  if (it->is_object() && it->contains("content") && (*it)["content"].is_string()) return (*it)["content"];
  return {};
}

// The template, or of several the one named "default".
std::string config_template(const Json& config) {
  const auto it = config.find("chat_template");
  if (it == config.end()) return {};
  if (it->is_string()) return it->get<std::string>();
  if (!it->is_array()) return {};
  for (const Json& entry : *it) {
    if (entry.is_object() && entry.value("name", Json()) == "default" &&
        entry.value("template", Json()).is_string()) {
      return entry["template"];
    }
  }
  return {};
}

Status set_token(std::optional<int32_t>& id, const TokenizerParts& parts, const std::string& token,
                 const char* key, const std::string& where) {
  if (token.empty()) return Ok{};
  for (const VocabEntry& name : parts.names) {
    if (name.token == token) id = name.id;
  }
  if (!id) return error("{}: {} is {:?}, which is not a token of tokenizer.json", where, key, token);
  return Ok{};
}

Status read_config(const std::string& folder, TokenizerParts& parts) {
  const std::string path = folder + "/tokenizer_config.json";
  if (is_file(path)) {
    INVAR_TRY(const Json config, read_json_file(path));
    if (!config.is_object()) return error("{}: expected an object", path);
    INVAR_RETURN_IF_ERROR(
        set_token(parts.bos_id, parts, config_token(config, "bos_token"), "bos_token", path));
    INVAR_RETURN_IF_ERROR(
        set_token(parts.eos_id, parts, config_token(config, "eos_token"), "eos_token", path));
    parts.chat_template = config_template(config);
  }
  const std::string jinja = folder + "/chat_template.jinja";
  if (is_file(jinja)) {
    INVAR_TRY(parts.chat_template, read_file(jinja, 1 << 20));
  }
  return Ok{};
}

}  // namespace

Result<Tokenizer> load_tokenizer(const std::string& path) {
  if (path.ends_with(".gguf")) {
    INVAR_TRY(const GgufFile file, GgufFile::open(path));
    INVAR_TRY(TokenizerParts parts, tokenizer_from_gguf(file));
    return Tokenizer(std::move(parts));
  }
  const bool folder = is_directory(path);
  const std::string json = folder ? path + "/tokenizer.json" : path;
  // What a checkpoint of a GGUF model has.
  if (folder && !is_file(json) && is_file(path + "/tokenizer.gguf")) return load_tokenizer(path + "/tokenizer.gguf");
  INVAR_TRY(const std::string text, read_file(json, JsonLimits{}.bytes_max));
  INVAR_TRY(TokenizerParts parts, parse_tokenizer_json(text, json));
  if (folder) INVAR_RETURN_IF_ERROR(read_config(path, parts));
  return Tokenizer(std::move(parts));
}

}  // namespace invar
