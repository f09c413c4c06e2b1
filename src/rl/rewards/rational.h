// Exact fractions of 64-bit integers, for rewards that compare numbers; overflow is an absent result.
#pragma once

#include <cstdint>
#include <optional>

namespace invar {

// Lowest terms, denominator > 0. Numerators stay above INT64_MIN, so that every one can be negated.
class Rational {
 public:
  // Absent: a denominator of 0, or INT64_MIN.
  static std::optional<Rational> make(int64_t numerator, int64_t denominator = 1) {
    return reduce(numerator, denominator);
  }

  int64_t numerator() const { return numerator_; }
  int64_t denominator() const { return denominator_; }
  bool operator==(const Rational&) const = default;

  // Absent: beyond 64 bits in lowest terms; division by zero.
  friend std::optional<Rational> add(const Rational& a, const Rational& b) {
    return reduce(wide(a.numerator_) * b.denominator_ + wide(b.numerator_) * a.denominator_,
                  wide(a.denominator_) * b.denominator_);
  }
  friend std::optional<Rational> subtract(const Rational& a, const Rational& b) {
    return reduce(wide(a.numerator_) * b.denominator_ - wide(b.numerator_) * a.denominator_,
                  wide(a.denominator_) * b.denominator_);
  }
  friend std::optional<Rational> multiply(const Rational& a, const Rational& b) {
    return reduce(wide(a.numerator_) * b.numerator_, wide(a.denominator_) * b.denominator_);
  }
  friend std::optional<Rational> divide(const Rational& a, const Rational& b) {
    return reduce(wide(a.numerator_) * b.denominator_, wide(a.denominator_) * b.numerator_);
  }

 private:
  using Wide = __int128;  // holds a sum of two products of 64-bit numbers above INT64_MIN
  static Wide wide(int64_t x) { return x; }

  static std::optional<Rational> reduce(Wide numerator, Wide denominator) {
    if (denominator == 0) return std::nullopt;
    if (denominator < 0) {
      numerator = -numerator;
      denominator = -denominator;
    }
    Wide a = numerator < 0 ? -numerator : numerator, b = denominator;
    while (b != 0) {
      const Wide rest = a % b;
      a = b;
      b = rest;
    }
    numerator /= a;
    denominator /= a;
    if (numerator > INT64_MAX || numerator <= INT64_MIN || denominator > INT64_MAX) return std::nullopt;
    Rational result;
    result.numerator_ = static_cast<int64_t>(numerator);
    result.denominator_ = static_cast<int64_t>(denominator);
    return result;
  }

  int64_t numerator_ = 0;
  int64_t denominator_ = 1;
};

}  // namespace invar
