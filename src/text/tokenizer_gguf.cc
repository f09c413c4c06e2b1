// Tokenizers of GGUF files: the keys tokenizer.ggml.*.
//
// Source: ggml/docs/gguf.md and llama.cpp's llama-vocab.cpp for the names of pre-tokenizers. Where llama.cpp
// and the model's own tokenizer.json differ (normalisation, digits), we follow the tokenizer.json: the model
// was trained on it.

#include <algorithm>

#include "io/gguf.h"
#include "io/quote.h"
#include "text/tokenizer.h"

namespace invar {
namespace {

constexpr const char* kMetaspaceMark = "\xE2\x96\x81";  // U+2581
constexpr size_t kTokensMax = 1 << 24;

struct Reader {
  const GgufFile& file;

  Error fault(std::string_view key, std::string_view what) const {
    return error("{}: {}: {}", file.path(), key, what);
  }
  Result<const std::vector<std::string>*> strings(std::string_view key) const {
    const auto* list = file.find_strings(key);
    if (!list) return fault(key, "expected an array of strings");
    return list;
  }
  // A token id under `key`, if the key is there. Errors: not an id of the vocabulary.
  Result<std::optional<int32_t>> id(std::string_view key, size_t vocab_size) const {
    const auto value = file.find_uint(key);
    if (!value) return std::optional<int32_t>();
    if (*value >= vocab_size) return fault(key, fmt::format("the id {} is not below {}", *value, vocab_size));
    return std::optional<int32_t>(static_cast<int32_t>(*value));
  }
  bool flag(std::string_view key, bool otherwise) const { return file.find_bool(key).value_or(otherwise); }
};

struct PreSettings {
  PreTokenizer chain;
  Normalizer normalizer;
  bool ignore_merges = false;
  bool add_bos = false;  // when the file has no tokenizer.ggml.add_bos_token
};

PatternSplit isolated(std::string_view regex) {
  auto compiled = Regex::compile(regex);
  INVAR_CHECK(compiled.ok(), "{}", compiled.message());
  return {TextPattern(std::move(*compiled)), SplitBehavior::kIsolated, false};
}

Result<PreSettings> pre_settings(const Reader& reader, const std::string& name) {
  PreSettings s;
  auto& steps = s.chain.steps;
  if (name == "gpt-2" || name == "gpt2") {
    steps = {KnownSplit{Splitter::kGpt2}};
  } else if (name == "smollm") {
    steps = {DigitSplit{true}, KnownSplit{Splitter::kGpt2}};
  } else if (name == "llama-bpe" || name == "llama3" || name == "llama-v3") {
    steps = {KnownSplit{Splitter::kLlama3}};
    s.ignore_merges = true;
    s.add_bos = true;
  } else if (name == "qwen2" || name == "deepseek-r1-qwen") {
    steps = {KnownSplit{Splitter::kQwen2}};
    s.normalizer.steps = {UnicodeForm{NormalForm::kNFC}};
  } else if (name == "default") {
    steps = {isolated(R"([\p{P}\$\+<=>\^~\|]+)"),
             isolated(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))"),
             isolated(R"(\p{N}+)"), isolated("[0-9][0-9][0-9]")};
  } else {
    return reader.fault(
        "tokenizer.ggml.pre",
        fmt::format("the pre-tokenizer {} is not supported, only gpt-2, smollm, llama-bpe, qwen2, "
                    "deepseek-r1-qwen and default are; use the model's tokenizer.json",
                    quote(name)));
  }
  return s;
}

// Token texts and types into parts.tokens and parts.names; control tokens become special added tokens.
Result<std::vector<SpmPiece>> read_tokens(const Reader& reader, TokenizerParts& parts) {
  INVAR_TRY(const auto* texts, reader.strings("tokenizer.ggml.tokens"));
  const auto* types = reader.file.find_ints("tokenizer.ggml.token_type");
  if (texts->empty() || texts->size() > kTokensMax)
    return reader.fault("tokenizer.ggml.tokens", "1 to 2^24 expected");
  if (!types || types->size() != texts->size()) {
    return reader.fault("tokenizer.ggml.token_type",
                        fmt::format("expected an array of {} integers", texts->size()));
  }
  std::vector<SpmPiece> pieces;
  for (size_t i = 0; i < texts->size(); ++i) {
    const std::string& text = (*texts)[i];
    if (find_invalid_utf8(text) != text.npos) {
      return reader.fault("tokenizer.ggml.tokens", fmt::format("token {} is not UTF-8: {}", i, quote(text)));
    }
    if ((*types)[i] < 1 || (*types)[i] > 6) {
      return reader.fault("tokenizer.ggml.token_type",
                          fmt::format("token {} has the type {}", i, (*types)[i]));
    }
    const auto type = static_cast<PieceType>((*types)[i]);
    const bool control = type == PieceType::kControl;
    pieces.push_back({text, 0, type});
    parts.tokens.push_back({.text = text, .defined = true, .special = control});
    parts.names.push_back({text, static_cast<int32_t>(i)});
    if (control && !text.empty()) {
      parts.added.insert({.content = text, .id = static_cast<int32_t>(i), .special = true});
    }
  }
  return pieces;
}

Status read_bpe(const Reader& reader, const std::vector<SpmPiece>& pieces, PreSettings& pre,
                TokenizerParts& parts) {
  const std::string* name = reader.file.find_string("tokenizer.ggml.pre");
  INVAR_TRY(pre, pre_settings(reader, name ? *name : "default"));
  parts.normalizer = pre.normalizer;
  parts.pre_tokenizer = pre.chain;
  if (reader.flag("tokenizer.ggml.add_space_prefix", false)) {
    parts.pre_tokenizer.steps.insert(parts.pre_tokenizer.steps.begin(), PrefixSpace{});
  }
  BpeConfig config;
  config.byte_level = true;
  config.ignore_merges = pre.ignore_merges;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    config.vocab.push_back({pieces[i].text, id});
    if (pieces[i].type == PieceType::kUserDefined && !pieces[i].text.empty()) {
      parts.added.insert({.content = pieces[i].text, .id = id});
    }
  }
  INVAR_TRY(const auto* merges, reader.strings("tokenizer.ggml.merges"));
  for (size_t i = 0; i < merges->size(); ++i) {
    const std::string& merge = (*merges)[i];
    // The left part may itself start with a space in some vocabularies, as in llama.cpp.
    const size_t space = merge.find(' ', 1);
    if (space == merge.npos || find_invalid_utf8(merge) != merge.npos) {
      return reader.fault("tokenizer.ggml.merges",
                          fmt::format("merge {} is not \"left right\": {}", i, quote(merge)));
    }
    config.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  auto bpe = Bpe::build(config);
  if (!bpe.ok()) return reader.fault("tokenizer.ggml.merges", bpe.message());
  parts.model = std::move(*bpe);
  parts.decoder.steps = {ByteLevelDecode{}};
  return Ok{};
}

Status read_spm(const Reader& reader, std::vector<SpmPiece>& pieces, TokenizerParts& parts) {
  const auto* scores = reader.file.find_floats("tokenizer.ggml.scores");
  if (!scores || scores->size() != pieces.size()) {
    return reader.fault("tokenizer.ggml.scores",
                        fmt::format("expected an array of {} floats", pieces.size()));
  }
  for (const char* key : {"tokenizer.ggml.remove_extra_whitespaces", "tokenizer.ggml.add_space_suffix"}) {
    if (reader.flag(key, false)) return reader.fault(key, "true is not supported");
  }
  for (size_t i = 0; i < pieces.size(); ++i) pieces[i].score = (*scores)[i];
  auto spm = Spm::build(pieces);
  if (!spm.ok()) return reader.fault("tokenizer.ggml.tokens", spm.message());
  parts.model = std::move(*spm);
  const bool prefix = reader.flag("tokenizer.ggml.add_space_prefix", true);
  if (prefix) parts.normalizer.steps.push_back(Prepend{kMetaspaceMark});
  parts.normalizer.steps.push_back(Replace{TextPattern(std::string(" ")), kMetaspaceMark});
  parts.decoder.steps = {ReplaceDecode{TextPattern(std::string(kMetaspaceMark)), " "}, ByteFallbackDecode{},
                         Fuse{}};
  if (prefix) parts.decoder.steps.push_back(StripDecode{" ", 1, 0});
  return Ok{};
}

}  // namespace

