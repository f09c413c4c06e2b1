// tokenizer.json, the format of HF `tokenizers`: untrusted input, read into TokenizerParts.

#include <algorithm>
#include <set>

#include "io/json.h"
#include "io/quote.h"
#include "text/tokenizer.h"
#include "text/tokenizer_json_steps.h"

namespace invar {
namespace {

constexpr int64_t kIdMax = (1 << 24) - 1;
constexpr size_t kAddedTokenBytesMax = 4096;
constexpr size_t kTemplateIdsMax = 1024;

const Json& member(const Json& json, const char* key) {
  static const Json null;
  const auto it = json.find(key);
  return it == json.end() ? null : *it;
}

Result<std::vector<VocabEntry>> parse_vocab(const JsonObject& model) {
  INVAR_TRY(const JsonObject vocab, model.require_object("vocab"));
  std::vector<VocabEntry> entries;
  entries.reserve(vocab.json().size());
  for (const auto& [token, id] : vocab.json().items()) {
    if (!id.is_number_integer() || id < 0 || id > kIdMax) {
      return error("{}: token {}: expected an id of 0 to {}, found {}", vocab.where(), quote(token), kIdMax,
                   quote(id.dump()));
    }
    entries.push_back({token, id.get<int32_t>()});
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].id == entries[i - 1].id) {
      return error("{}: {} and {} have the same id {}", vocab.where(), quote(entries[i - 1].token),
                   quote(entries[i].token), entries[i].id);
    }
  }
  return entries;
}

// "a b" or ["a", "b"].
Result<std::pair<std::string, std::string>> parse_merge(const Json& merge, const std::string& where) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair{merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  if (merge.is_string()) {
    const auto& text = merge.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space != text.npos && text.find(' ', space + 1) == text.npos) {
      return std::pair{text.substr(0, space), text.substr(space + 1)};
    }
  }
  return error("{}: expected \"left right\" or [\"left\", \"right\"], found {}", where, quote(merge.dump()));
}

Status check_model_settings(const JsonObject& model) {
  INVAR_TRY(const std::string type, model.get_string("type", "BPE"));
  if (type != "BPE")
    return error("{}: the model {} is not supported, only BPE is", model.where(), quote(type));
  INVAR_TRY(const double dropout, model.get_number("dropout", 0, 1, 0));
  if (dropout != 0)
    return error("{}: dropout {} would make encoding random; set it to null", model.where(), dropout);
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    INVAR_TRY(const std::string value, model.get_string(key, ""));
    if (!value.empty()) return error("{}: {} is not supported", model.where(), key);
  }
  return Ok{};
}

