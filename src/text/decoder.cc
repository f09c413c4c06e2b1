#include "text/decoder.h"

#include "text/byte_level.h"

namespace invar {
namespace {

// The index after the first step that joins all tokens.
size_t first_fused_step(const Decoder& decoder) {
  for (size_t i = 0; i < decoder.steps.size(); ++i) {
    const DecoderStep& step = decoder.steps[i];
    if (std::holds_alternative<Fuse>(step) || std::holds_alternative<ByteLevelDecode>(step)) return i + 1;
  }
  return decoder.steps.size();
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte of a token <0xXX>, or -1. "+5" counts as hexadecimal, as it does for Rust's from_str_radix.
int fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  const int high = token[3] == '+' ? 0 : hex_digit(token[3]);
  const int low = hex_digit(token[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

std::string replace_all(const TextPattern& pattern, const std::string& content, std::string_view token) {
  const auto matches = find_all(pattern, token);
  if (!matches.ok())
    return std::string(token);  // a regex that gives up on a token of the vocabulary changes nothing
  std::string out;
  size_t at = 0;
  for (const Match& m : *matches) {
    out.append(token, at, m.begin - at).append(content);
    at = m.end;
  }
  return out.append(token, at, token.size() - at);
}

// `token` without up to start leading and stop trailing `content`.
std::string_view strip_token(const StripDecode& strip, std::string_view token) {
  for (size_t i = 0; i < strip.start && token.starts_with(strip.content); ++i)
    token.remove_prefix(strip.content.size());
  for (size_t i = 0; i < strip.stop && token.ends_with(strip.content); ++i)
    token.remove_suffix(strip.content.size());
  return token;
}

}  // namespace

Status check_streamable(const Decoder& decoder) {
  for (size_t i = first_fused_step(decoder); i < decoder.steps.size(); ++i) {
    const DecoderStep& step = decoder.steps[i];
    const auto* strip = std::get_if<StripDecode>(&step);
    const auto* replace = std::get_if<ReplaceDecode>(&step);
    const auto* literal = replace ? std::get_if<std::string>(&replace->pattern) : nullptr;
    const bool one_character =
        literal && utf8_length(static_cast<unsigned char>((*literal)[0])) == literal->size();
    if (std::holds_alternative<Fuse>(step) || (strip && strip->stop == 0) || one_character) continue;
    return error(
        "decoder step {} works on the joined text in a way that cannot be streamed; after Fuse or ByteLevel "
        "only "
        "Fuse, Strip with stop 0 and Replace of one character are supported",
        i);
  }
  return Ok{};
}

std::string token_bytes_of(const Decoder& decoder, std::string_view token) {
  std::string bytes(token);
  for (const DecoderStep& step : decoder.steps) {
    if (std::holds_alternative<ByteLevelDecode>(step)) return byte_level_decode(bytes).value_or(bytes);
    if (std::holds_alternative<ByteFallbackDecode>(step)) {
      if (const int byte = fallback_byte(bytes); byte >= 0) return std::string(1, static_cast<char>(byte));
    } else if (const auto* replace = std::get_if<ReplaceDecode>(&step)) {
      bytes = replace_all(replace->pattern, replace->content, bytes);
    } else if (const auto* metaspace = std::get_if<MetaspaceDecode>(&step)) {
      bytes = replace_all(metaspace->replacement, " ", bytes);
    }
  }
  return bytes;
}

DecodeState::DecodeState(const Decoder& decoder)
    : decoder_(decoder), states_(decoder.steps.size()), fused_from_(first_fused_step(decoder)) {}

void DecodeState::push(std::string_view token, std::string& out) { push_from(0, token, out); }

void DecodeState::push_from(size_t i, std::string_view token, std::string& out) {
  if (i == decoder_.steps.size()) {
    out += token;
    return;
  }
  const DecoderStep& step = decoder_.steps[i];
  if (std::holds_alternative<ByteLevelDecode>(step)) {
    push_byte_level(i, token, out);
  } else if (std::holds_alternative<ByteFallbackDecode>(step)) {
    push_byte_fallback(i, token, out);
  } else if (const auto* replace = std::get_if<ReplaceDecode>(&step)) {
    push_from(i + 1, replace_all(replace->pattern, replace->content, token), out);
  } else if (const auto* strip = std::get_if<StripDecode>(&step)) {
    push_strip(i, *strip, token, out);
  } else if (const auto* metaspace = std::get_if<MetaspaceDecode>(&step)) {
    const bool drop = metaspace->drop_first && !states_[i].started;
    states_[i].started = true;
    push_from(i + 1, replace_all(metaspace->replacement, drop ? "" : " ", token), out);
  } else if (std::holds_alternative<JoinWithSpaces>(step)) {
    if (states_[i].started) push_from(i + 1, " ", out);
    states_[i].started = true;
    push_from(i + 1, token, out);
  } else {
    push_from(i + 1, token, out);
  }
}

void DecodeState::push_byte_level(size_t i, std::string_view token, std::string& out) {
  std::string& held = states_[i].held;
  if (const auto bytes = byte_level_decode(token)) {
    held += *bytes;
  } else {
    held += token;
  }
  std::string text;
  size_t at = 0;
  while (at < held.size()) {
    const Utf8Scan scan = scan_utf8(std::string_view(held).substr(at));
    if (scan.kind == Utf8Scan::kIncomplete) break;
    if (scan.kind == Utf8Scan::kValid) {
      text.append(held, at, scan.bytes);
    } else {
      text += kReplacementCharacter;
    }
    at += scan.bytes;
  }
  held.erase(0, at);
  if (!text.empty()) push_from(i + 1, text, out);
}

void DecodeState::push_byte_fallback(size_t i, std::string_view token, std::string& out) {
  if (const int byte = fallback_byte(token); byte >= 0) {
    states_[i].held += static_cast<char>(byte);
    return;
  }
  flush_byte_fallback(i, out);
  push_from(i + 1, token, out);
}

void DecodeState::flush_byte_fallback(size_t i, std::string& out) {
  if (states_[i].held.empty()) return;
  const std::string run = std::move(states_[i].held);
  states_[i].held.clear();
  if (find_invalid_utf8(run) == std::string::npos) {
    push_from(i + 1, run, out);
  } else {
    for (size_t n = 0; n < run.size(); ++n) push_from(i + 1, kReplacementCharacter, out);
  }
}

void DecodeState::push_strip(size_t i, const StripDecode& strip, std::string_view token, std::string& out) {
  if (i < fused_from_) {
    push_from(i + 1, strip_token(strip, token), out);
    return;
  }
  StepState& state = states_[i];
  while (!state.started && state.stripped < strip.start && token.starts_with(strip.content)) {
    token.remove_prefix(strip.content.size());
    ++state.stripped;
  }
  if (token.empty()) return;
  state.started = true;
  push_from(i + 1, token, out);
}

void DecodeState::finish(std::string& out) {
  for (size_t i = 0; i < decoder_.steps.size(); ++i) {
    if (std::holds_alternative<ByteFallbackDecode>(decoder_.steps[i])) flush_byte_fallback(i, out);
    if (std::holds_alternative<ByteLevelDecode>(decoder_.steps[i]) && !states_[i].held.empty()) {
      states_[i].held.clear();  // an incomplete sequence is one invalid part
      push_from(i + 1, kReplacementCharacter, out);
    }
  }
}

}  // namespace invar