Result<TokenizerParts> tokenizer_from_gguf(const GgufFile& file) {
  const Reader reader{file};
  const std::string* model = file.find_string("tokenizer.ggml.model");
  if (!model) return reader.fault("tokenizer.ggml.model", "the file has no tokenizer");
  TokenizerParts parts;
  INVAR_TRY(std::vector<SpmPiece> pieces, read_tokens(reader, parts));
  PreSettings pre;
  if (*model == "gpt2") {
    INVAR_RETURN_IF_ERROR(read_bpe(reader, pieces, pre, parts));
  } else if (*model == "llama") {
    INVAR_RETURN_IF_ERROR(read_spm(reader, pieces, parts));
    pre.add_bos = true;
  } else {
    return reader.fault("tokenizer.ggml.model",
                        fmt::format("{} is not supported, only gpt2 and llama are", quote(*model)));
  }
  INVAR_TRY(parts.bos_id, reader.id("tokenizer.ggml.bos_token_id", pieces.size()));
  INVAR_TRY(parts.eos_id, reader.id("tokenizer.ggml.eos_token_id", pieces.size()));
  if (reader.flag("tokenizer.ggml.add_bos_token", pre.add_bos) && parts.bos_id)
    parts.prefix_ids = {*parts.bos_id};
  if (reader.flag("tokenizer.ggml.add_eos_token", false) && parts.eos_id) parts.suffix_ids = {*parts.eos_id};
  if (const std::string* text = file.find_string("tokenizer.chat_template")) parts.chat_template = *text;
  return parts;
}

}  // namespace invar