Result<BpeConfig> parse_model(const Json& json, const std::string& where) {
  INVAR_TRY(const JsonObject model, JsonObject::from(json, where));
  INVAR_RETURN_IF_ERROR(check_model_settings(model));
  BpeConfig config;
  INVAR_TRY(config.vocab, parse_vocab(model));
  const Json* merges = model.find("merges");
  if (!merges || !merges->is_array()) return model.mismatch("merges", "an array");
  config.merges.reserve(merges->size());
  for (size_t i = 0; i < merges->size(); ++i) {
    const Json& merge = (*merges)[i];
    // A line that merges.txt starts with; `tokenizers` skips it wherever it stands.
    if (merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version")) continue;
    INVAR_TRY(auto pair, parse_merge(merge, fmt::format("{}: merges[{}]", where, i)));
    config.merges.push_back(std::move(pair));
  }
  if (model.has("unk_token")) {
    INVAR_TRY(config.unk_token, model.require_string("unk_token"));
  }
  INVAR_TRY(config.fuse_unk, model.get_bool("fuse_unk", false));
  INVAR_TRY(config.byte_fallback, model.get_bool("byte_fallback", false));
  INVAR_TRY(config.ignore_merges, model.get_bool("ignore_merges", false));
  return config;
}

struct ParsedAddedToken {
  AddedToken token;
  bool normalized;
};

Result<ParsedAddedToken> parse_added_token(const Json& json, const std::string& where) {
  INVAR_TRY(const JsonObject object, JsonObject::from(json, where));
  ParsedAddedToken parsed;
  AddedToken& token = parsed.token;
  INVAR_TRY(token.content, object.require_string("content"));
  if (token.content.empty() || token.content.size() > kAddedTokenBytesMax) {
    return object.mismatch("content", fmt::format("a text of 1 to {} bytes", kAddedTokenBytesMax));
  }
  INVAR_TRY(const int64_t id, object.require_int("id", 0, kIdMax));
  token.id = static_cast<int32_t>(id);
  INVAR_TRY(token.single_word, object.get_bool("single_word", false));
  INVAR_TRY(token.lstrip, object.get_bool("lstrip", false));
  INVAR_TRY(token.rstrip, object.get_bool("rstrip", false));
  INVAR_TRY(token.special, object.get_bool("special", false));
  INVAR_TRY(parsed.normalized, object.get_bool("normalized", !token.special));
  return parsed;
}

// Ids as `tokenizers` gives them: that of the vocabulary, else the next free one. A file that says otherwise was made
// for another library, and its model would be fed wrong ids.
class AddedTokenReader {
 public:
  AddedTokenReader(const std::vector<VocabEntry>& vocab, TokenizerParts& parts)
      : parts_(parts), next_id_(static_cast<int32_t>(vocab.size())) {
    size_t bytes = 0;
    for (const VocabEntry& entry : vocab) bytes += entry.token.size();
    vocab_.reserve(vocab.size(), bytes);
    for (const VocabEntry& entry : vocab) vocab_.insert(entry.token, entry.id);
  }

  Status add(const Json& json, const std::string& where) {
    INVAR_TRY(ParsedAddedToken parsed, parse_added_token(json, where));
    AddedToken& token = parsed.token;
    int32_t id = vocab_.find(token.content);
    if (!seen_.insert(token.content).second)
      return error("{}: {} is listed twice", where, quote(token.content));
    if (id < 0) id = next_id_++;
    if (id != token.id) {
      return error("{}: {} has the id {}, but its place in the file gives it {}", where, quote(token.content),
                   token.id, id);
    }
    return record(parsed, where);
  }

 private:
  Status record(const ParsedAddedToken& parsed, const std::string& where) {
    const AddedToken& token = parsed.token;
    AddedToken searched = token;
    if (parsed.normalized) {
      INVAR_TRY(searched.content, parts_.normalizer.apply(token.content, kAddedTokenBytesMax));
      if (searched.content.empty())
        return error("{}: {} is empty after normalisation", where, quote(token.content));
    }
    auto& tokens = parts_.tokens;
    if (static_cast<size_t>(token.id) >= tokens.size()) tokens.resize(static_cast<size_t>(token.id) + 1);
    Token& entry = tokens[static_cast<size_t>(token.id)];
    if (entry.defined && entry.text != token.content) {
      return error("{}: {} and {} have the same id {}", where, quote(entry.text), quote(token.content),
                   token.id);
    }
    entry.text = searched.content;
    entry.defined = true;
    // skip_special_tokens looks at the text that is decoded: a special token which the normalizer changes stays.
    entry.special = token.special && searched.content == token.content;
    parts_.names.push_back({token.content, token.id});
    (parsed.normalized ? parts_.added_normalized : parts_.added).insert(searched);
    return Ok{};
  }

  TokenizerParts& parts_;
  StringIndex vocab_;
  std::set<std::string> seen_;
  int32_t next_id_;
};

// The ids of a special token of a TemplateProcessing.
Status append_template_ids(const JsonObject& processor, const std::string& name, std::vector<int32_t>& out) {
  INVAR_TRY(const JsonObject tokens, processor.require_object("special_tokens"));
  INVAR_TRY(const JsonObject token, tokens.require_object(name));
  INVAR_TRY(const std::vector<int64_t> ids, token.get_ints("ids", 0, kIdMax));
  for (int64_t id : ids) out.push_back(static_cast<int32_t>(id));
  return Ok{};
}

Status add_template(const JsonObject& processor, TokenizerParts& parts) {
  const Json* single = processor.find("single");
  if (!single || !single->is_array()) return processor.mismatch("single", "an array");
  std::vector<int32_t> before, after;
  bool seen_text = false;
  for (const Json& piece : *single) {
    INVAR_TRY(const JsonObject object, JsonObject::from(piece, processor.where() + ": single"));
    if (object.has("Sequence")) {
      INVAR_TRY(const JsonObject sequence, object.require_object("Sequence"));
      INVAR_TRY(const std::string id, sequence.require_string("id"));
      if (id != "A" || seen_text) return processor.mismatch("single", "the sequence A once");
      seen_text = true;
      continue;
    }
    INVAR_TRY(const JsonObject special, object.require_object("SpecialToken"));
    INVAR_TRY(const std::string id, special.require_string("id"));
    INVAR_RETURN_IF_ERROR(append_template_ids(processor, id, seen_text ? after : before));
    if (before.size() + after.size() > kTemplateIdsMax) {
      return processor.mismatch("single", fmt::format("at most {} special tokens", kTemplateIdsMax));
    }
  }
  if (!seen_text) return processor.mismatch("single", "the sequence A once");
  parts.prefix_ids.insert(parts.prefix_ids.begin(), before.begin(), before.end());
  parts.suffix_ids.insert(parts.suffix_ids.end(), after.begin(), after.end());
  return Ok{};
}

// {"cls": ["<s>", 0], "sep": ["</s>", 2]}
Status add_bert(const JsonObject& processor, TokenizerParts& parts) {
  int32_t ids[2];
  for (int i = 0; i < 2; ++i) {
    const char* key = i == 0 ? "cls" : "sep";
    const Json* pair = processor.find(key);
    if (!pair || !pair->is_array() || pair->size() != 2 || !(*pair)[1].is_number_integer() ||
        (*pair)[1] < 0 || (*pair)[1] > kIdMax) {
      return processor.mismatch(key, "[token, id]");
    }
    ids[i] = (*pair)[1].get<int32_t>();
  }
  parts.prefix_ids.insert(parts.prefix_ids.begin(), ids[0]);
  parts.suffix_ids.push_back(ids[1]);
  return Ok{};
}

Status add_post_processor(const Json& json, const std::string& where, TokenizerParts& parts) {
  if (json.is_null()) return Ok{};
  INVAR_TRY(const JsonObject processor, JsonObject::from(json, where));
  INVAR_TRY(const std::string type, processor.require_string("type"));
  if (type == "ByteLevel") return Ok{};  // moves offsets only
  if (type == "TemplateProcessing") return add_template(processor, parts);
  if (type == "RobertaProcessing" || type == "BertProcessing") return add_bert(processor, parts);
  if (type != "Sequence") return error("{}: the post-processor {} is not supported", where, quote(type));
  const Json* list = processor.find("processors");
  if (!list || !list->is_array() || list->size() > 16)
    return processor.mismatch("processors", "an array of up to 16");
  for (size_t i = 0; i < list->size(); ++i) {
    INVAR_RETURN_IF_ERROR(add_post_processor((*list)[i], fmt::format("{}[{}]", where, i), parts));
  }
  return Ok{};
}

}  // namespace

