#include "text/byte_level.h"

#include <array>

#include "text/utf8.h"

namespace invar {
namespace {

constexpr bool stands_for_itself(unsigned b) {
  return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
}

struct Tables {
  std::array<char32_t, 256> character{};
  std::array<int16_t, 512> byte{};  // -1: no byte has this character
};

constexpr Tables make_tables() {
  Tables t;
  t.byte.fill(-1);
  char32_t next = 256;
  for (unsigned b = 0; b < 256; ++b) {
    t.character[b] = stands_for_itself(b) ? b : next++;
    t.byte[t.character[b]] = static_cast<int16_t>(b);
  }
  return t;
}

constexpr Tables kTables = make_tables();

}  // namespace

char32_t byte_level_char(unsigned char byte) { return kTables.character[byte]; }

std::optional<std::string> byte_level_decode(std::string_view token) {
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const CodePoint c = read_code_point(token, at);
    if (c.value >= kTables.byte.size() || kTables.byte[c.value] < 0) return std::nullopt;
    bytes += static_cast<char>(kTables.byte[c.value]);
    at += c.bytes;
  }
  return bytes;
}

}  // namespace invar
