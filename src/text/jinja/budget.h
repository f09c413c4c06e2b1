// What a template may use up. Templates come from strangers: every loop, copy and recursion is paid for here,
// and the first limit that is passed ends the rendering with one line that names it.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace invar::jinja {

struct Limits {
  int64_t source_bytes_max = 1 << 20;      // the template's text
  int64_t steps_max = 8'000'000;           // a node evaluated, an item made, 64 bytes scanned
  int64_t bytes_max = int64_t{512} << 20;  // sum of every string and container made, freed or not
  int64_t output_bytes_max = int64_t{64} << 20;
  int64_t range_items_max = 100'000;  // the bound of jinja2's sandbox
  int32_t parse_depth_max = 200;      // nested expressions and statements of the source
  int32_t call_depth_max = 600;       // nested evaluations, through macros too
};

// Lists within lists; bounds every recursion over values, destructors included.
constexpr int kValueDepthMax = 100;

// The one exception of this folder. A recursive evaluator unwinds by it; Template catches it, and callers of
// Template see a Result. Line 0 means: the line that was being evaluated.
struct Failure {
  std::string message;
  int line = 0;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Failure{fmt::format(format, std::forward<Args>(args)...)};
}

class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  const Limits& limits() const { return limits_; }

  void step(int64_t count = 1) {
    steps_ += count;
    if (steps_ > limits_.steps_max) [[unlikely]]
      fail("limit steps_max: the template ran more than {} steps", limits_.steps_max);
  }

  // Reading `bytes` of text once.
  void scan(size_t bytes) { step(1 + static_cast<int64_t>(bytes / 64)); }

  // Call before allocating. `bytes` may be any product of sizes below 2^62.
  void bytes(int64_t bytes) {
    if (bytes > limits_.bytes_max - bytes_) [[unlikely]]
      fail("limit bytes_max: the template made more than {} bytes of values", limits_.bytes_max);
    bytes_ += bytes;
  }

 private:
  Limits limits_;
  int64_t steps_ = 0;
  int64_t bytes_ = 0;
};

// A string under construction; every append is paid for before it allocates.
class Text {
 public:
  explicit Text(Budget& budget) : budget_(budget) {}

  Text& operator<<(std::string_view piece) {
    budget_.scan(piece.size());
    budget_.bytes(static_cast<int64_t>(piece.size()));
    text_.append(piece);
    return *this;
  }

  void repeat(std::string_view piece, int64_t count);

  const std::string& view() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  Budget& budget_;
  std::string text_;
};

inline void Text::repeat(std::string_view piece, int64_t count) {
  if (count <= 0 || piece.empty()) return;
  const auto size = static_cast<int64_t>(piece.size());
  if (count > budget_.limits().bytes_max / size)
    fail("limit bytes_max: {} copies of {} bytes exceed {} bytes", count, size, budget_.limits().bytes_max);
  budget_.bytes(count * size);
  budget_.step(count * size / 64);
  text_.reserve(text_.size() + static_cast<size_t>(count * size));
  for (int64_t i = 0; i < count; ++i) text_.append(piece);
}

}  // namespace invar::jinja
