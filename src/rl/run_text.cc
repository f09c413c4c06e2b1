#include "rl/run_text.h"

#include <fmt/format.h>

#include <cmath>

#include "text/utf8.h"

namespace invar {
namespace {

// Marks that turn the direction of what follows, and separators of lines: a terminal or browser obeys them unseen.
bool is_invisible(char32_t c) {
  return (c >= 0x80 && c < 0xA0) || (c >= 0x200E && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

// Calls put(code point, its bytes) for each; what is malformed counts as U+FFFD. Stops when put says false.
template <class Put>
void each_code_point(std::string_view text, Put&& put) {
  while (!text.empty()) {
    const Utf8Scan scan = scan_utf8(text);
    const bool valid = scan.kind == Utf8Scan::kValid;
    const char32_t c = valid ? read_code_point(text, 0).value : U'\uFFFD';
    const bool replaced = !valid || is_invisible(c);
    if (!put(replaced ? U'\uFFFD' : c, replaced ? kReplacementCharacter : text.substr(0, scan.bytes))) return;
    text.remove_prefix(scan.bytes);
  }
}

}  // namespace

std::string printable(std::string_view text, std::size_t columns) {
  std::string out;
  std::size_t count = 0;
  each_code_point(text, [&](char32_t c, std::string_view bytes) {
    if (count++ == columns) {
      out += "...";
      return false;
    }
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\\') {
      out += "\\\\";
    } else if (c < 0x20 || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      out += bytes;
    }
    return true;
  });
  return out;
}

std::string html(std::string_view text) {
  std::string out;
  each_code_point(text, [&](char32_t c, std::string_view bytes) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
          out += kReplacementCharacter;
        } else {
          out += bytes;
        }
    }
    return true;
  });
  return out;
}

std::string short_number(double value) {
  if (std::isnan(value)) return "nan";
  return fmt::format("{:.6g}", value);
}

}  // namespace invar
