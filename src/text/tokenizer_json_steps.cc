#include "text/tokenizer_json_steps.h"

#include "io/quote.h"

namespace invar {
namespace {

constexpr size_t kStepsMax = 64;

// Calls parse(JsonObject) on the steps of a chain: none for null, those inside for a Sequence (however
// nested), else the one. `list` is the key of a Sequence's steps.
template <class Parse>
Status for_each_step(const Json& json, const std::string& where, const char* list, Parse parse) {
  if (json.is_null()) return Ok{};
  INVAR_TRY(const JsonObject object, JsonObject::from(json, where));
  const Json* type = object.find("type");
  if (!type || !type->is_string()) return object.mismatch("type", "a string");
  if (*type != "Sequence") return parse(object, type->get_ref<const std::string&>());
  const Json* steps = object.find(list);
  if (!steps || !steps->is_array() || steps->size() > kStepsMax) {
    return object.mismatch(list, fmt::format("an array of at most {} steps", kStepsMax));
  }
  for (size_t i = 0; i < steps->size(); ++i) {
    INVAR_RETURN_IF_ERROR(for_each_step((*steps)[i], fmt::format("{}[{}]", where, i), list, parse));
  }
  return Ok{};
}

// {"String": "..."} or {"Regex": "..."}
Result<TextPattern> parse_pattern(const JsonObject& object) {
  INVAR_TRY(const JsonObject pattern, object.require_object("pattern"));
  const char* kind = pattern.has("Regex") ? "Regex" : "String";
  INVAR_TRY(std::string text, pattern.require_string(kind));
  if (text.empty()) return object.mismatch("pattern", "a pattern that is not empty");
  if (kind == std::string_view("String")) return TextPattern(std::move(text));
  auto regex = Regex::compile(text);
  if (!regex.ok()) return error("{}: {}", object.where(), regex.message());
  return TextPattern(std::move(*regex));
}

Result<std::string> parse_character(const JsonObject& object, const char* key) {
  INVAR_TRY(std::string text, object.require_string(key));
  if (text.empty() || utf8_length(static_cast<unsigned char>(text[0])) != text.size()) {
    return object.mismatch(key, "one character");
  }
  return text;
}

Result<SplitBehavior> parse_behavior(const JsonObject& object) {
  INVAR_TRY(const std::string name, object.require_string("behavior"));
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  return object.mismatch("behavior", "Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext");
}

Result<PreTokenizerStep> parse_split(const JsonObject& object) {
  INVAR_TRY(const SplitBehavior behavior, parse_behavior(object));
  INVAR_TRY(const bool invert, object.get_bool("invert", false));
  INVAR_TRY(const JsonObject pattern, object.require_object("pattern"));
  INVAR_TRY(const std::string regex, pattern.get_string("Regex", ""));
  // The known regexes match everywhere, so that only these two settings leave every match a piece.
  const bool pieces_are_matches =
      behavior == SplitBehavior::kIsolated || (behavior == SplitBehavior::kRemoved && invert);
  if (const auto splitter = find_splitter(regex); splitter && pieces_are_matches) {
    return PreTokenizerStep(KnownSplit{*splitter});
  }
  INVAR_TRY(TextPattern compiled, parse_pattern(object));
  return PreTokenizerStep(PatternSplit{std::move(compiled), behavior, invert});
}

Result<Metaspace> parse_metaspace(const JsonObject& object) {
  Metaspace step;
  INVAR_TRY(step.replacement, parse_character(object, "replacement"));
  INVAR_TRY(const std::string scheme, object.get_string("prepend_scheme", "always"));
  // The older spelling; `tokenizers` refuses a file in which the two disagree.
  INVAR_TRY(const bool prefix, object.get_bool("add_prefix_space", scheme != "never"));
  if (scheme == "first") {
    step.prepend = Metaspace::kFirst;
  } else if (scheme == "always") {
    step.prepend = Metaspace::kAlways;
  } else if (scheme == "never") {
    step.prepend = Metaspace::kNever;
  } else {
    return object.mismatch("prepend_scheme", "first, always or never");
  }
  if (!prefix && scheme != "never")
    return object.mismatch("add_prefix_space", "true, as prepend_scheme has it");
  INVAR_TRY(step.split, object.get_bool("split", true));
  return step;
}

Status add_normalizer_step(const JsonObject& object, const std::string& type, Normalizer& normalizer) {
  auto& steps = normalizer.steps;
  if (type == "NFC") {
    steps.push_back(UnicodeForm{NormalForm::kNFC});
  } else if (type == "NFD") {
    steps.push_back(UnicodeForm{NormalForm::kNFD});
  } else if (type == "NFKC") {
    steps.push_back(UnicodeForm{NormalForm::kNFKC});
  } else if (type == "NFKD") {
    steps.push_back(UnicodeForm{NormalForm::kNFKD});
  } else if (type == "Lowercase") {
    steps.push_back(Lowercase{});
  } else if (type == "Prepend") {
    INVAR_TRY(std::string content, object.require_string("prepend"));
    steps.push_back(Prepend{std::move(content)});
  } else if (type == "Strip") {
    INVAR_TRY(const bool left, object.get_bool("strip_left", true));
    INVAR_TRY(const bool right, object.get_bool("strip_right", true));
    steps.push_back(StripSpace{left, right});
  } else if (type == "Replace") {
    INVAR_TRY(TextPattern pattern, parse_pattern(object));
    INVAR_TRY(std::string content, object.require_string("content"));
    steps.push_back(Replace{std::move(pattern), std::move(content)});
  } else {
    return error("{}: the normalizer {} is not supported", object.where(), quote(type));
  }
  return Ok{};
}

Status add_pre_tokenizer_step(const JsonObject& object, const std::string& type, ParsedPreTokenizer& parsed) {
  auto& steps = parsed.chain.steps;
  if (parsed.byte_level) return error("{}: a step after ByteLevel is not supported", object.where());
  if (type == "ByteLevel") {
    INVAR_TRY(const bool prefix, object.get_bool("add_prefix_space", true));
    INVAR_TRY(const bool use_regex, object.get_bool("use_regex", true));
    if (prefix) steps.push_back(PrefixSpace{});
    if (use_regex) steps.push_back(KnownSplit{Splitter::kGpt2});
    parsed.byte_level = true;
  } else if (type == "Split") {
    INVAR_TRY(PreTokenizerStep step, parse_split(object));
    steps.push_back(std::move(step));
  } else if (type == "Digits") {
    INVAR_TRY(const bool individual, object.get_bool("individual_digits", false));
    steps.push_back(DigitSplit{individual});
  } else if (type == "WhitespaceSplit") {
    steps.push_back(WhitespaceSplit{});
  } else if (type == "Metaspace") {
    INVAR_TRY(Metaspace step, parse_metaspace(object));
    steps.push_back(std::move(step));
  } else {
    return error("{}: the pre-tokenizer {} is not supported", object.where(), quote(type));
  }
  return Ok{};
}

Status add_decoder_step(const JsonObject& object, const std::string& type, Decoder& decoder) {
  auto& steps = decoder.steps;
  if (type == "ByteLevel") {
    steps.push_back(ByteLevelDecode{});
  } else if (type == "ByteFallback") {
    steps.push_back(ByteFallbackDecode{});
  } else if (type == "Fuse") {
    steps.push_back(Fuse{});
  } else if (type == "Replace") {
    INVAR_TRY(TextPattern pattern, parse_pattern(object));
    INVAR_TRY(std::string content, object.require_string("content"));
    steps.push_back(ReplaceDecode{std::move(pattern), std::move(content)});
  } else if (type == "Strip") {
    INVAR_TRY(std::string content, parse_character(object, "content"));
    INVAR_TRY(const int64_t start, object.require_int("start", 0, 1 << 20));
    INVAR_TRY(const int64_t stop, object.require_int("stop", 0, 1 << 20));
    steps.push_back(StripDecode{std::move(content), static_cast<size_t>(start), static_cast<size_t>(stop)});
  } else if (type == "Metaspace") {
    INVAR_TRY(Metaspace step, parse_metaspace(object));
    steps.push_back(MetaspaceDecode{std::move(step.replacement), step.prepend != Metaspace::kNever});
  } else {
    return error("{}: the decoder {} is not supported", object.where(), quote(type));
  }
  return Ok{};
}

}  // namespace

Result<Normalizer> parse_normalizer(const Json& json, const std::string& where) {
  Normalizer normalizer;
  INVAR_RETURN_IF_ERROR(
      for_each_step(json, where, "normalizers", [&](const JsonObject& object, const std::string& type) {
        return add_normalizer_step(object, type, normalizer);
      }));
  return normalizer;
}

Result<ParsedPreTokenizer> parse_pre_tokenizer(const Json& json, const std::string& where) {
  ParsedPreTokenizer parsed;
  INVAR_RETURN_IF_ERROR(
      for_each_step(json, where, "pretokenizers", [&](const JsonObject& object, const std::string& type) {
        return add_pre_tokenizer_step(object, type, parsed);
      }));
  return parsed;
}

Result<Decoder> parse_decoder(const Json& json, const std::string& where) {
  Decoder decoder;
  INVAR_RETURN_IF_ERROR(
      for_each_step(json, where, "decoders", [&](const JsonObject& object, const std::string& type) {
        return add_decoder_step(object, type, decoder);
      }));
  if (json.is_null()) decoder.steps.push_back(JoinWithSpaces{});
  if (auto status = check_streamable(decoder); !status.ok()) return error("{}: {}", where, status.message());
  return decoder;
}

}  // namespace invar
