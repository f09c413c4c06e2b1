// quote(text): text from a file or a request, made fit for one line of an error message.
//
// Control bytes, quotes and bytes above 0x7E are written as \xNN; longer texts are cut after 60 bytes.
#pragma once

#include <string>
#include <string_view>

namespace invar {

inline std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || c == '"' || c == '\\') {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += text.size() > kLongest ? "...\"" : "\"";
  return out;
}

}  // namespace invar