Result<TokenizerParts> parse_tokenizer_json(std::string_view text, const std::string& where) {
  INVAR_TRY(const Json json, parse_json(text, where));
  INVAR_TRY(const JsonObject root, JsonObject::from(json, where));
  INVAR_TRY(const std::string version, root.get_string("version", "1.0"));
  if (version != "1.0") return error("{}: version {} is not supported, only 1.0 is", where, quote(version));

  TokenizerParts parts;
  INVAR_TRY(parts.normalizer, parse_normalizer(member(json, "normalizer"), where + ": normalizer"));
  INVAR_TRY(ParsedPreTokenizer pre,
            parse_pre_tokenizer(member(json, "pre_tokenizer"), where + ": pre_tokenizer"));
  parts.pre_tokenizer = std::move(pre.chain);
  INVAR_TRY(parts.decoder, parse_decoder(member(json, "decoder"), where + ": decoder"));

  INVAR_TRY(BpeConfig config, parse_model(member(json, "model"), where + ": model"));
  config.byte_level = pre.byte_level;
  if (!config.vocab.empty()) parts.tokens.resize(static_cast<size_t>(config.vocab.back().id) + 1);
  for (const VocabEntry& entry : config.vocab) {
    parts.tokens[static_cast<size_t>(entry.id)] = {.text = entry.token, .defined = true};
  }
  auto bpe = Bpe::build(config);
  if (!bpe.ok()) return error("{}: model: {}", where, bpe.message());
  parts.model = std::move(*bpe);

  parts.names = config.vocab;
  const Json& added = member(json, "added_tokens");
  if (!added.is_null() && !added.is_array()) return root.mismatch("added_tokens", "an array");
  AddedTokenReader reader(config.vocab, parts);
  for (size_t i = 0; i < added.size(); ++i) {
    INVAR_RETURN_IF_ERROR(reader.add(added[i], fmt::format("{}: added_tokens[{}]", where, i)));
  }
  INVAR_RETURN_IF_ERROR(
      add_post_processor(member(json, "post_processor"), where + ": post_processor", parts));
  for (const auto* ids : {&parts.prefix_ids, &parts.suffix_ids}) {
    for (int32_t id : *ids) {
      if (static_cast<size_t>(id) >= parts.tokens.size()) {
        return error("{}: post_processor: the id {} is not that of a token", where, id);
      }
    }
  }
  return parts;
}

}  // namespace invar
